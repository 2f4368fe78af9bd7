import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from checklists import draws
from checklists.draws import recipe
from checklists.models import Draw, Relief
from checklists.rounds import relief


class Command(BaseCommand):
    help = "Draws again from what the database keeps of a draw; prints the result, exits 1 if anything differs from it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", type=int, help="the number in the address of the draw's page")

    def handle(self, *args: Any, **options: Any) -> None:
        draw = Draw.objects.filter(pk=options["id"]).first()
        if draw is None:
            raise CommandError(f"No draw {options['id']}")
        if not draw.is_drawn:
            raise CommandError(f"Draw {draw} is announced; it is made once two people have given a number")
        try:
            found = draws.differences(draw)
        except ValueError as error:
            raise CommandError(str(error)) from error
        drawn = draws.result(draw)
        rounds = dict(draw.rounds.values_list("unit_id", "pk"))
        reliefs = relief.told(Relief.objects.filter(round__draw=draw))
        self.stdout.write(f"{draw}: list {recipe.hashed(draw.frozen)}")
        for unit in drawn.units:
            who = ", ".join(f"{one.name} ({one.id})" for one in drawn.sent[unit.code])
            self.stdout.write(f"{unit.code} {unit.name}: {who}")
            for told in reliefs.get(rounds.get(unit.code, 0), ()):
                day = timezone.localtime(told.relief.at)
                self.stdout.write(f"  since {day:%Y-%m-%d %H:%M}: {', '.join(told.now)}, because: {told.relief.reason}")
        for difference in found:
            self.stderr.write(difference)
        if found:
            sys.exit(1)
        self.stdout.write("The rounds are what was drawn")
