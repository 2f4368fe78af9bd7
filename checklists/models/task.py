"""One item at one unit, and its append-only history."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Self

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now, TruncDate
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from checklists.models.campaign import Campaign
from checklists.models.item import Item
from checklists.models.share import Share
from checklists.models.tally import keep_tallies
from villages import access
from villages.models import Cadre, Unit


class State(models.TextChoices):
    """Where a task stands. Claimed (`done`) and `verified` are two words by two people."""

    OPEN = "open", _("open")
    DONE = "done", _("claimed")
    VERIFIED = "verified", _("verified")
    RETURNED = "returned", _("returned")
    WAIVED = "waived", _("waived")


# Still owed: what makes a task overdue once its day is past. Twin in SQL: readiness/boards/queries.py.
OWED = (State.OPEN, State.RETURNED)


class TaskQuerySet(models.QuerySet["Task"]):
    """Sentences about tasks."""

    def visible_to(self, user: access.Person) -> Self:
        """Tasks of units in the user's sight, retired ones too: their history stays open."""
        return self.filter(access.within("unit__code", user))

    def asked_for(self) -> Self:
        """Not retired."""
        return self.filter(retired_at__isnull=True)

    def owed_by(self, user: access.Person) -> Self:
        """Tasks that are the user's own work, by the posts they hold at that very unit."""
        return self.asked_for().filter(access.reached("unit__code", user, access.Action.OWE))

    def to_check_by(self, user: access.Person) -> Self:
        """Claimed by somebody else, and waiting for this user's look."""
        asked = Coalesce("item__looked_at_by", "campaign__looked_at_by")
        claimed = {"done_by": "done_by", "done_for": "done_for", "rests_on": "rests_on"}
        mine = access.checkable("unit__code", user, height="asked_height", **claimed)
        return self.asked_for().filter(state=State.DONE).alias(asked_height=asked).filter(mine)

    def riskiest_first(self) -> Self:
        """Claims with why they should be looked at, the most pressing first: veto, gate, returned before, of a unit
        where nobody has verified anything in this campaign, made in the last hour of the deadline; then the oldest.
        """
        events = TaskEvent.objects
        back = events.filter(task=OuterRef("pk"), to_state=State.RETURNED, from_state__in=(State.DONE, State.VERIFIED))
        looks = events.filter(to_state=State.VERIFIED, from_state=State.DONE)
        here = looks.filter(task__campaign=OuterRef("campaign"), task__unit=OuterRef("unit"))
        last_hour = Q(done_at__date=F("due_on"), done_at__hour=23)
        return self.annotate(
            came_back=Exists(back),
            is_new_here=~Exists(here),
            is_last_hour=ExpressionWrapper(last_hour, models.BooleanField()),
        ).order_by("-veto", "-item__gate", "-came_back", "-is_new_here", "-is_last_hour", "done_at", "pk")

    def under(self, code: str) -> Self:
        """Tasks of the unit and everything below it."""
        return self.filter(unit__code__startswith=code)

    def running(self) -> Self:
        """Tasks of campaigns that are under way."""
        return self.asked_for().filter(campaign__status=Campaign.Status.ACTIVE)

    def beside(self, code: str) -> Self:
        """Tasks of the unit itself, of its departments and its sites, without the units a level below it."""
        own = Q(unit=code)
        return self.filter(own | Q(unit__code__startswith=f"{code}D") | Q(unit__code__startswith=f"{code}S"))

    def still_owed(self) -> Self:
        """Neither claimed nor waived: open or sent back."""
        return self.asked_for().filter(state__in=OWED)

    def claimed(self) -> Self:
        """Claimed, those verified since included."""
        return self.filter(state__in=(State.DONE, State.VERIFIED))

    def overdue(self, on: date) -> Self:
        """Still owed on a day after the deadline."""
        return self.still_owed().filter(due_on__lt=on)

    def for_change(self) -> Self:
        """With what decides about a change. Composing a larger query takes longer than what it would save."""
        return self.select_related("campaign", "item")

    def for_list(self) -> Self:
        """With what a line of a list shows, in one query. Cheaper for many: `read_along`."""
        return self.for_change().select_related("unit", "done_by", "verified_by")


