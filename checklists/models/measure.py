"""What follows when a unit stays behind, if a leader says so: proposed by the software, decided by a person."""

from datetime import date
from typing import Self

import pgtrigger
from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from checklists.models.campaign import Campaign
from villages import access
from villages.models import Cadre, Unit


class MeasureQuerySet(models.QuerySet["Measure"]):
    """Sentences about measures."""

    def visible_to(self, user: access.Person) -> Self:
        """Measures against units in the user's sight."""
        return self.filter(access.within("unit__code", user))

    def with_leaders(self) -> Self:
        """With the campaign's leaders who switched the rules on."""
        return self.select_related("campaign__ladder_by", "campaign__decided_by")

    def applied(self) -> Self:
        """Those that stand."""
        return self.filter(state=Measure.State.APPLIED)

    def objected(self) -> Self:
        """Those that stand against an objection which nobody has answered."""
        return self.applied().filter(answer="").exclude(objection="")

    def stood(self, on: date) -> Self:
        """Of those that were decided by then, the ones that stood at the end of that day."""
        since = Q(state=Measure.State.LIFTED, answered_at__date__gt=on)
        return self.filter(Q(state=Measure.State.APPLIED) | since)

    def waiting_first(self) -> Self:
        """What somebody has to decide or to answer, then the rest, the latest first."""
        asks = Q(state=Measure.State.PROPOSED) | (Q(state=Measure.State.APPLIED, answer="") & ~Q(objection=""))
        return self.order_by(Case(When(asks, then=0), default=1), "-proposed_at", "pk")


class Measure(models.Model):
    """措施: what one unit is told: that it is among the last (底线预警), or one rung of 通报 → 降等次 → 一票否决."""

    class Rung(models.IntegerChoices):
        WARNING = 0, pgettext_lazy("ladder", "warned")
        BULLETIN = 1, _("named in the bulletin")
        DOWNGRADE = 2, _("rated a grade lower")
        VETO = 3, _("vetoed")

    class State(models.TextChoices):
        PROPOSED = "proposed", _("proposed")
        APPLIED = "applied", _("applied")
        DECLINED = "declined", _("declined")
        LIFTED = "lifted", _("lifted")

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="measures")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    rung = models.PositiveSmallIntegerField(pgettext_lazy("ladder", "measure"), choices=Rung.choices)
    grounds = models.JSONField()  # figures as they stood when it was proposed; written out by checklists/ladder.py
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    proposed_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    objection = models.CharField(_("objection"), max_length=400, blank=True)
    objected_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    objected_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(_("answer"), max_length=400, blank=True)
    answered_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = MeasureQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("ladder", "measure")
        ordering = ["-proposed_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                name="measure_once_at_a_time",
                fields=["campaign", "unit", "rung"],
                condition=Q(state__in=("proposed", "applied")),
            ),
            models.CheckConstraint(name="measure_rung_is_known", condition=Q(rung__gte=0, rung__lte=3)),
            models.CheckConstraint(
                name="measure_state_is_known", condition=Q(state__in=("proposed", "applied", "declined", "lifted"))
            ),
            models.CheckConstraint(
                name="measure_decided_by_someone_with_a_reason",
                condition=Q(state="proposed", decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(state="proposed") & Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(reason="")),
            ),
            models.CheckConstraint(
                name="measure_objected_to_by_someone",
                condition=Q(objection="", objected_by__isnull=True, objected_at__isnull=True)
                | (~Q(objection="") & Q(objected_by__isnull=False, objected_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="measure_answered_by_someone",
                condition=Q(answer="", answered_by__isnull=True, answered_at__isnull=True)
                | (~Q(answer="") & ~Q(objection="") & Q(answered_by__isnull=False, answered_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="measure_answered_by_someone_else",
                condition=Q(answered_by__isnull=True)
                | (~Q(answered_by=F("decided_by")) & ~Q(answered_by=F("objected_by"))),
            ),
            models.CheckConstraint(
                name="measure_lifted_by_an_answer", condition=~Q(state="lifted") | Q(answered_by__isnull=False)
            ),
        ]
        triggers = [pgtrigger.Protect(name="measure_stays", operation=pgtrigger.Delete)]

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has decided yet."""
        return self.state == self.State.PROPOSED

    @property
    def waits_for_an_answer(self) -> bool:
        """Whether it stands against an objection which nobody has answered."""
        return self.state == self.State.APPLIED and bool(self.objection) and not self.answer

    def __str__(self) -> str:
        return f"{self.unit_id} {self.get_rung_display()}"
