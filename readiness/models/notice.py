"""The outbox of reminders, and what it remembers of what was told."""

from collections.abc import Collection
from datetime import date
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import IsNull
from django.utils.translation import gettext_lazy as _

from checklists.models import Campaign
from readiness.models.channel import Channel, Gateway
from villages import access
from villages.models import Cadre, Unit


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Sentences about notices."""

    def visible_to(self, user: access.Person) -> Self:
        """A person's own inbox, and nobody else's."""
        return self.filter(channel=Channel.INBOX, cadre_id=getattr(user, "pk", None))

    def unread(self) -> Self:
        return self.filter(read_at__isnull=True)

    def unread_first(self) -> Self:
        return self.order_by(IsNull(F("read_at"), False), "-on", "-pk")

    def outside(self, user: access.Person, *, days: Collection[date]) -> Self:
        """What left the house for a person on these days, by whatever way."""
        return self.filter(cadre_id=getattr(user, "pk", None), on__in=days).exclude(channel=Channel.INBOX)

    def of_campaign(self, campaign: Campaign) -> Self:
        """Every notice that says something about a campaign, to whomever. For those who may run it."""
        return self.filter(about__contains=[campaign.pk])


class Notice(models.Model):
    """提醒: one message owed to one cadre, or to a group's robot. The row is the truth; Celery only wakes."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        SENDING = "sending", _("being sent")  # under a lease
        ACCEPTED = "accepted", _("taken by the platform")  # which is not yet: seen by anybody
        DELIVERED = "delivered", _("delivered")
        REFUSED = "refused", _("refused by the platform")  # sending the same again would not help
        FAILED = "failed", _("given up after several tries")
        # The sender died between sending and noting it: never sent again blindly.
        UNKNOWN = "unknown", _("unknown whether it arrived")
        SUPERSEDED = "superseded", _("no longer true, not sent")
        ASIDE = "aside", _("put aside after a restore")

    cadre = models.ForeignKey(Cadre, models.PROTECT, null=True, blank=True, related_name="notices")  # null: to a group
    campaign = models.ForeignKey(Campaign, models.CASCADE, null=True, blank=True)  # null: all campaigns at once
    rule = models.SlugField(max_length=30)
    on = models.DateField()
    channel = models.CharField(max_length=20, choices=Channel.choices)
    gateway = models.ForeignKey(Gateway, models.PROTECT, null=True, blank=True, related_name="notices")
    about = ArrayField(models.BigIntegerField(), default=list)  # campaigns that it says something about
    is_urgent = models.BooleanField(default=False)  # goes out in quiet hours too
    subject = models.CharField(max_length=120)
    body = models.TextField()
    path = models.CharField(max_length=200, default="/")  # the page that it is about; opens after log-in
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    due_at = models.DateTimeField(db_default=Now())  # not sent before: quiet hours, or the next try
    tries = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    platform_id = models.CharField(max_length=100, blank=True)  # by which the platform knows it
    error = models.CharField(max_length=300, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    worded_at = models.DateTimeField(db_default=Now())  # as of when a digest that waits says how things stand

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        ordering = ["-on", "-pk"]
        constraints = [
            models.UniqueConstraint(
                name="notice_once_per_cadre_campaign_rule_day_and_channel",
                fields=["cadre", "campaign", "rule", "on", "channel"],
                condition=Q(cadre__isnull=False),
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                name="notice_once_per_group_campaign_rule_and_day",
                fields=["gateway", "campaign", "rule", "on"],
                condition=Q(cadre__isnull=True),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="notice_to_a_cadre_or_a_group", condition=Q(cadre__isnull=False) | Q(gateway__isnull=False)
            ),
            models.CheckConstraint(
                name="notice_leased_only_while_being_sent",
                condition=Q(status="sending", leased_until__isnull=False)
                | (~Q(status="sending") & Q(leased_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="notice_sent_at_some_time",
                condition=~Q(status__in=("accepted", "delivered")) | Q(sent_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="notice_to_deliver", fields=["due_at", "id"], condition=Q(status="pending")),
            models.Index(name="notice_leased", fields=["leased_until"], condition=Q(status="sending")),
            GinIndex(name="notice_about", fields=["about"]),
        ]

    def __str__(self) -> str:
        return self.subject


class News(models.Model):
    """Something that happened and that one cadre was told, once: a task sent back, an answer, a call for help.

    The row is written in the transaction of its notice; the next plan leaves out what has one.
    """

    cadre = models.ForeignKey(Cadre, models.CASCADE, related_name="+", db_index=False)
    about = models.CharField(max_length=60)  # what happened, e.g. "returned:<event>"
    notice = models.ForeignKey(Notice, models.CASCADE, related_name="+")
    told_on = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(name="news_told_once", fields=["cadre", "about"])]

    def __str__(self) -> str:
        return self.about


class Escalation(models.Model):
    """升级: what a unit owes since one day was told to the next one up. Each step is taken once."""

    class Step(models.IntegerChoices):
        DIRECT = 1, _("to who answers directly")
        LINKED = 2, _("to the linked cadre")
        LEAD = 3, _("to the leader in charge")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+")
    due_on: "models.DateField[date, date]" = models.DateField()
    step = models.PositiveSmallIntegerField(choices=Step.choices)
    cadre = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    on = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="escalation_step_taken_once", fields=["campaign", "unit", "due_on", "step"]),
            models.CheckConstraint(name="escalation_step_is_known", condition=Q(step__in=(1, 2, 3))),
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.due_on}: {self.get_step_display()}"
