"""The dated parts of a campaign, and what keeps one from closing."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from checklists.models.campaign import Campaign, in_language
from villages.models import Cadre


class Phase(models.Model):
    """阶段: a dated part of a campaign."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="phases")
    key = models.SlugField(max_length=40)
    title = models.CharField(pgettext_lazy("campaign", "title"), max_length=120)
    title_en = models.CharField(max_length=200, blank=True)
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("to"))
    # With gates switched on, a phase is closed by hand, and only once its gate items are done everywhere; or because a
    # leader says so, with a reason.
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")
    closed_despite = models.CharField(_("closed although gate items are owed"), max_length=400, blank=True)
    despite_by = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["starts_on", "pk"]
        constraints = [
            models.UniqueConstraint(name="phase_once_per_campaign", fields=["campaign", "key"]),
            models.CheckConstraint(name="phase_ends_after_it_starts", condition=Q(ends_on__gte=F("starts_on"))),
            models.CheckConstraint(
                name="phase_closed_by_someone_at_some_time",
                condition=Q(closed_at__isnull=True, closed_by__isnull=True)
                | Q(closed_at__isnull=False, closed_by__isnull=False),
            ),
            models.CheckConstraint(
                name="phase_closed_despite_its_gates_by_a_leader_with_a_reason",
                condition=Q(closed_despite="", despite_by__isnull=True)
                | (~Q(closed_despite="") & Q(despite_by__isnull=False, closed_at__isnull=False)),
            ),
        ]
        triggers = [
            # The lock makes closing wait for ticks under way (keep_tallies takes its share of it), and ticks for it.
            pgtrigger.Trigger(
                name="gates_hold",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__closed_at__isnull=True, new__closed_at__isnull=False),
                func="""
                    PERFORM 1 FROM checklists_campaign WHERE id = NEW.campaign_id FOR NO KEY UPDATE;
                    IF EXISTS (SELECT FROM checklists_campaign c
                               JOIN checklists_item i ON i.phase_id = NEW.id AND i.gate
                               JOIN checklists_task t ON t.item_id = i.id AND t.retired_at IS NULL
                               WHERE c.id = NEW.campaign_id AND NEW.closed_despite = ''
                                 AND c.gates AND t.state IN ('open', 'returned')
                                 AND coalesce(c.gates_from, c.starts_on)
                                     <= (now() AT TIME ZONE 'Asia/Shanghai')::date) THEN
                        RAISE EXCEPTION 'A phase closes once its gate items are done everywhere'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'phase_closes_once_its_gates_are_done';
                    END IF;
                    RETURN NEW;
                """,
            )
        ]

    def __str__(self) -> str:
        return in_language(self.title, self.title_en)

    @property
    def is_closed(self) -> bool:
        """Whether somebody has said that it is over."""
        return self.closed_at is not None
