from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from villages import posts
from villages.access import Role
from villages.models import Cadre, Unit, code_of


class Command(BaseCommand):
    help = "Gives a person a post, and a log-in with a random first password if they have none yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="log-in name, or the mobile number of somebody on the roster")
        parser.add_argument("name", help="the person's name")
        parser.add_argument("role", choices=Role.values)
        parser.add_argument("unit_code")
        parser.add_argument("--title", default="", help="such as 村支书")
        parser.add_argument("--phone", help="11 digits; also good for logging in")
        parser.add_argument("--email", default="")
        parser.add_argument("--principal", action="store_true", help="answers first for the unit")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        unit = Unit.objects.filter(code=code_of(options["unit_code"])).first()
        if unit is None:
            raise CommandError(f"No unit with code {options['unit_code']!r}. Run import_units first.")
        name, phone, email = options["name"], options["phone"] or "", options["email"]
        cadre = Cadre.objects.filter(Q(username=options["username"]) | Q(phone=options["username"])).first()
        try:
            if cadre is None:
                cadre = posts.enrol(name, phone, username=options["username"], email=email)
            else:
                cadre.name, cadre.phone, cadre.email = name, phone or cadre.phone, email or cadre.email
                cadre.full_clean()
                cadre.save()
            fields = {name: options[name] for name in ("role", "title", "principal")}
            post = posts.appoint(unit, cadre=cadre, since=timezone.localdate(), **fields)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        password = posts.first_password(cadre)
        self.stdout.write(f"{post}" + (f"\nFirst password of {cadre.username}: {password}" if password else ""))
