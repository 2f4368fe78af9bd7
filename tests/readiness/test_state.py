"""How the sending is doing: the page for admins, the red bar on everybody's pages who leads, letting it go on."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from checklists.models import Campaign
from readiness.health import PARTS
from readiness.models import Channel, Gateway, Heartbeat, Notice, Sender
from tests import factories
from tests.factories import EAST
from tests.readiness.test_health import CLOSED, lives, own_redis
from tests.readiness.test_sent import notice
from villages.access import Role
from villages.models import Cadre

As = Callable[[str], Client]
Cast = dict[str, Cadre]
Status = Notice.Status
SILENT = timedelta(minutes=6)


@pytest.fixture
def well(campaign: Campaign) -> Campaign:
    """Everything lives."""
    lives(*PARTS)
    return campaign


@pytest.fixture
def kept(settings: Settings) -> None:
    """Boards and the alarm are kept, as in production."""
    memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {name: memory | {"LOCATION": f"{name} {uuid.uuid4()}"} for name in ("default", "boards")}


def pause(why: str = "从备份恢复") -> None:
    Sender.objects.update_or_create(pk=1, defaults={"paused_at": timezone.now(), "paused_because": why})


def says(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def bar(client: Client, path: str = "/campaigns/") -> str:
    """The words of the red bar; empty without one."""
    page = says(client, path)
    return page.split('<div class="alarm"')[1].split("</div>")[0] if '<div class="alarm"' in page else ""


# --- the red bar ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_silent_for_five_minutes_is_told_to_those_who_lead(well: Campaign, as_: As, part: str) -> None:
    assert bar(as_("ada")) == ""
    lives(part, ago=timedelta(minutes=4))
    assert bar(as_("ada")) == ""
    lives(part, ago=SILENT)
    since = timezone.localtime(Heartbeat.objects.get(part=part).at)
    for who in ("ada", "mei", "tang"):
        told = bar(as_(who))
        assert f"{since:%m-%d %H:%M}" in told
        assert ('href="/state/"' in told) == (who == "ada")  # who may not look there is not sent there
    for who in ("lan", "bao", "su", "chen"):
        assert bar(as_(who)) == ""


def test_it_is_on_every_page(well: Campaign, as_: As) -> None:
    lives("sender", ago=SILENT)
    board = f"/campaigns/{well.pk}/"
    for path in (board, f"{board}notices/", f"{board}reminders/", f"{board}setup/", "/units/", "/inbox/", "/tasks/"):
        assert bar(as_("ada"), path)
    assert (
        '<div class="alarm"' in as_("ada").post(f"{board}notices/resend/").content.decode()
    )  # and on refusals of forms


def test_a_sender_that_is_held_back_is_told_with_its_reason(well: Campaign, as_: As) -> None:
    pause("从备份恢复 <b>")
    assert "从备份恢复 &lt;b&gt;" in bar(as_("mei"))


def test_it_asks_the_database_once_in_a_while(well: Campaign, as_: As, kept: None) -> None:
    mei, lan = as_("mei"), as_("lan")
    for client in (mei, lan):
        client.get("/inbox/")
    counted = []
    for client in (mei, lan):
        with CaptureQueriesContext(connection) as captured:
            client.get("/inbox/")
        counted.append(len(captured))
    assert counted[0] == counted[1]


def test_an_open_board_hears_of_it_although_boards_are_kept(well: Campaign, as_: As, kept: None, settings: Any) -> None:
    """A board that is open asks with the tag of what it shows; the bar is one of the regions that it puts in place."""
    mei, lan, path = as_("mei"), as_("lan"), f"/campaigns/{well.pk}/"

    def ask(client: Client, tag: str = "") -> Any:
        return client.get(path, headers={"If-None-Match": tag, "Readiness-Follows": "1"})

    tags = {client: ask(client).headers["ETag"] for client in (mei, lan)}
    assert ask(mei, tags[mei]).status_code == 304
    lives("sender", ago=SILENT)
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": str(uuid.uuid4())}
    }  # 15 s
    answer = ask(mei, tags[mei])
    assert answer.status_code == 200
    assert '<div id="alarm" data-live>\n    \n      <div class="alarm"' in answer.content.decode()
    assert ask(mei, answer.headers["ETag"]).status_code == 304  # said once
    assert ask(lan, tags[lan]).status_code == 304  # and not to those whom it does not concern
    lives("sender")
    settings.CACHES = settings.CACHES | {"default": settings.CACHES["default"] | {"LOCATION": str(uuid.uuid4())}}
    gone = ask(mei, answer.headers["ETag"])
    assert gone.status_code == 200
    assert 'class="alarm"' not in gone.content.decode()
    assert gone.headers["ETag"] == tags[mei]


# --- the page ------------------------------------------------------------------------------------------------------


def parts(client: Client) -> dict[str, bool]:
    """What is well; a second for Redis, not the five that Celery gives it."""
    began = time.monotonic()
    answer = client.get("/state/")
    assert time.monotonic() - began < 4.5
    names = [*PARTS_IN_ORDER, "database", "redis", "proofs"]
    return {name: part.is_well for name, part in zip(names, answer.context["parts"], strict=True)}


PARTS_IN_ORDER = ("beat", "worker", "sender")
ALL_WELL = dict.fromkeys((*PARTS_IN_ORDER, "database", "redis", "proofs"), True)


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("mei", 403), ("tang", 403), ("lan", 403), ("su", 403), ("chen", 403)]
)
def test_it_is_for_campaign_admins(well: Campaign, as_: As, who: str, status: int) -> None:
    assert as_(who).get("/state/").status_code == status


def test_it_says_which_part_lives(well: Campaign, as_: As) -> None:
    assert parts(as_("ada")) == ALL_WELL
    Heartbeat.objects.filter(part="worker").delete()
    lives("beat", ago=SILENT)
    assert parts(as_("ada")) == ALL_WELL | {"worker": False, "beat": False}


def test_it_works_without_redis(well: Campaign, as_: As, settings: Settings) -> None:
    settings.REDIS_URL = f"redis://{CLOSED}/0"
    assert parts(as_("ada")) == ALL_WELL | {"redis": False}


@pytest.mark.slow
def test_it_works_while_redis_is_frozen(
    well: Campaign, as_: As, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with own_redis(tmp_path, monkeypatch) as (url, pid):
        settings.REDIS_URL = url
        assert parts(as_("ada")) == ALL_WELL
        os.kill(pid, signal.SIGSTOP)
        try:
            assert parts(as_("ada")) == ALL_WELL | {"redis": False}
        finally:
            os.kill(pid, signal.SIGCONT)


def test_the_queue_is_that_of_the_campaigns_one_runs(well: Campaign, cast: Cast, as_: As) -> None:
    far = factories.campaign(factories.OTHER_COUNTY, days=60, of=factories.template("far"))
    late = timezone.now() - timedelta(minutes=40)
    notice(well, cast["lan"], status=Status.PENDING, due_at=late)
    notice(well, cast["lin"], status=Status.PENDING, due_at=timezone.now() + timedelta(hours=3))
    notice(well, cast["hong"], status=Status.UNKNOWN)
    notice(well, cast["bao"], status=Status.DELIVERED, channel=Channel.INBOX)
    notice(far, cast["chen"], status=Status.FAILED)
    found = {queue.status: (queue.count, queue.waits_since) for queue in as_("ada").get("/state/").context["queues"]}
    assert found == {Status.PENDING: (2, late), Status.UNKNOWN: (1, None)}


def test_gateways_in_trouble_are_shown_and_those_of_others_are_not(well: Campaign, cast: Cast, as_: As) -> None:
    def gateway(unit: str, name: str, **fields: Any) -> None:
        Gateway.objects.create(
            channel=Channel.WECOM, unit_id=unit, name=name, host="https://x", made_by=cast["ada"], **fields
        )

    gateway(EAST, "东镇企微", failures=6, open_until=timezone.now() + timedelta(minutes=9), last_error="没有响应 <i>")
    gateway("511504", "全区企微")
    gateway(factories.OTHER_COUNTY, "别处企微", failures=9)
    page = says(as_("ada"), "/state/")
    assert "东镇企微" in page
    assert "没有响应 &lt;i&gt;" in page
    assert "全区企微" not in page
    assert "别处企微" not in page


# --- letting it go on ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resend", [False, True])
def test_the_highest_admin_lets_it_go_on(well: Campaign, cast: Cast, as_: As, resend: bool) -> None:
    pause()
    aside = notice(well, cast["lan"], status=Status.ASIDE)
    page = says(as_("ada"), "/state/")
    assert "从备份恢复" in page
    assert page.count('action="/state/release/"') == 1
    assert as_("ada").post("/state/release/", {"resend": "1"} if resend else {})["Location"] == "/state/"
    sender = Sender.objects.get()
    assert (sender.paused_at, sender.changed_by) == (None, cast["ada"])
    aside.refresh_from_db()
    assert aside.status == (Status.PENDING if resend else Status.ASIDE)
    assert bar(as_("ada")) == ""


def test_an_admin_below_the_highest_may_not_and_is_told_so(well: Campaign, cast: Cast, as_: As) -> None:
    """It would send what belongs to other offices, too."""
    pause()
    factories.cadre("Cui", Role.CAMPAIGN_ADMIN, "5115")
    page = says(as_("ada"), "/state/")
    assert "/state/release/" not in page
    assert as_("ada").post("/state/release/").status_code == 403
    assert Sender.objects.get().paused_at
    cui = Client()
    cui.force_login(Cadre.objects.get(username="cui"))
    assert cui.post("/state/release/").status_code == 302
    assert not Sender.objects.get().paused_at


def test_who_was_an_admin_higher_up_counts_no_more(well: Campaign, cast: Cast, as_: As) -> None:
    pause()
    left = factories.cadre("Cui", Role.CAMPAIGN_ADMIN, "5115")
    left.posts.update(until=timezone.localdate())
    assert as_("ada").post("/state/release/").status_code == 302