class Task(models.Model):
    """任务: one item at one unit. Changed only through checklists/ticks.py and checklists/launch.py."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="tasks", db_index=False)
    item = models.ForeignKey(Item, models.CASCADE, related_name="tasks", db_index=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="tasks", db_index=False)
    due_on = models.DateField(_("due on"))
    due_by_hand = models.BooleanField(default=False, db_default=False)  # given its own day: the item's does not move it
    points = models.PositiveSmallIntegerField(default=1)
    veto = models.BooleanField(default=False, db_default=False)  # as its item says; kept here for the tallies
    # Since when it is no longer asked for. It keeps its state and history, and counts nowhere.
    retired_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.OPEN, db_default=State.OPEN
    )
    value = models.DecimalField(_("value"), max_digits=16, decimal_places=4, null=True, blank=True)
    # Goes up by one with every change; a change names the version it was made from (compare-and-set).
    version = models.PositiveIntegerField(default=0, db_default=0)
    done_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    done_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    verified_at = models.DateTimeField(null=True, blank=True)
    # Whose right it was, if it was a stand-in who ticked or verified: neither of the two checks the other's claim.
    done_for = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    verified_for = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    # Whose word the claim rests on besides (ids of cadres): who entered the value that counts and who claimed before
    # `done_by` did, and in whose place. On a task that is owed: whose value is there.
    rests_on = ArrayField(models.BigIntegerField(), default=list, blank=True, db_default=[])

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        ordering = ["due_on", "pk"]
        constraints = [
            models.UniqueConstraint(name="task_once_per_item_and_unit", fields=["item", "unit"]),
            models.CheckConstraint(name="task_state_is_known", condition=Q(state__in=State.values)),
            models.CheckConstraint(
                name="task_claimed_by_someone_at_some_time",
                condition=Q(state__in=("done", "verified"), done_by__isnull=False, done_at__isnull=False)
                | (~Q(state__in=("done", "verified")) & Q(done_by__isnull=True, done_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="task_verified_by_someone_at_some_time",
                condition=Q(state="verified", verified_by__isnull=False, verified_at__isnull=False)
                | (~Q(state="verified") & Q(verified_by__isnull=True, verified_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="task_verified_by_someone_else",
                condition=Q(verified_by__isnull=True) | ~Q(verified_by=F("done_by")),
            ),
            models.CheckConstraint(
                name="task_verified_by_no_stand_in_of_the_claimant",
                condition=(Q(verified_by__isnull=True) | Q(done_for__isnull=True) | ~Q(verified_by=F("done_for")))
                & (Q(verified_for__isnull=True) | ~Q(verified_for=F("done_by")))
                & (Q(verified_for__isnull=True) | Q(done_for__isnull=True) | ~Q(verified_for=F("done_for"))),
            ),
            models.CheckConstraint(
                name="task_verified_by_nobody_it_rests_on",
                condition=~Q(rests_on__contains=[F("verified_by")]) & ~Q(rests_on__contains=[F("verified_for")]),
            ),
            models.CheckConstraint(
                name="task_done_or_verified_for_someone_by_someone",
                condition=(Q(done_for__isnull=True) | Q(done_by__isnull=False))
                & (Q(verified_for__isnull=True) | Q(verified_by__isnull=False)),
            ),
        ]
        indexes = [
            # A unit's tasks, a subtree's tasks (unit codes are prefixes), a board's figures behind a number.
            models.Index(name="task_by_campaign_and_unit", fields=["campaign", "unit", "state", "due_on"]),
            models.Index(name="task_by_unit", fields=["unit", "due_on"]),
        ]
        triggers = keep_tallies()

    def __str__(self) -> str:
        return f"{self.item} · {self.unit}"

    def get_absolute_url(self) -> str:
        return reverse("task", args=[self.pk])

    @property
    def is_owed(self) -> bool:
        return self.state in OWED and self.retired_at is None

    def is_overdue(self, on: date) -> bool:
        """Still owed on a day after the deadline."""
        return self.is_owed and self.due_on < on

    @cached_property
    def share(self) -> Decimal | None:
        """The unit's part of the item's total, if it was given one; `read_along` has it."""
        if self.item.total is None:
            return None
        return Share.objects.filter(item=self.item_id, unit=self.unit_id).values_list("value", flat=True).first()

    @cached_property
    def lacks_proof(self) -> bool:
        """Whether its item asks for a file that shows it, and there is none; `read_along` has it."""
        if not self.item.needs_proof:
            return False
        return not self.proofs.filter(evidence__removed_at__isnull=True).exists()

    @property
    def waits_for_proof(self) -> bool:
        """Claimed, and nobody can verify it before there is a file."""
        return self.state == State.DONE and self.lacks_proof

    @property
    def target(self) -> Decimal | None:
        """What this unit is held to: its own part of the total, else what the item asks of every unit."""
        return self.item.target if self.share is None else self.share

    @property
    def asks_value(self) -> bool:
        """Whether a tick needs the measured value: a stated target or a part of the total does.

        An implied "none left" does not.
        """
        return self.share is not None or (self.item.target is not None and self.item.target_is_stated)

    @property
    def claimants(self) -> set[int]:
        """Whose word it is that stands here, and in whose place they said it: none of them checks it."""
        return {pk for pk in (self.done_by_id, self.done_for_id, *self.rests_on) if pk is not None}

    @property
    def unclaimed(self) -> dict[str, Any]:
        """Its columns once nobody claims it any more. A value that stays still rests on the same people."""
        names = ("done_by", "done_at", "done_for", "verified_by", "verified_at", "verified_for")
        return dict.fromkeys(names) | {"rests_on": [] if self.value is None else sorted(self.claimants)}

    @property
    def height(self) -> int:
        """How high a second look must go: as the item says, else its campaign. Twin in SQL: `to_check_by`."""
        return self.item.looked_at_by or self.campaign.looked_at_by

    def is_met_by(self, value: Decimal) -> bool:
        """Whether a measured value reaches what this unit is held to."""
        return self.item.reaches(value, self.target)


def read_along(tasks: Iterable[Task], campaigns: Iterable[Campaign], *, with_units: bool = False) -> list[Task]:
    """The tasks with what their lines show: each person, unit and share read once, not joined to every row again.

    Args:
        tasks: with their items.
        campaigns: those that the tasks belong to, and maybe others.
    """
    tasks = list(tasks)
    hosted = {campaign.pk: campaign for campaign in campaigns}
    units = Unit.objects.in_bulk({task.unit_id for task in tasks} if with_units else ())
    # Asked also if nobody has done anything: a page takes as many queries whatever is on it.
    known = {cadre for task in tasks for cadre in (task.done_by_id, task.verified_by_id) if cadre}
    named = Cadre.objects.raw("SELECT id, name FROM villages_cadre WHERE id = ANY (%s::bigint[])", [list(known)])
    people = {cadre.pk: cadre for cadre in named}
    split = {task.item_id for task in tasks if task.item.total is not None}
    parts = Share.objects.filter(item__in=split, unit__in={task.unit_id for task in tasks})
    shares = {(share.item_id, share.unit_id): share.value for share in parts} if split else {}
    asking = [task.pk for task in tasks if task.item.needs_proof and "lacks_proof" not in vars(task)]
    shown = Task.objects.filter(pk__in=asking, proofs__isnull=False, proofs__evidence__removed_at__isnull=True)
    proven = set(shown.values_list("pk", flat=True)) if asking else set()
    for task in tasks:
        vars(task).setdefault("lacks_proof", task.item.needs_proof and task.pk not in proven)
        task.campaign = hosted[task.campaign_id]
        task.share = shares.get((task.item_id, task.unit_id))
        if with_units:
            task.unit = units[task.unit_id]
        if task.done_by_id:
            task.done_by = people[task.done_by_id]
        if task.verified_by_id:
            task.verified_by = people[task.verified_by_id]
    return tasks


class TaskEventQuerySet(models.QuerySet["TaskEvent"]):
    """Sentences about a task's history."""

    def measured(self) -> Self:
        """Those that carry a value, with the `day` it stands for; what was entered last comes last on its day."""
        return self.filter(value__isnull=False).annotate(day=Coalesce("as_of", TruncDate("at"))).order_by("day", "at")


