"""What boards keep: passes for walls, and vacancies that were counted."""

import hashlib
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from checklists.models import Campaign
from villages import access
from villages.models import Cadre, Unit


class WallPassQuerySet(models.QuerySet["WallPass"]):
    """Sentences about passes."""

    def visible_to(self, user: access.Person) -> Self:
        """Passes of campaigns that the user runs."""
        return self.filter(access.reached("campaign__host__code", user, access.Action.RUN))

    def in_force(self, now: datetime) -> Self:
        """Not revoked and not run out. A campaign that was closed is shown for a while longer."""
        shown = Q(campaign__closed_at__isnull=True) | Q(campaign__closed_at__gt=now - WallPass.SHOWN_AFTER_CLOSING)
        lasting = Q(until__isnull=True) | Q(until__gte=timezone.localdate(now))
        return self.filter(shown, lasting, revoked_at__isnull=True)


class WallPass(models.Model):
    """大屏通行证: an address that shows one unit of one campaign to whoever knows it, and lets nobody do anything.

    The secret part of the address is shown once, to whoever makes the pass; only its digest is kept.
    """

    SHOWN_AFTER_CLOSING = timedelta(days=30)

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", verbose_name=_("unit"))
    name = models.CharField(pgettext_lazy("wall pass", "where the screen hangs"), max_length=40)
    digest = models.CharField(max_length=64, unique=True)  # of the token, see `digest_of`
    until = models.DateField(_("valid until"), null=True, blank=True)
    made_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    revoked_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = WallPassQuerySet.as_manager()

    class Meta:
        verbose_name = _("wall pass")
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                name="wall_pass_name_once_in_a_campaign",
                fields=["campaign", "name"],
                condition=Q(revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                name="wall_pass_revoked_by_someone_at_some_time",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def digest_of(token: str) -> str:
        """SHA-256 in hex. A token has 256 random bits: nothing slower is needed, and the index finds it at once."""
        return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class GapQuerySet(models.QuerySet["Gap"]):
    """Sentences about gaps."""

    def visible_to(self, user: access.Person) -> Self:
        """Gaps of units in the user's sight."""
        return self.filter(access.within("unit__code", user))


class Gap(models.Model):
    """空白点, counted: in how many units of a county (or in one above it, 0 or 1) nobody first or directly answers.

    Counted every quarter of an hour for campaigns of more than one county: whether somebody is in office depends on
    posts and dates, which no tally follows. Up to the county the board looks itself.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False)
    unit = models.ForeignKey(Unit, models.CASCADE, related_name="+")
    vacancies = models.PositiveIntegerField()
    counted_at = models.DateTimeField()

    objects = GapQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="gap_once_per_campaign_and_unit", fields=["campaign", "unit"])]

    def __str__(self) -> str:
        return f"{self.unit_id}: {self.vacancies}"
