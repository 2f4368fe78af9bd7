from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from checklists import launch
from checklists.models import Campaign, Template
from villages.models import Unit, code_of


class Command(BaseCommand):
    help = "Makes a campaign and its tasks from a template; again, it adds only what is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("template", help="slug of the template, such as provincial-sanitary-city")
        parser.add_argument("unit_code", help="code of the unit that runs it, such as 511504; 0 is the country")
        parser.add_argument("--inspects-on", required=True, metavar="YYYY-MM-DD", help="the inspection day")
        parser.add_argument("--status", choices=["draft", "active"], default="active")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            day = date.fromisoformat(options["inspects_on"])
        except ValueError as error:
            raise CommandError(f"{options['inspects_on']!r} is no date; write it as 2026-12-31") from error
        template = Template.objects.filter(slug=options["template"]).newest().first()
        if template is None:
            known = ", ".join(Template.objects.values_list("slug", flat=True)) or "none: run load_catalog first"
            raise CommandError(f"No template {options['template']!r}. There are: {known}")
        host = Unit.objects.filter(code=code_of(options["unit_code"])).first()
        if host is None:
            raise CommandError(f"No unit with code {options['unit_code']!r}. Run import_units first.")
        try:
            launched = launch.launch(
                template, host, inspects_on=day, on=timezone.localdate(), status=Campaign.Status(options["status"])
            )
        except launch.CannotLaunch as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Campaign {launched.campaign.pk} of {host.name}: {launched.items} items, {launched.tasks} tasks, "
            f"{launched.responsibilities} responsibilities added"
        )
