"""Vacancies above the county: counted county by county when Celery beats, read by boards as sums."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q
from django.db.models.functions import Length
from django.utils import timezone

from checklists.models import Campaign, Tally
from checklists.models.tally import COUNTY_PLACES
from readiness.boards import answers, figures
from readiness.boards.figures import Board
from readiness.boards.light import Counts
from readiness.models import Gap
from villages import access
from villages.models import short_name

SHOWN = 20  # counties that are named


@dataclass(frozen=True)
class Gaps:
    """How many units of a province (a city, the country) nobody answers for, and where most of them are."""

    vacancies: int
    counted_at: datetime  # the oldest of the counts
    worst: list[tuple[str, str, int]]  # code, name, how many


def known(campaign: Campaign, user: access.Person, at: str) -> Gaps | None:
    """What was counted last; None before the first count. One query."""
    rows = Gap.objects.visible_to(user).filter(campaign=campaign, unit__code__startswith=at)
    found = list(rows.order_by("-vacancies", "unit").values_list("unit", "unit__name", "vacancies", "counted_at"))
    if not found:
        return None
    worst = [(code, short_name(name), n) for code, name, n, _ in found[:SHOWN] if n]
    return Gaps(sum(n for _, _, n, _ in found), min(at for *_, at in found), worst)


def count(campaign: Campaign, *, on: date) -> int:
    """Counts a campaign that reaches over more than one county, in the words of the board itself; how many vacancies.

    Each county by itself: its own board says who is missing there.
    """
    now, everything = timezone.now(), access.Onlooker(campaign.host_id)
    units = Tally.objects.filter(campaign=campaign).alias(places=Length("unit_id")).order_by()
    counties = units.filter(~Q(unit__code__contains="D"), places=COUNTY_PLACES)
    above = units.filter(Q(places__in=(0, 2, 4, 8)) | Q(places=COUNTY_PLACES, unit__code__contains="D"))
    found = []
    for code in counties.values_list("unit_id", flat=True).distinct():
        shown = figures.board(campaign, everything, at=code, on=on)
        found.append((code, len(answers.vacancies(campaign, everything, shown, on=on))))
    owing = set(above.values_list("unit_id", flat=True).distinct())
    alone = Board(campaign.host_id, Counts(), [], {}, dict.fromkeys(owing, Counts()), set())
    vacant = {vacancy.code for vacancy in answers.vacancies(campaign, everything, alone, on=on)}
    found += [(code, int(code in vacant)) for code in owing]
    Gap.objects.bulk_create(
        [Gap(campaign=campaign, unit_id=code, vacancies=n, counted_at=now) for code, n in found],
        update_conflicts=True,
        unique_fields=["campaign", "unit"],
        update_fields=["vacancies", "counted_at"],
    )
    Gap.objects.filter(campaign=campaign, counted_at__lt=now).delete()  # of units that take part no more
    return sum(n for _, n in found)


def count_all(*, on: date) -> None:
    """Every running campaign of more than one county."""
    running = Campaign.objects.running().alias(places=Length("host_id"))
    for campaign in running.filter(places__lt=COUNTY_PLACES):
        count(campaign, on=on)
