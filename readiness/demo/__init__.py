"""The demo: a real district with invented people, three and a half weeks into its census campaign.

The townships and villages are those of Xuzhou district (511504). Every cadre is made up (a common family
name and a plant or a water), every phone number lies in a block that is never assigned (100…),
and what they do is a story. Nothing here says anything about the real offices.

The same day gives the same demo: one seeded generator, drawn from in a fixed order. First it is decided how
each task stands today, then told how that came about, by the rules of checklists/ticks.py, in bulk.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery

from checklists import catalog
from checklists.launch import launch
from checklists.models import Campaign, Item, Phase, Task, Template
from checklists.models.tally import tell_days
from readiness.demo import findings, photos
from readiness.demo.people import DEPARTMENTS, HOST, LOGINS, PASSWORD, Roster
from readiness.demo.rounds import Rounds
from readiness.demo.story import MOODS, PACE_OF, PACES, Story, number_of, office_time
from readiness.models import Notice
from readiness.reminders import outbox
from villages.access import Role
from villages.importing import import_units
from villages.models import Cadre, Unit

__all__ = ["HOST", "LOGINS", "PASSWORD", "TEMPLATE", "Made", "NoDemo", "make"]

TEMPLATE = "district-7th-census-and-stat-rectification"
UNITS = settings.BASE_DIR / "villages" / "data" / "xuzhou-511504.csv"
SEED = 7
LAUNCHED = 24  # days ago
INSPECTS = 35  # days ahead
ASKS_FOR_PROOF = "d7c-30"
REMINDED = 7  # days, of which the working days brought notices

# The office's own timetable: the speech leaves most deadlines open. Days from today -> items due then.
TIMETABLE = {
    -10: "02 03 08 09 10 14 17",
    -3: "01 04 05 11 15 16 29",
    0: "06 31 37",
    2: "18 27 38",
    4: "24 25",
    9: "12 19 39 40",
    14: "28 41 43 45 46 47",
    20: "13 20 30 42 44 48",
    27: "07 33 34 36 49 50",
    35: "21 22 23 26 32 35 51 52",
}
# Likewise: from and to, in days from today. Pledges and rules are due before the registration they are for.
PHASES = {
    "setup": (-LAUNCHED, -10),
    "prepare": (-LAUNCHED, 20),
    "register": (21, 35),
    "rectify": (-LAUNCHED, 35),
}


class NoDemo(Exception):
    """Why there is none; nothing was changed."""


@dataclass(frozen=True)
class Made:
    """The campaign, and how much was written."""

    campaign: Campaign
    units: int
    cadres: int
    tasks: int
    events: int
    notices: int


@transaction.atomic
def make(*, on: date) -> Made:
    """Makes the demo as of a day: units, people, campaign, what happened since its launch, reminders.

    Raises:
        NoDemo: DEBUG is off, or the demo or other people are there already.
    """
    if not settings.DEBUG:
        raise NoDemo("The demo has a password that everybody knows; it is only made where DEBUG is on.")
    if Campaign.objects.filter(template__slug=TEMPLATE, host=HOST).exists():
        raise NoDemo("The demo is there already; nothing was changed.")
    if Cadre.objects.exists():
        raise NoDemo("There are cadres in this database already. The demo is for one without; nothing was changed.")
    rng = random.Random(SEED)  # noqa: S311 - a story, not a secret
    import_units(UNITS)
    Unit.objects.bulk_create(
        [Unit(code=f"{HOST}D{n:03}", name=name, parent_id=HOST) for n, name in enumerate(DEPARTMENTS, start=1)],
        ignore_conflicts=True,
    )
    roster = Roster(rng, since=on - timedelta(days=365))
    roster.fill(list(Unit.objects.under(HOST).order_by("code")))
    campaign = _launch(roster.at[HOST, Role.CAMPAIGN_ADMIN][0], on=on)
    story = Story(rng, on)
    tasks = list(Task.objects.filter(campaign=campaign).select_related("item").order_by("unit_id", "item__position"))
    # A township with its villages, then the departments: each with a mood and a care in checking of its own.
    for n, (_row, owed_there) in enumerate(groupby(tasks, key=lambda task: task.unit_id[:9])):
        mood, care = MOODS[n % len(MOODS)], rng.uniform(0.35, 0.85)
        for code, owed in groupby(owed_there, key=lambda task: task.unit_id):
            (pace,) = rng.choices(PACES, mood)
            story.of_unit(code, list(owed), roster.team(code), PACE_OF.get(code, pace), care=care)
    visits = Rounds(story, campaign, roster)
    visits.tell(tasks)
    story.write()
    findings.make(campaign, roster, on=on)
    visits.write(roster)
    visits.announce_next()
    photos.make(campaign, rng)
    tell_days(campaign)
    notices = sum(_remind(on - timedelta(days=ago), today=on) for ago in range(REMINDED - 1, -1, -1))
    return Made(campaign, Unit.objects.count(), len(roster.cadres), len(tasks), len(story.events), notices)


def _launch(admin: Cadre, *, on: date) -> Campaign:
    """The campaign, launched weeks ago, with the office's own timetable."""
    if not Template.objects.filter(slug=TEMPLATE).exists():
        catalog.load([catalog.CATALOG / f"{TEMPLATE}.yaml"])
    campaign = launch(
        Template.objects.newest().get(slug=TEMPLATE),
        Unit.objects.get(code=HOST),
        inspects_on=on + timedelta(days=INSPECTS),
        on=on - timedelta(days=LAUNCHED),
        by=admin,
    ).campaign
    Campaign.objects.filter(pk=campaign.pk).update(created_at=office_time(campaign.starts_on))
    phases = list(campaign.phases.all())
    for phase in phases:
        starts, ends = PHASES[phase.key]
        phase.starts_on, phase.ends_on = on + timedelta(days=starts), on + timedelta(days=ends)
    Phase.objects.bulk_update(phases, ["starts_on", "ends_on"])
    due = {number: on + timedelta(days=days) for days, numbers in TIMETABLE.items() for number in numbers.split()}
    items = list(campaign.items.all())
    for item in items:
        item.due_on, item.needs_proof = due[number_of(item)], item.number == ASKS_FOR_PROOF
    Item.objects.bulk_update(items, ["due_on", "needs_proof"])
    agreed = Item.objects.filter(pk=OuterRef("item")).values("due_on")
    Task.objects.filter(campaign=campaign).update(due_on=Subquery(agreed))
    return campaign


def _remind(day: date, *, today: date) -> int:
    """The day's notices, as if they had been written that morning; how many. None on a day off."""
    written = outbox.write(day, office_time(day) if day == today else None)
    if day < today:
        Notice.objects.filter(on=day).update(created_at=office_time(day), sent_at=office_time(day))
    return written
