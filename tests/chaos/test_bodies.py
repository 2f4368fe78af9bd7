"""All words of a day of the demonstration, as the platforms got them: short enough, and without a number of anybody."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta

import pytest
from django.db.models import Q
from django.db.models.functions import Mod
from django.utils import timezone
from pytest_django import Settings

from checklists.models import Campaign, Responsibility
from readiness import demo
from readiness.models import PERSONAL, ROBOTS, Channel, Notice
from readiness.reminders import channels, outbox, sender
from readiness.reminders.calendars import on_or_after
from tests.chaos import FULL, world
from tests.chaos.stack import Stack
from tests.factories import TODAY
from tests.platforms import Platform
from villages.access import Role
from villages.models import Cadre, Post, Unit

pytestmark = pytest.mark.slow
PHONE = re.compile(r"(?<!\d)1\d{10}(?!\d)")
IDENTITY = re.compile(r"\d{17}[\dXx]")
CODE = re.compile(r"\d{6,}")  # of units, which may stand in a link; days are written with signs between
LINK = re.compile(r"https://ready\.example\.gov\.cn/\S*")
CHANNELS = [*PERSONAL, Channel.WEBHOOK, *ROBOTS]


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    with Platform(secret="willow") as outside:
        settings.OUTGOING_HOSTS = [outside.host]
        settings.SITE_URL = "https://ready.example.gov.cn"
        yield outside


def in_every_way(host: str) -> None:
    """Everybody is told by all ways that there are, and each township has a group with a robot of each kind."""
    for channel in [*PERSONAL, Channel.WEBHOOK]:
        world.gateway(channel, host, demo.HOST)
        if channel in PERSONAL:
            world.accounts(channel)
    campaign = Campaign.objects.get(status="active")
    for township in Unit.objects.filter(kind="township"):
        for channel in ROBOTS:
            world.gateway(channel, host, township.pk, campaign)


def linked_with_all_villages() -> Cadre:
    """Nobody could read all that this one is told."""
    busy = Cadre.objects.create(username="busy", name="忙", email="busy@example.org", phone="10099999999")
    answers = Responsibility.objects.filter(kind="linked", unit__kind="village")
    Post.objects.bulk_create(
        [
            Post(cadre=busy, unit_id=unit, role=Role.LINKED, since=TODAY)
            for unit in answers.values_list("unit", flat=True)
        ]
    )
    answers.update(cadre=busy)
    return busy


def test_every_message_is_short_enough_and_holds_no_number_of_anybody(
    stack: Stack, platform: Platform, settings: Settings, tell: Callable[[str], None]
) -> None:
    day = on_or_after(timezone.localdate())
    settings.DEBUG = True  # the demonstration is made nowhere else
    demo.make(on=day)
    settings.DEBUG = False
    busy = linked_with_all_villages()
    in_every_way(platform.host)
    Notice.objects.all().delete()
    outbox.write(day, datetime.combine(day, time(10), timezone.get_current_timezone()))
    waiting = Notice.objects.filter(status="pending").exclude(channel=Channel.MAIL)
    if not FULL:  # every eighth, and all that is long
        few = Q(eighth=0) | Q(cadre=busy) | Q(cadre=None)
        waiting.exclude(pk__in=waiting.annotate(eighth=Mod("pk", 8)).filter(few).values("pk")).delete()
    waiting.update(due_at=timezone.now(), worded_at=timezone.now() + timedelta(hours=1))  # a full run takes minutes
    written = waiting.count()
    sender.deliver(seconds=600)

    texts = [(one.channel, one.to, one.text) for one in platform.arrivals]
    assert len(texts) == written
    assert {channel for channel, _, _ in texts} == {*CHANNELS}
    longest = {each: max(len(text.encode()) for channel, _, text in texts if channel == each) for each in CHANNELS}
    tell(f"chaos, a day of the demonstration: {written} messages; longest in bytes {longest}")
    assert [channel for channel in CHANNELS if longest[channel] > channels.LONGEST[channel]] == []
    cut = {channel for channel, to, text in texts if to in (busy.username, busy.phone) and "…\n" in text}
    assert cut >= {Channel.WECOM, Channel.DINGTALK, Channel.WEBHOOK}
    for pattern in (PHONE, IDENTITY):
        assert [text for _, _, text in texts if pattern.search(text)] == []
    said = [text.replace(link, "") for _, _, text in texts for link in LINK.findall(text)]
    assert [text for text in said if CODE.search(text)] == []


def test_the_patterns_find_what_they_are_meant_to_find() -> None:
    """The control."""
    assert PHONE.search("找她13812345678，")
    assert IDENTITY.search("证件51152119600101123X")
    assert CODE.search("/units/511504101202/")
    assert not any(pattern.search("11-23 08:00，共364个村，2026-11-23前") for pattern in (PHONE, IDENTITY, CODE))
