"""Asking up and chasing down: both are told to people, and stand in the task's own history."""

from collections.abc import Iterable
from typing import Any, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from checklists.models.task import Task, TaskQuerySet
from villages import access
from villages.models import Cadre


class HelpRequestQuerySet(models.QuerySet["HelpRequest"]):
    """Sentences about requests for help."""

    def visible_to(self, user: access.Person) -> Self:
        """Requests about tasks of units in the user's sight."""
        return self.filter(access.within("task__unit__code", user))

    def waiting(self) -> Self:
        """Not answered yet."""
        return self.filter(answered_at__isnull=True)

    def about(self, tasks: TaskQuerySet) -> Self:
        """Waiting, and about one of these tasks, which is still owed."""
        return self.waiting().filter(_among("task", calling(tasks).order_by().values("pk")))

    def by_task(self, tasks: Iterable[Task]) -> "dict[int, HelpRequest]":
        """By the id of the task, the call that waits for an answer; of those still owed. One query."""
        owed = [task.pk for task in tasks if task.is_owed]
        return {
            call.task_id: call for call in self.waiting().filter(task__in=owed).select_related("asked_by", "finding")
        }

    def to_answer_by(self, user: access.Person) -> Self:
        """Waiting for this user's word, the most urgent first; nobody answers their own request."""
        mine = Task.objects.running().filter(access.reached("unit__code", user, access.Action.CHASE))
        return self.about(mine).exclude(asked_by=getattr(user, "pk", None)).order_by("reply_by", "asked_at", "pk")


class HelpRequest(models.Model):
    """求助: whoever owes a task cannot move and says what is in the way; someone above answers."""

    task = models.ForeignKey(Task, models.PROTECT, related_name="help_requests")
    asked_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    obstacle = models.CharField(_("what is in the way"), max_length=400)
    need = models.CharField(_("what is needed"), max_length=400)
    reply_by = models.DateField(_("answer needed by"))
    answered_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(_("answer"), max_length=400, blank=True)

    objects = HelpRequestQuerySet.as_manager()

    class Meta:
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(name="help_waits_once", fields=["task"], condition=Q(answered_at__isnull=True)),
            models.CheckConstraint(
                name="help_answered_by_someone",
                condition=Q(answered_at__isnull=True, answered_by__isnull=True, answer="")
                | (Q(answered_at__isnull=False, answered_by__isnull=False) & ~Q(answer="")),
            ),
            models.CheckConstraint(
                name="help_answered_by_someone_else",
                condition=Q(answered_by__isnull=True) | ~Q(answered_by=F("asked_by")),
            ),
            models.CheckConstraint(name="help_says_what", condition=~Q(obstacle="") & ~Q(need="")),
        ]

    def __str__(self) -> str:
        return f"{self.task_id}: {self.obstacle}"


def calling(tasks: TaskQuerySet) -> TaskQuerySet:
    """Of these tasks those that are still owed and whose call for help waits: what a board counts and lists."""
    return tasks.still_owed().filter(_among("pk", HelpRequest.objects.waiting().order_by().values("task")))


def _among(field: str, ids: models.QuerySet[Any, Any]) -> Func:
    """The condition that a field is one of these ids, looked up one by one.

    Few calls wait, however many tasks there are; left to itself the planner would read every task of a county.
    """
    found = ArraySubquery(ids)
    return Func(F(field), found, template="%(expressions)s)", arg_joiner=" = ANY (", output_field=BooleanField())


class ChaseQuerySet(models.QuerySet["Chase"]):
    """Sentences about chasing."""

    def visible_to(self, user: access.Person) -> Self:
        """About tasks of units in the user's sight: everyone there sees that it happened."""
        return self.filter(access.within("task__unit__code", user))


class Chase(models.Model):
    """催办: someone above asks for a task by hand, at most once a day for each."""

    task = models.ForeignKey(Task, models.PROTECT, related_name="chases")
    by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    on = models.DateField()
    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(_("reason"), max_length=200)

    objects = ChaseQuerySet.as_manager()

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(name="chase_once_per_task_and_day", fields=["task", "on"]),
            models.CheckConstraint(name="chase_gives_a_reason", condition=~Q(reason="")),
        ]
        indexes = [models.Index(name="chase_by_time", fields=["at"])]

    def __str__(self) -> str:
        return f"{self.task_id} {self.on}"
