"""Signs of life of the processes, and whether notices may leave the house."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from villages.models import Cadre


class Heartbeat(models.Model):
    """When a process last said that it lives."""

    part = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("sign of life")

    def __str__(self) -> str:
        return f"{self.part} {self.at}"


class Sender(models.Model):
    """The one row that says whether notices may leave the house.

    A database that was restored from a backup has forgotten what was sent since; it knows itself by where it lies.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    # Cluster, timeline, database and table; see readiness/reminders/restored.py.
    lies_in = models.CharField(max_length=80, blank=True)
    handed_over = models.PositiveBigIntegerField(default=0)  # notices so far; Redis remembers it too
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_because = models.CharField(max_length=200, blank=True)
    changed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")  # null: itself

    class Meta:
        constraints = [
            models.CheckConstraint(name="sender_is_one", condition=Q(id=1)),
            models.CheckConstraint(
                name="sender_paused_for_a_reason",
                condition=Q(paused_at__isnull=True, paused_because="")
                | (Q(paused_at__isnull=False) & ~Q(paused_because="")),
            ),
        ]

    def __str__(self) -> str:
        return self.paused_because or "sending"


class Planned(models.Model):
    """The one row that says what the last plan of reminders was made of; see readiness/reminders/unchanged.py."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    seen = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="planned_is_one", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.at)
