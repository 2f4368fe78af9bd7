"""One line of a campaign's checklist."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from checklists.models.campaign import Campaign, in_language
from checklists.models.phase import Phase
from villages import access
from villages.models import Kind


class Item(models.Model):
    """检查项: what must be ready, at which kind of unit, by when, and what shows it."""

    class Operator(models.TextChoices):
        AT_LEAST = ">=", "≥"
        AT_MOST = "<=", "≤"
        EXACTLY = "=", "="

    class Rhythm(models.TextChoices):
        DAY = "day", _("every working day")
        WEEK = "week", _("every week")
        MONTH = "month", _("every month")
        QUARTER = "quarter", _("every quarter")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="items")
    number = models.CharField(_("number"), max_length=40)
    position = models.PositiveIntegerField(default=0)
    section = models.CharField(_("section of the speech"), max_length=60, blank=True)
    topic = models.SlugField(max_length=40, blank=True)
    title = models.CharField(_("title"), max_length=120)
    title_en = models.CharField(_("Title in English"), max_length=250, blank=True)
    standard = models.TextField(_("standard"), blank=True)
    standard_en = models.TextField(blank=True)
    kind = models.CharField(_("kind"), max_length=20, blank=True)
    owed_by = ArrayField(models.CharField(max_length=10, choices=Kind.choices), verbose_name=_("owed by"))
    # Name endings; empty means every department in scope.
    departments = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    responsible = models.CharField(_("responsible, in the speech's words"), max_length=120, blank=True)
    phase = models.ForeignKey(
        Phase, models.RESTRICT, null=True, blank=True, related_name="items", verbose_name=_("phase")
    )
    due_on = models.DateField(_("due on"))
    due_says = models.CharField(_("deadline in the speech's words"), max_length=80, blank=True)
    points = models.PositiveSmallIntegerField(_("points"), default=1)
    # What is measured, if anything; a target belongs to the office's own work, never to a reported statistic.
    metric = models.CharField(_("measure"), max_length=80, blank=True)
    metric_en = models.CharField(max_length=120, blank=True)
    operator = models.CharField(max_length=2, choices=Operator.choices, blank=True)
    target = models.DecimalField(_("target"), max_digits=16, decimal_places=4, null=True, blank=True)
    measured_in = models.CharField(_("measured in"), max_length=20, blank=True)
    measured_in_en = models.CharField(max_length=40, blank=True)
    # The sum that all units together owe; Share says who owes which part of it.
    total = models.DecimalField(_("target of all together"), max_digits=16, decimal_places=4, null=True, blank=True)
    statistic = models.BooleanField(_("a statistic: recorded, never given a target"), default=False)
    every = models.CharField(_("reported every"), max_length=10, choices=Rhythm.choices, blank=True)
    target_is_stated = models.BooleanField(default=False)  # else implied: "none left" and the like
    # Kept though it makes no tasks, so that launching again does not bring it back from the template.
    struck = models.BooleanField(_("struck"), default=False)
    gate = models.BooleanField(_("gate"), default=False)
    veto = models.BooleanField(_("veto"), default=False)
    proof = models.CharField(_("what shows it"), max_length=120, blank=True)
    proof_en = models.CharField(max_length=200, blank=True)
    needs_proof = models.BooleanField(_("verified only with a file that shows it"), default=False, db_default=False)
    # How high the second look must go; None: as the campaign says.
    looked_at_by = models.PositiveSmallIntegerField(
        _("checked by"), choices=access.Height.choices, null=True, blank=True
    )

    class Meta:
        verbose_name = _("item")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(name="item_number_once_per_campaign", fields=["campaign", "number"]),
            # Lets the database hold a task to its item's campaign (task_in_its_items_campaign).
            models.UniqueConstraint(name="item_and_campaign", fields=["id", "campaign"]),
            models.CheckConstraint(
                name="item_measure_is_whole",
                condition=Q(metric="", operator="", target__isnull=True, total__isnull=True, statistic=False)
                | (~Q(metric="") & Q(operator="", target__isnull=True, total__isnull=True))
                | (~Q(metric="") & Q(operator__in=(">=", "<=", "=")) & ~Q(target__isnull=True, total__isnull=True)),
            ),
            models.CheckConstraint(
                name="item_statistic_has_no_target",
                condition=Q(statistic=False) | Q(target__isnull=True, total__isnull=True),
            ),
            models.CheckConstraint(
                name="item_looked_at_by_a_known_height",
                condition=Q(looked_at_by__isnull=True) | Q(looked_at_by__in=access.Height.values),
            ),
            models.CheckConstraint(name="item_is_owed_by_someone", condition=Q(owed_by__len__gt=0)),
            models.CheckConstraint(
                name="item_gate_has_a_phase",
                condition=Q(gate=False) | Q(phase__isnull=False),
                violation_error_message=_("A gate needs a phase."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"

    @property
    def name(self) -> str:
        """The title in the reader's language."""
        return in_language(self.title, self.title_en)

    @property
    def meaning(self) -> str:
        """The standard in the reader's language."""
        return in_language(self.standard, self.standard_en)

    @property
    def shown_by(self) -> str:
        """What shows it, in the reader's language."""
        return in_language(self.proof, self.proof_en)

    @property
    def topic_name(self) -> str:
        """The part of the speech, where it has several."""
        titles: list[Any] = self.campaign.topics.get(self.topic, [])
        return in_language(*titles) if titles else ""

    @property
    def is_measured(self) -> bool:
        """Whether a value can be entered; there need not be a target that it is held to."""
        return bool(self.metric)

    @property
    def may_be_split(self) -> bool:
        """Whether a sum over all units can be owed. A statistic has no target, and percentages make no sum."""
        return not self.statistic and not self.is_percentage

    @property
    def measure(self) -> str:
        """The measured quantity, in the reader's language."""
        return in_language(self.metric, self.metric_en)

    @property
    def unit_of_measure(self) -> str:
        return in_language(self.measured_in, self.measured_in_en)

    @property
    def is_percentage(self) -> bool:
        return self.measured_in.startswith("%")

    def reaches(self, value: Any, target: Any) -> bool:
        """Whether a measured value is as the target asks; nothing is asked without one."""
        if target is None:
            return True
        match self.operator:
            case self.Operator.AT_LEAST:
                return bool(value >= target)
            case self.Operator.AT_MOST:
                return bool(value <= target)
        return bool(value == target)