class TaskEvent(models.Model):
    """记录: one line of a task's history. The database refuses to change or remove it."""

    id = models.UUIDField(primary_key=True)  # made by whoever sends the change, so that a repeat is known as one
    task = models.ForeignKey(Task, models.PROTECT, related_name="events", db_index=False)
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("at"), db_default=Now())
    from_state = models.CharField(max_length=10, choices=State.choices)
    to_state = models.CharField(max_length=10, choices=State.choices)
    value = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    as_of = models.DateField(_("as of"), null=True, blank=True)  # the day a value stands for, if not the day of entry
    note = models.TextField(blank=True)
    # Somebody looked at a verified task again, and it was still so; what else is said of one leaves it unset.
    looked_again = models.BooleanField(default=False, db_default=False)

    objects = TaskEventQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                name="event_states_are_known", condition=Q(from_state__in=State.values, to_state__in=State.values)
            ),
            models.CheckConstraint(
                # A value entered on a returned task leaves it where it is and needs none.
                name="event_gives_a_reason",
                condition=~Q(to_state__in=("waived", "returned")) | Q(from_state=F("to_state")) | ~Q(note=""),
            ),
            models.CheckConstraint(
                name="event_looks_again_at_what_is_verified",
                condition=Q(looked_again=False) | Q(from_state="verified", to_state="verified"),
            ),
        ]
        indexes = [
            models.Index(name="event_by_task", fields=["task", "at"]),
            models.Index(name="event_by_time", fields=["at"]),  # the newest on a wall, above a county too
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="never_emptied",
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                operation=pgtrigger.Truncate,
                func="RAISE EXCEPTION 'The history of tasks is never emptied';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_from_state_display()} → {self.get_to_state_display()}"

    @property
    def is_look(self) -> bool:
        """Whether somebody looked at what was claimed: verified it, sent it back, or found it still so."""
        came = self.to_state != self.from_state and self.from_state in (State.DONE, State.VERIFIED)
        return self.looked_again or (came and self.to_state in (State.VERIFIED, State.RETURNED))

    @cached_property
    def day(self) -> date:
        """The day that its value stands for; `measured` reads it along."""
        return self.as_of or timezone.localdate(self.at)
