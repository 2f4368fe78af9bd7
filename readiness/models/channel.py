"""By which way notices leave the house, and what each cadre and campaign wishes."""

import hashlib
from datetime import time
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from checklists.models import Campaign
from villages import access
from villages.models import Cadre, Unit


class Channel(models.TextChoices):
    """By which way a notice goes."""

    INBOX = "inbox", _("inbox")
    MAIL = "mail", _("e-mail")
    DINGTALK = "dingtalk", _("DingTalk work notice")
    WECOM = "wecom", _("WeCom app")
    FEISHU = "feishu", _("Feishu app")
    WEBHOOK = "webhook", _("webhook, e.g. of an SMS gateway")
    DINGTALK_ROBOT = "dingtalk_robot", _("DingTalk group robot")
    WECOM_ROBOT = "wecom_robot", _("WeCom group robot")
    FEISHU_ROBOT = "feishu_robot", _("Feishu group robot")


ROBOTS = (Channel.DINGTALK_ROBOT, Channel.WECOM_ROBOT, Channel.FEISHU_ROBOT)
# Those that need an account of the cadre on the platform (for the webhook: the telephone number, which is there).
PERSONAL = (Channel.DINGTALK, Channel.WECOM, Channel.FEISHU)


class GatewayQuerySet(models.QuerySet["Gateway"]):
    """Sentences about gateways."""

    def visible_to(self, user: access.Person) -> Self:
        """Those of units where the user runs campaigns; robots of campaigns that the user runs."""
        run = access.Action.RUN
        office = Q(campaign__isnull=True) & access.reached("unit__code", user, run)
        return self.filter(office | access.reached("campaign__host__code", user, run))

    def in_use(self) -> Self:
        return self.filter(removed_at__isnull=True)

    def office(self) -> Self:
        """Those that reach single cadres: no robots."""
        return self.filter(campaign__isnull=True)

    def serving(self, user: access.Person) -> Self:
        """Those that could carry a notice to somebody by their current posts; the nearest of a channel comes last."""
        upward = {code for grant in access.grants(user) for code in access.above(grant.unit)}
        return self.in_use().office().filter(unit__in=sorted(upward)).order_by(Length("unit_id"), "pk")


class Gateway(models.Model):
    """通道: an office's access to a platform, or the robot of one group.

    An app or webhook serves the cadres of its unit and of all below it that have none nearer; a robot speaks to the
    group of one township (or other unit) in one campaign.
    """

    channel = models.CharField(_("channel"), max_length=20, choices=Channel.choices)
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="+", verbose_name=_("unit"))
    campaign = models.ForeignKey(Campaign, models.CASCADE, null=True, blank=True, related_name="+")  # of a robot
    name = models.CharField(pgettext_lazy("gateway", "name"), max_length=40)
    # Scheme, host and port; the rest of a robot's address is a secret and sealed.
    host = models.CharField(_("address"), max_length=200)
    sealed = models.BinaryField()  # the secrets as JSON, encrypted; see readiness/reminders/sealed.py
    hint = models.CharField(max_length=12, blank=True)  # the last characters, to know one from the other
    made_by = models.ForeignKey(Cadre, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    # The circuit breaker: after several failures in a row nothing is sent before `open_until`.
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    last_accepted_at = models.DateTimeField(null=True, blank=True)

    objects = GatewayQuerySet.as_manager()

    class Meta:
        verbose_name = _("gateway")
        ordering = ["unit", "channel", "pk"]
        constraints = [
            models.CheckConstraint(
                name="gateway_robot_is_of_a_campaign",
                condition=Q(channel__in=("dingtalk_robot", "wecom_robot", "feishu_robot"), campaign__isnull=False)
                | Q(channel__in=("dingtalk", "wecom", "feishu", "webhook"), campaign__isnull=True),
            ),
            models.UniqueConstraint(
                name="gateway_once_per_unit_and_channel",
                fields=["unit", "channel", "campaign"],
                condition=Q(removed_at__isnull=True),
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_robot(self) -> bool:
        return self.channel in ROBOTS

    def is_open(self) -> bool:
        """Whether the breaker is open: nothing is sent there for now."""
        return self.open_until is not None and self.open_until > timezone.now()


class Account(models.Model):
    """Under which name a platform knows a cadre."""

    cadre = models.ForeignKey(Cadre, models.CASCADE, related_name="accounts")
    channel = models.CharField(max_length=20, choices=[(c.value, c.label) for c in PERSONAL])
    name = models.CharField(_("account on the platform"), max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="account_once_per_cadre_and_channel", fields=["cadre", "channel"]),
            models.CheckConstraint(
                name="account_is_of_a_person", condition=Q(channel__in=("dingtalk", "wecom", "feishu"))
            ),
            models.CheckConstraint(name="account_has_a_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.name}"


QUIET_FROM, QUIET_UNTIL = time(21, 0), time(7, 30)


class Wishes(models.Model):
    """How one cadre wants to be told; without a row, by every way there is, and not at night."""

    cadre = models.OneToOneField(Cadre, models.CASCADE, primary_key=True, related_name="wishes")
    unwanted = ArrayField(models.CharField(max_length=20), default=list)  # channels; the inbox cannot be unwanted
    quiet_from = models.TimeField(_("quiet from"), default=QUIET_FROM)
    quiet_until = models.TimeField(_("until"), default=QUIET_UNTIL)
    # Of the secret in the address of the calendar feed; null: there is none.
    feed_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)

    def __str__(self) -> str:
        return str(self.cadre)

    @staticmethod
    def digest_of(token: str) -> str:
        """SHA-256 in hex of a feed's secret."""
        return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def default_days() -> list[int]:
    """A week, three days and a day ahead, and on the day itself."""
    return [7, 3, 1, 0]


def default_steps() -> list[int]:
    """Working days overdue at which direct, linked and lead are told."""
    return [1, 3, 5]


def default_kinds() -> list[str]:
    """Who is reminded of what is due; the leader in charge only hears of what is stuck."""
    return ["first", "direct", "linked"]


class Rules(models.Model):
    """提醒规则 of one campaign; without a row, the defaults."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, primary_key=True, related_name="rules")
    days_before = ArrayField(models.PositiveSmallIntegerField(), default=default_days)
    overdue_every = models.PositiveSmallIntegerField(  # working days
        default=2, validators=[MinValueValidator(1), MaxValueValidator(30)]
    )
    kinds = ArrayField(models.CharField(max_length=10), default=default_kinds)
    steps = ArrayField(models.PositiveSmallIntegerField(), default=default_steps)  # direct, linked, lead; empty: none
    weekly_on = models.PositiveSmallIntegerField(
        null=True, blank=True, default=0
    )  # 0 is Monday; null: no weekly digest
    at = models.TimeField(default=time(8, 0))  # when the day's digest goes out

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rules_are_within_reason",
                condition=Q(overdue_every__gte=1, overdue_every__lte=30)
                & (Q(weekly_on__isnull=True) | Q(weekly_on__lte=6)),
            )
        ]

    def __str__(self) -> str:
        return str(_("reminder rules"))
