"""The outbox of reminders, and signs of life of the processes."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from checklists.models import Campaign
from villages import access
from villages.models import Cadre


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Sentences about notices."""

    def visible_to(self, user: access.Person) -> Self:
        """A person's own inbox, and nobody else's."""
        return self.filter(channel=Notice.Channel.INBOX, cadre_id=getattr(user, "pk", None))

    def unread(self) -> Self:
        return self.filter(read_at__isnull=True)


class Notice(models.Model):
    """提醒: one message owed to one cadre. The row is the truth; Celery only says "look at the table"."""

    class Channel(models.TextChoices):
        INBOX = "inbox", _("inbox")
        MAIL = "mail", _("e-mail")

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("refused")
        # The sender died between sending and noting it: never sent again blindly.
        UNKNOWN = "unknown", _("unknown whether it arrived")

    cadre = models.ForeignKey(Cadre, models.PROTECT, related_name="notices")
    campaign = models.ForeignKey(Campaign, models.CASCADE, null=True, blank=True)  # null: all campaigns at once
    rule = models.SlugField(max_length=20)
    on = models.DateField()
    channel = models.CharField(max_length=10, choices=Channel.choices)
    subject = models.CharField(max_length=120)
    body = models.TextField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    leased_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        ordering = ["-on", "-pk"]
        constraints = [
            models.UniqueConstraint(
                name="notice_once_per_cadre_campaign_rule_day_and_channel",
                fields=["cadre", "campaign", "rule", "on", "channel"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="notice_leased_only_while_being_sent",
                condition=Q(status="sending", leased_until__isnull=False)
                | (~Q(status="sending") & Q(leased_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="notice_sent_at_some_time", condition=~Q(status="sent") | Q(sent_at__isnull=False)
            ),
        ]
        indexes = [
            models.Index(name="notice_to_deliver", fields=["id"], condition=Q(status__in=("pending", "sending")))
        ]

    def __str__(self) -> str:
        return self.subject


class Heartbeat(models.Model):
    """When a process last said that it lives."""

    part = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("sign of life")

    def __str__(self) -> str:
        return f"{self.part} {self.at}"
