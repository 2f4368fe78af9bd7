import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from villages.access import Role
from villages.models import Cadre, Post, Unit


class Command(BaseCommand):
    help = "Gives a person a post, and a log-in with a random first password if they have none yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="log-in name")
        parser.add_argument("name", help="the person's name")
        parser.add_argument("role", choices=Role.values)
        parser.add_argument("unit_code")
        parser.add_argument("--title", default="", help="such as 村支书")
        parser.add_argument("--phone", help="11 digits; also good for logging in")
        parser.add_argument("--email", default="")
        parser.add_argument("--principal", action="store_true", help="answers first for the unit")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        unit = Unit.objects.filter(code=options["unit_code"]).first()
        if unit is None:
            raise CommandError(f"No unit with code {options['unit_code']!r}. Run import_units first.")
        cadre = Cadre.objects.filter(username=options["username"]).first() or Cadre(username=options["username"])
        password = "" if cadre.pk else secrets.token_urlsafe(9)
        if password:
            cadre.set_password(password)
        cadre.name = options["name"]
        cadre.phone = options["phone"] or cadre.phone
        cadre.email = options["email"] or cadre.email
        try:
            cadre.full_clean()
            cadre.save()
            fields = {name: options[name] for name in ("role", "title", "principal")}
            post = Post(cadre=cadre, unit=unit, **fields)
            post.full_clean(exclude=["since"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        post.save()
        self.stdout.write(f"{post}" + (f"\nFirst password of {cadre.username}: {password}" if password else ""))
