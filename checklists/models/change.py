"""What people did to a campaign as a whole, beside the ticks: an append-only log, and requests for more time."""

from typing import Self

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from checklists.models.campaign import Campaign, Responsibility
from checklists.models.item import Item
from checklists.models.measure import Measure
from checklists.models.phase import Phase
from checklists.models.task import Task
from checklists.models.together import all_or_none
from villages import access
from villages.models import Cadre, Unit


class Change(models.Model):
    """变更: one line of a campaign's own history. The database refuses to change or remove it."""

    class What(models.TextChoices):
        LAUNCHED = "launched", _("launched")
        SYNCED = "synced", _("tasks brought up to date")
        EDITED = "edited", _("changed")
        MOVED = "moved", _("inspection day moved")
        PAUSED = "paused", _("paused")
        RESUMED = "resumed", _("resumed")
        CLOSED = "closed", _("closed")
        REOPENED = "reopened", _("reopened")

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="changes")
    by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("at"), db_default=Now())
    what = models.CharField(max_length=10, choices=What.choices)
    item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True, related_name="changes")
    unit = models.ForeignKey(Unit, models.PROTECT, null=True, blank=True, related_name="+")
    fields = models.JSONField(default=dict, blank=True)  # name -> [before, after], as people read them
    note = models.TextField(_("reason"), blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="change_is_known",
                condition=Q(
                    what__in=("launched", "synced", "edited", "moved", "paused", "resumed", "closed", "reopened")
                ),
            ),
            models.CheckConstraint(
                name="change_of_course_gives_a_reason",
                condition=~Q(what__in=("paused", "reopened")) | ~Q(note=""),
            ),
        ]
        triggers = [pgtrigger.Protect(name="change_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_what_display()} · {self.campaign}"

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """What changed, for people: its name, before, after."""
        return [(_name_of(field), *pair) for field, pair in self.fields.items()]


# Counts of tasks that bringing up to date touched, and what is no field of a model.
COUNTED = {
    "tasks": _("tasks"),
    "add": _("added"),
    "revive": _("asked for again, as they were"),
    "change": _("get the item's new day or points"),
    "retire": _("retired, with their history"),
    "remove": _("removed: nobody ever touched them"),
    "answer": _("answers named or passed on"),
    "wall_pass": _("wall pass"),
    "robot": _("group robot"),
    "resent": _("notices sent again"),
    # How it reminds; see readiness/reminders/rules.py.
    "days_before": _("reminder before the deadline"),
    "overdue_every": _("reminder when overdue, every so many working days"),
    "kinds": _("who is reminded"),
    "steps": _("working days overdue until the next one up is told"),
    "weekly_on": _("the week in one message"),
    "at": _("time of the day's message"),
    **dict(Responsibility.Kind.choices),
    **{f"rung_{rung}": label for rung, label in Measure.Rung.choices},
    "closing": _("phase closed"),
}


def _name_of(field: str) -> str:
    """A changed field as the forms call it."""
    if field in COUNTED:
        return str(COUNTED[field])
    for model in (Item, Campaign, Phase):
        if field in {known.name for known in model._meta.get_fields()}:
            return str(getattr(model._meta.get_field(field), "verbose_name", field))
    return field


class ExtensionQuerySet(models.QuerySet["Extension"]):
    """Sentences about requests for more time."""

    def visible_to(self, user: access.Person) -> Self:
        """Requests about tasks of units in the user's sight."""
        return self.filter(access.within("task__unit__code", user))

    def waiting(self) -> Self:
        """Not answered yet."""
        return self.filter(answered_at__isnull=True)

    def to_answer_by(self, user: access.Person) -> Self:
        """Waiting for this user's word while the task is owed; nobody answers their own request."""
        owed = self.waiting().filter(task__in=Task.objects.running().still_owed())
        mine = owed.filter(access.reached("task__unit__code", user, access.Action.WAIVE))
        return mine.exclude(asked_by=getattr(user, "pk", None))


class Extension(models.Model):
    """延期申请: a unit asks for more time for one task; someone above it answers."""

    task = models.ForeignKey(Task, models.PROTECT, related_name="extensions")
    asked_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    until = models.DateField(_("until"))
    reason = models.CharField(_("reason"), max_length=400)
    answered_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    granted = models.BooleanField(null=True, blank=True)
    answer = models.CharField(_("answer"), max_length=400, blank=True)

    objects = ExtensionQuerySet.as_manager()

    class Meta:
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                name="extension_waits_once", fields=["task"], condition=Q(answered_at__isnull=True)
            ),
            models.CheckConstraint(
                name="extension_answered_by_someone",
                condition=all_or_none("answered_at", "answered_by", "granted"),
            ),
            models.CheckConstraint(
                name="extension_answered_by_someone_else",
                condition=Q(answered_by__isnull=True) | ~Q(answered_by=models.F("asked_by")),
            ),
            models.CheckConstraint(name="extension_gives_a_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.task} → {self.until}"
