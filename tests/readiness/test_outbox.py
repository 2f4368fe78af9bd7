"""The outbox, as it is written: who is told by which way, once, whatever clocks and processes do."""

import random
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists.models import (
    Campaign,
    Chase,
    Check,
    Draw,
    Extension,
    Finding,
    FindingEvent,
    FindingStep,
    HelpRequest,
    Item,
    Measure,
    Phase,
    Responsibility,
    Round,
    Task,
    TaskEvent,
)
from readiness.models import Account, Escalation, Gateway, News, Notice, Planned, Rules, Wishes
from readiness.reminders import outbox, plan, tasks, unchanged
from readiness.reminders.calendars import on_or_after
from readiness.reminders.ways import unreachable
from tests import factories, live, proofs
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, TODAY, WEST, WILLOW
from tests.readiness.reminding import (
    campaign_without_vacancies,
    hears,
    inbox,
    moment,
    owing,
    put,
    quiet_campaign,
    write,
)
from villages.access import Role
from villages.models import Cadre, Post, Unit

Cast = dict[str, Cadre]
ONE = timedelta(days=1)


@pytest.fixture
def quiet(cast: Cast) -> Campaign:
    """A campaign of the county in which nothing is due for long, and of whose vacancies has been told."""
    return campaign_without_vacancies()


def fresh() -> list[tuple[str, str, str]]:
    """Name, channel and status of what was written on or after TODAY."""
    found = Notice.objects.filter(on__gte=TODAY, cadre__isnull=False)
    return sorted(found.values_list("cadre__username", "channel", "status"))


def body(name: str) -> str:
    return inbox(name)[-1].body


def gateway(channel: str, unit: str, by: Cadre, campaign: Campaign | None = None) -> Gateway:
    return Gateway.objects.create(
        channel=channel, unit_id=unit, campaign=campaign, name=channel, host="https://x", sealed=b"", made_by=by
    )


# --- Who is told ------------------------------------------------------------------------------------


def test_the_cadres_of_a_unit_are_told_of_its_tasks_in_the_words_of_the_office(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1, 0, 3)
    assert write() == 2
    subject = "迎检准备：1项任务逾期，2项任务即将到期"
    assert hears() | {"ada": ""} == {"lan": subject, "lin": subject, "ada": ""}
    (notice,) = inbox("lan")
    assert (notice.status, notice.path, notice.about) == ("delivered", "/tasks/", [quiet.pk])
    assert notice.sent_at == moment()
    assert notice.body.splitlines()[0] == "逾期1项，7天内到期2项；最早的期限是6月9日。"
    assert "柳村" in notice.body
    assert "村民委员会" not in notice.body


def test_a_department_is_told_of_its_own(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, BUREAU, 1)
    write()
    assert fresh() == [("deng", "inbox", "delivered")]


@pytest.mark.parametrize("state", ["done", "verified", "waived"])
def test_what_is_no_longer_owed_is_not_told(cast: Cast, quiet: Campaign, state: str) -> None:
    owing(quiet, MAPLE, -1)
    put(factories.task(quiet, "v-1", MAPLE), state=state, by=cast["hong"])
    assert write() == 0


@pytest.mark.parametrize("status", ["draft", "paused", "closed"])
def test_only_running_campaigns_remind(cast: Cast, quiet: Campaign, status: str) -> None:
    owing(quiet, MAPLE, -1)
    who = {"closed_at": timezone.now(), "closed_by": cast["ada"]} if status == "closed" else {}
    Campaign.objects.update(status=status, **who)
    assert write() == 0


def test_who_left_or_moved_is_not_told(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, MAPLE, -1)
    Post.objects.filter(cadre=cast["hong"]).update(until=TODAY)  # the first day on which it is no longer held
    factories.appoint(cast["hong"], Role.TOWNSHIP_STAFF, EAST)
    Cadre.objects.filter(username="lin").update(is_active=False)
    write()
    # Nobody answers directly or as linked cadre any more: the leader in charge hears of it.
    assert {name for name, *_ in fresh()} == {"tang", "ada"}  # Ada of the vacancy
    assert Escalation.objects.get().cadre == cast["tang"]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_told_equals_a_recount_by_hand(cast: Cast, seed: int) -> None:
    chance = random.Random(seed)
    campaigns = [factories.campaign(days=60), factories.campaign(EAST, days=61)]
    campaigns.append(factories.campaign(days=62, of=factories.template("other")))
    everybody = list(Cadre.objects.all())
    for _ in range(12):
        Responsibility.objects.update_or_create(
            campaign=chance.choice(campaigns),
            unit_id=chance.choice([WILLOW, MAPLE, LAKE, EAST, BUREAU]),
            kind=chance.choice(Responsibility.Kind.values),
            defaults={"cadre": chance.choice(everybody)},
        )
    for post in Post.objects.all():
        if chance.random() < 0.2:
            Post.objects.filter(pk=post.pk).update(until=TODAY + timedelta(days=chance.randint(-3, 3)))
    for task in Task.objects.all():
        state = chance.choice(["open", "open", "open", "returned", "done", "verified", "waived"])
        put(task, due_on=TODAY + timedelta(days=chance.randint(-6, 8)), state=state, by=cast["lan"])
    Campaign.objects.filter(pk=campaigns[chance.randrange(3)].pk).update(status="paused")
    Cadre.objects.filter(pk=chance.choice(everybody).pk).update(is_active=False)
    write()

    for person in Cadre.objects.all():
        held = {
            post.unit_id
            for post in Post.objects.filter(cadre=person, cadre__is_active=True)
            if post.since <= TODAY and (post.until is None or post.until > TODAY)
        }
        mine = {
            task
            for answer in Responsibility.objects.filter(cadre=person).exclude(kind="lead")
            if answer.campaign.status == "active" and answer.unit_id in held
            for task in Task.objects.filter(campaign=answer.campaign, unit=answer.unit_id)
            if task.state in ("open", "returned") and (task.due_on - TODAY).days <= 7
        }
        late = sum(task.due_on < TODAY for task in mine)
        told = body(person.username).splitlines()[0] if inbox(person.username) else ""
        if mine:
            first = min(task.due_on for task in mine)
            assert told == f"逾期{late}项，7天内到期{len(mine) - late}项；最早的期限是{first.month}月{first.day}日。"
        else:
            assert "天内到期" not in told


# --- By which way -----------------------------------------------------------------------------------


def test_each_goes_by_the_ways_that_he_has_and_wants(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    Cadre.objects.filter(username="lan").update(email="lan@example.org")
    Cadre.objects.exclude(username="lan").update(phone=None)
    Account.objects.create(cadre=cast["lan"], channel="wecom", name="lan")
    Account.objects.create(cadre=cast["lin"], channel="dingtalk", name="lin")
    gateway("wecom", COUNTY, cast["ada"])
    near = gateway("wecom", EAST, cast["ada"])
    gateway("wecom", WEST, cast["ada"])
    gateway("webhook", COUNTY, cast["ada"])
    gone = gateway("dingtalk", COUNTY, cast["ada"])
    Gateway.objects.filter(pk=gone.pk).update(removed_at=timezone.now())
    assert write() == 5
    found = Notice.objects.filter(on=TODAY).order_by("cadre__username", "channel")
    assert list(found.values_list("cadre__username", "channel", "gateway__unit", "status")) == [
        ("lan", "inbox", None, "delivered"),
        ("lan", "mail", None, "pending"),
        ("lan", "webhook", COUNTY, "pending"),
        ("lan", "wecom", EAST, "pending"),
        ("lin", "inbox", None, "delivered"),
    ]
    assert found.get(channel="wecom").gateway == near
    assert {notice.due_at for notice in found.filter(channel="inbox")} == {moment()}
    (out,) = {notice.due_at for notice in found.exclude(channel="inbox")}  # all his ways at once
    assert moment(at="09:01") < out < moment(at="09:15")
    # What he does not want, he does not get; the inbox stays.
    Wishes.objects.create(cadre=cast["lan"], unwanted=["mail", "webhook", "wecom", "inbox"])
    write(TODAY + 2 * ONE)
    assert list(Notice.objects.filter(cadre=cast["lan"], on__gt=TODAY).values_list("channel", flat=True)) == ["inbox"]


def test_quiet_hours_put_off_what_leaves_the_house_only(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    Cadre.objects.filter(username__in=["lan", "lin"]).update(email="x@example.org")
    Wishes.objects.create(cadre=cast["lan"], quiet_from="18:00", quiet_until="10:15")
    Wishes.objects.create(cadre=cast["lin"], quiet_from="00:00", quiet_until="00:00")
    write()
    due = dict(Notice.objects.filter(channel="mail").values_list("cadre__username", "due_at"))
    assert moment(at="10:15") <= due["lan"] < moment(at="10:26")
    assert moment(at="09:01") < due["lin"] < moment(at="09:15")
    assert inbox("lan")[0].due_at == moment()


def test_nothing_goes_out_before_the_campaigns_hour_or_on_a_day_off(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    Rules.objects.create(campaign=quiet, at="09:30")
    assert write(at="09:29") == 0
    saturday = TODAY + 3 * ONE
    assert write(saturday, at="12:00") == 0
    assert write(at="09:30") == 2


def test_a_group_is_told_once_a_day_by_its_robot(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    robot = gateway("dingtalk_robot", EAST, cast["ada"], quiet)
    gateway("wecom_robot", WEST, cast["ada"], quiet)
    write()
    write(at="15:00")
    notice = Notice.objects.get(cadre__isnull=True)
    assert (notice.gateway, notice.channel, notice.rule, notice.status) == (robot, "dingtalk_robot", "group", "pending")
    assert "柳村" in notice.body
    assert "Lan" in notice.body
    assert cast["lan"].phone not in notice.body
    write(TODAY + ONE)  # nothing new is reached, but the one of yesterday has not left
    assert sorted(Notice.objects.filter(rule="group").values_list("on", "status")) == [
        (TODAY, "superseded"),
        (TODAY + ONE, "pending"),
    ]


@pytest.mark.parametrize("became", ["accepted", "unknown", "sending", "refused", "pending", "failed"])
def test_a_group_whose_robot_is_made_anew_hears_no_second_time(cast: Cast, quiet: Campaign, became: str) -> None:
    """But from the new one, if the old one cannot have spoken."""
    owing(quiet, WILLOW, -1)
    robot = gateway("dingtalk_robot", EAST, cast["ada"], quiet)
    write()
    changes: dict[str, Any] = {"status": became}
    changes |= {"sent_at": timezone.now()} if became in ("accepted", "unknown") else {}
    changes |= {"leased_until": timezone.now()} if became == "sending" else {}
    assert Notice.objects.filter(gateway=robot).update(**changes) == 1
    Gateway.objects.filter(pk=robot.pk).update(removed_at=timezone.now())
    again = gateway("dingtalk_robot", EAST, cast["ada"], quiet)
    gateway("wecom_robot", EAST, cast["ada"], quiet)  # another platform, another group
    write(at="10:00")
    spoke = became in ("accepted", "unknown", "sending")
    assert Notice.objects.filter(gateway=again).exists() != spoke
    assert Notice.objects.filter(channel="wecom_robot").count() == 1


def test_who_cannot_be_reached_is_known(cast: Cast, quiet: Campaign) -> None:
    Cadre.objects.filter(username="lin").update(email="lin@example.org")
    hong = cast["hong"]
    hong.email = "hong@example.org"
    hong.set_unusable_password()
    hong.save()
    found = {one.name: (one.has_no_way, one.cannot_log_in) for one in unreachable(quiet, TODAY)}
    assert found.pop("Hong") == (False, True)
    assert found == dict.fromkeys(["Bao", "Deng", "Lan", "Tang"], (True, False))


# --- Once -------------------------------------------------------------------------------------------


def test_runs_at_jumbled_times_double_and_miss_nothing(cast: Cast, quiet: Campaign) -> None:
    """Beat twice, the clock two hours forward and a day back, no run for six hours or three days."""
    owing(quiet, MAPLE, -1, 3)
    Cadre.objects.filter(username="hong").update(email="hong@example.org")
    runs = [(-1, "08:00"), (0, "08:00"), (0, "08:00"), (0, "10:00"), (-1, "10:00"), (0, "08:05"), (5, "14:00")]
    for days, at in [*runs, (2, "09:00"), (5, "14:00")]:
        write(TODAY + days * ONE, at=at)
    days = list(Notice.objects.filter(cadre=cast["hong"], on__gte=TODAY - ONE).values_list("on", "channel"))
    assert len(days) == len(set(days))
    # Tuesday: due. Wednesday: overdue. Monday, which a wrong clock had come to before Friday: the other one too.
    assert {on for on, _ in days} == {TODAY - ONE, TODAY, TODAY + 2 * ONE, TODAY + 5 * ONE}


def test_the_database_itself_holds_that_nothing_doubles(cast: Cast, quiet: Campaign) -> None:
    """The control: without the constraint, a message that is planned twice is there twice."""
    owing(quiet, MAPLE, -1)
    twice = outbox._plan(TODAY, moment()).messages
    outbox._insert(twice, TODAY, moment())
    assert outbox._insert(twice, TODAY, moment()) == 0
    assert len(inbox("hong")) == 1
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        name = "notice_once_per_cadre_campaign_rule_day_and_channel"
        cursor.execute(f"ALTER TABLE readiness_notice DROP CONSTRAINT IF EXISTS {name}")
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
    outbox._insert(twice, TODAY, moment())
    assert len(inbox("hong")) == 2


def test_two_beats_at_once_write_once(committed: None) -> None:
    factories.units()
    cast = factories.cast()
    owing(quiet_campaign(), MAPLE, -1, 2)
    Cadre.objects.filter(pk=cast["hong"].pk).update(email="hong@example.org")
    start, counts = threading.Barrier(4), []

    def run() -> None:
        start.wait()
        try:
            counts.append(write())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts)[:3] == [0, 0, 0]
    assert counts.count(0) == 3
    assert max(counts) == Notice.objects.count()


def test_who_plans_second_waits_and_finds_what_the_first_has_told(committed: None) -> None:
    """A minute apart, the same news would have another key: only the lock keeps it from being told twice."""
    factories.units()
    cast = factories.cast()
    task = factories.task(quiet_campaign(), "v-1", MAPLE)
    Chase.objects.create(task=task, by=cast["tang"], on=TODAY, at=moment(), reason="快")
    has_told = threading.Event()

    def first() -> None:
        try:
            with transaction.atomic():
                outbox.write_news(moment(at="10:05"))
                has_told.set()
                time.sleep(0.5)
        finally:
            connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    has_told.wait(10)
    assert outbox.write_news(moment(at="10:06")) == 0
    thread.join()
    assert len(inbox("hong", "news")) == 1


def test_a_digest_that_did_not_leave_gives_way_to_the_next(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, MAPLE, -1, 0)
    Cadre.objects.filter(username__in=["hong", "lin"]).update(email="x@example.org")
    write()
    claimed = Notice.objects.get(channel="mail", cadre=cast["lin"])
    Notice.objects.filter(pk=claimed.pk).update(status="sending", leased_until=timezone.now())
    put(factories.task(quiet, "v-1", MAPLE), state="done", by=cast["hong"], due_on=TODAY - ONE)
    write(TODAY + ONE)
    mails = Notice.objects.filter(channel="mail").values_list("cadre__username", "on", "status")
    assert sorted(mails) == [
        ("hong", TODAY, "superseded"),
        ("hong", TODAY + ONE, "pending"),
        ("lin", TODAY, "sending"),  # on its way already
        ("lin", TODAY + ONE, "pending"),
    ]
    assert "第v-1项" not in body("hong")
    # Everything is done: what still waits of today is put aside, and nothing new is written.
    put(factories.task(quiet, "v-2", MAPLE), state="waived")
    write(TODAY + ONE, at="10:00")
    assert not Notice.objects.filter(channel="mail", status="pending").exists()
    assert write(TODAY + 2 * ONE) == 0


# --- What waits says how things stand ----------------------------------------------------------------


def mail_of(name: str) -> Notice:
    return Notice.objects.filter(channel="mail", cadre__username=name).latest("pk")


@pytest.fixture
def waits(cast: Cast, quiet: Campaign) -> Campaign:
    """Two tasks of Maple that are overdue; Hong and Lin, who answer, are told by mail when their quiet hours end."""
    owing(quiet, MAPLE, -1, -1)
    Cadre.objects.filter(username__in=["hong", "lin"]).update(email="x@example.org")
    for name in ("hong", "lin"):
        Wishes.objects.create(cadre=cast[name], quiet_from="08:00", quiet_until="12:00")
    robot = gateway("wecom_robot", EAST, cast["ada"], quiet)
    gateway("wecom_robot", WEST, cast["ada"], quiet)
    write()
    assert mail_of("hong").subject == Notice.objects.get(gateway=robot).subject == "迎检准备：2项任务逾期"
    return quiet


@pytest.mark.parametrize("becomes", ["done", "waived", "retired"])
def test_what_is_done_while_a_digest_waits_is_not_in_it(cast: Cast, waits: Campaign, becomes: str) -> None:
    task = factories.task(waits, "v-1", MAPLE)
    if becomes == "retired":
        Task.objects.filter(pk=task.pk).update(retired_at=timezone.now())
    else:
        put(task, state=becomes, by=cast["hong"] if becomes == "done" else None)
    assert write(at="11:55") == 0
    outside = Notice.objects.filter(on=TODAY, status="pending")
    assert {notice.subject for notice in outside} == {"迎检准备：1项任务逾期"}
    assert outside.count() == 3
    assert not any("第v-1项" in notice.body for notice in outside)
    assert "2项" in inbox("hong")[-1].subject  # what was in the inbox stays as it was
    for task in Task.objects.filter(unit=MAPLE):
        put(task, state="waived")
    assert write(at="11:58") == 0
    assert {notice.status for notice in Notice.objects.filter(on=TODAY).exclude(channel="inbox")} == {"superseded"}
    assert write(at="12:30") == 0


def test_what_is_on_its_way_or_may_have_arrived_keeps_its_words(cast: Cast, waits: Campaign) -> None:
    """A repeat is known by its words; and a claim that comes between wins."""
    claimed, unclear = mail_of("hong"), mail_of("lin")
    Notice.objects.filter(pk=claimed.pk).update(status="sending", leased_until=timezone.now())
    Notice.objects.filter(pk=unclear.pk).update(sent_at=timezone.now(), tries=1)
    put(factories.task(waits, "v-1", MAPLE), state="waived")
    write(at="11:55")
    assert [mail_of(name).subject for name in ("hong", "lin")] == ["迎检准备：2项任务逾期"] * 2
    Task.objects.filter(unit=MAPLE).update(state="waived")
    write(at="11:58")
    assert [mail_of(name).status for name in ("hong", "lin")] == ["sending", "pending"]


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_a_claim_that_comes_first_wins(committed: None, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """The planner waits for the claim to be committed and looks again; without that look it would change a text that
    is on its way."""
    factories.units()
    factories.cast()
    campaign = quiet_campaign()
    owing(campaign, MAPLE, -1, -1)
    Cadre.objects.filter(username="hong").update(email="x@example.org")
    write()
    put(factories.task(campaign, "v-1", MAPLE), state="waived")
    if not guarded:
        monkeypatch.setattr(outbox, "REWORDED", outbox.REWORDED.replace("n.status = 'pending' AND", ""))

    def again() -> None:
        try:
            write(at="09:30")
        finally:
            connections.close_all()

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0])

    planner = threading.Thread(target=again)
    with transaction.atomic():
        claimed = Notice.objects.select_for_update().get(channel="mail")
        planner.start()
        live.wait_for(is_waiting, 20, what="for the planner to wait")
        Notice.objects.filter(pk=claimed.pk).update(status="sending", leased_until=timezone.now())
    planner.join()
    found = Notice.objects.get(pk=claimed.pk)
    assert (found.status, "2项" in found.subject) == ("sending", guarded)


def test_one_put_off_until_the_next_morning_says_how_things_stand_then(cast: Cast, quiet: Campaign) -> None:
    """Before the hour at which the new day's is written, which then takes its place."""
    owing(quiet, MAPLE, -1, -1)
    Cadre.objects.filter(username="hong").update(email="x@example.org")
    write(at="23:00")
    put(factories.task(quiet, "v-1", MAPLE), state="waived")
    assert write(TODAY + ONE, at="07:29") == 0
    assert (mail_of("hong").on, mail_of("hong").subject) == (TODAY, "迎检准备：1项任务逾期")
    put(factories.task(quiet, "v-2", MAPLE), state="waived")
    write(TODAY + ONE, at="07:32")
    assert mail_of("hong").status == "superseded"


def test_the_sender_brings_up_to_date_what_is_due_and_old(
    cast: Cast, quiet: Campaign, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    """Also while there is no planner."""
    for module in (plan, unchanged):
        monkeypatch.setattr(module, "is_workday", lambda day: True)  # on Sundays too
    today = timezone.localdate()
    Task.objects.update(due_on=today + 90 * ONE)
    for number in ("v-1", "v-2"):
        put(factories.task(quiet, number, MAPLE), due_on=today)
    Cadre.objects.filter(username__in=["hong", "lin"]).update(email="x@example.org")
    outbox.write(today, moment(today))
    put(factories.task(quiet, "v-1", MAPLE), state="waived")
    Notice.objects.filter(channel="mail").update(due_at=timezone.now(), worded_at=timezone.now() - timedelta(minutes=7))
    tasks.deliver()
    assert [letter.subject for letter in mailoutbox] == ["迎检准备：1项任务即将到期"] * 2
    tasks.deliver()
    assert len(mailoutbox) == 2


# --- A run that finds nothing new --------------------------------------------------------------------


def cost(at: str = "09:30") -> int:
    """In queries, of a run that writes nothing."""
    with CaptureQueriesContext(connection) as found:
        assert write(at=at) == 0
    return len(found)


# What somebody may do that a plan depends on.
CHANGES: dict[str, Callable[[Campaign, Cast], object]] = {
    "a tick": lambda c, cast: put(factories.task(c, "v-1", MAPLE), state="done", by=cast["hong"]),
    "another day": lambda c, cast: put(factories.task(c, "v-1", MAPLE), due_on=TODAY + 80 * ONE),
    "no longer asked for": lambda c, cast: Task.objects.filter(unit=MAPLE).update(retired_at=timezone.now()),
    "a value": lambda c, cast: TaskEvent.objects.create(
        id=uuid.uuid4(), task=factories.task(c, "v-3", MAPLE), by=cast["hong"], from_state="open", to_state="open",
        value=80, at=moment()),
    "more time": lambda c, cast: Extension.objects.create(
        task=factories.task(c, "v-1", MAPLE), asked_by=cast["hong"], until=TODAY + 99 * ONE, reason="雨"),
    "a call": lambda c, cast: HelpRequest.objects.create(
        task=factories.task(c, "v-1", MAPLE), asked_by=cast["hong"], obstacle="x", need="y", reply_by=TODAY),
    "a chase": lambda c, cast: Chase.objects.create(
        task=factories.task(c, "v-1", MAPLE), by=cast["tang"], on=TODAY, at=moment(), reason="快"),
    "another name": lambda c, cast: Item.objects.filter(campaign=c, number="v-1").update(title="新"),
    "a phase": lambda c, cast: Phase.objects.create(campaign=c, key="a", title="动员", starts_on=TODAY, ends_on=TODAY),
    "a rule": lambda c, cast: Rules.objects.create(campaign=c, overdue_every=3),
    "an hour": lambda c, cast: Rules.objects.create(campaign=c, at="12:00"),
    "a campaign": lambda c, cast: factories.campaign(EAST, days=61),
    "a campaign's end": lambda c, cast: Campaign.objects.filter(pk=c.pk).update(status="paused"),
    "another who answers": lambda c, cast: Responsibility.objects.filter(unit=MAPLE).update(cadre=cast["bao"]),
    "another post": lambda c, cast: Post.objects.filter(cadre=cast["hong"]).update(until=TODAY),
    "who left": lambda c, cast: Cadre.objects.filter(pk=cast["hong"].pk).update(is_active=False),
    "a unit's name": lambda c, cast: Unit.objects.filter(pk=MAPLE).update(name="新村"),
    "a finding": lambda c, cast: proofs.found(factories.task(c, "v-1", MAPLE), cast["su"], 2),
    "a finding's new state": lambda c, cast: Finding.objects.update(due_on=TODAY + 70 * ONE),
    "what was said of a finding": lambda c, cast: FindingEvent.objects.create(
        id=uuid.uuid4(), finding=Finding.objects.get(), by=cast["su"], what="answered", note="x", at=moment()),
    "a step of a finding": lambda c, cast: FindingStep.objects.create(
        finding=Finding.objects.get(), what="铺路", due_on=TODAY),
    "a measure": lambda c, cast: Measure.objects.create(
        campaign=c, unit_id=MAPLE, rung=1, grounds=[], proposed_at=moment()),
    "a round": lambda c, cast: Round.objects.create(campaign=c, unit_id=MAPLE, rhythm="patrol", made_by=cast["su"]),
    "who goes on a round": lambda c, cast: Round.objects.get().inspectors.add(cast["bao"]),
    "a draw that is made": lambda c, cast: Draw.objects.create(
        campaign=c, number=1, title="x", among_id=EAST, recipe={}, frozen="", secret="", commitment="",
        announced_by=cast["ada"], number_one="1", number_one_by=cast["su"], number_two="2",
        number_two_by=cast["mei"], drawn_at=moment()),
    "a check": lambda c, cast: Check.objects.create(
        id=uuid.uuid4(), round=Round.objects.get(), task=factories.task(c, "v-1", MAPLE), result="unseen",
        remark="x", by=cast["su"], was="open", at=moment()),
    "a robot": lambda c, cast: gateway("wecom_robot", EAST, cast["ada"], c),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_run_is_cheap_until_something_changes(cast: Cast, quiet: Campaign, what: str) -> None:
    owing(quiet, WILLOW, -1)
    if "finding" in what:
        proofs.found(factories.task(quiet, "v-2", MAPLE), cast["su"])
    if what in ("who goes on a round", "a check"):
        Round.objects.create(campaign=quiet, unit_id=MAPLE, rhythm="patrol", made_by=cast["su"])
    write()
    first = Planned.objects.get().seen
    few = cost()
    assert few <= 7
    CHANGES[what](quiet, cast)
    write(at="09:35")
    assert Planned.objects.get().seen != first
    if what != "an hour":  # which strikes at noon
        assert cost("09:40") == cost("12:40") == few


def test_a_run_after_an_hour_has_struck_or_on_another_day_is_a_whole_one(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    Rules.objects.create(campaign=quiet, at="09:30")
    assert write(at="09:00") == 0
    assert cost("09:29") <= 7
    assert write(at="09:30") == 2
    assert write(TODAY + 2 * ONE, at="09:30") == 2


def test_what_waits_and_has_old_words_makes_a_run_a_whole_one(waits: Campaign) -> None:
    """And what was worded by the last plan is known to be true still."""
    ago = timezone.now() - timedelta(minutes=5)
    Notice.objects.filter(channel="mail").update(due_at=timezone.now(), worded_at=ago)
    Planned.objects.update(at=ago)
    soon = mail_of("hong")
    few = cost("11:55")
    assert few <= 7
    assert mail_of("hong").worded_at != soon.worded_at
    Notice.objects.filter(pk=soon.pk).update(subject="x", worded_at=timezone.now() - timedelta(days=1))  # sent again
    assert cost("11:56") > few
    assert mail_of("hong").subject == "迎检准备：2项任务逾期"
    assert cost("11:57") == few


def test_all_that_a_plan_reads_is_looked_at(cast: Cast, quiet: Campaign) -> None:
    """Tasks and their tallies by their pulse; what the planner writes itself is told."""
    gateway("wecom_robot", EAST, cast["ada"], quiet)
    phase = Phase.objects.create(campaign=quiet, key="a", title="动员", starts_on=TODAY, ends_on=TODAY + 9 * ONE)
    Item.objects.filter(campaign=quiet, number="v-3").update(every="week", gate=True, phase=phase)
    Campaign.objects.update(gates=True, gates_from=TODAY, decided_by=cast["mei"])
    with CaptureQueriesContext(connection) as found:
        outbox.planned(TODAY + 5 * ONE, moment(TODAY + 5 * ONE))  # a Monday
    read = {
        table for query in found for table in re.findall(r"\b(?:checklists|readiness|villages)_[a-z]+", query["sql"])
    }
    own = {"readiness_notice", "readiness_news", "readiness_escalation"}
    by_pulse = {"checklists_task", "checklists_tally"}
    assert own | by_pulse <= read
    assert read - own - by_pulse <= unchanged.LOOKED_AT.keys()


def test_a_missed_run_is_caught_up(cast: Cast, quiet: Campaign) -> None:
    """Due in three days was reached on a day without a run; by the next one it is two, and told."""
    owing(quiet, MAPLE, 3)
    write(TODAY - ONE)
    assert not inbox("hong")[0:] or inbox("hong")[-1].on < TODAY
    assert write(TODAY + ONE, at="14:00") == 2
    assert body("hong").startswith("逾期0项，7天内到期1项")


# --- Steps up ---------------------------------------------------------------------------------------


def test_the_next_one_up_hears_who_was_told_before(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, 0)  # a Wednesday
    for days in range(9):
        write(TODAY + days * ONE)
    steps = Escalation.objects.order_by("step").values_list("step", "cadre__username", "on", "due_on", "unit")
    assert list(steps) == [
        (1, "lan", date(2026, 6, 11), TODAY, WILLOW),
        (2, "lin", date(2026, 6, 15), TODAY, WILLOW),
        (3, "tang", date(2026, 6, 17), TODAY, WILLOW),
    ]
    notice = inbox("tang")[-1]
    assert notice.on == date(2026, 6, 17)
    assert notice.path == f"/campaigns/{quiet.pk}/"
    assert all(word in notice.body for word in ("柳村", "Lan", "Lin"))
    before = Notice.objects.count()
    write(TODAY + 8 * ONE, at="18:00")
    assert (Escalation.objects.count(), Notice.objects.count()) == (3, before)


def test_a_step_that_was_not_told_is_not_taken(cast: Cast, quiet: Campaign) -> None:
    """Its notice could not be written: what the database keeps twice, it does not note as told either."""
    owing(quiet, WILLOW, -1)
    planned = outbox._plan(TODAY, moment()).messages
    Notice.objects.create(cadre=cast["lan"], rule="digest", on=TODAY, channel="inbox", subject="x", body="y")
    outbox._insert(planned, TODAY, moment())
    assert not Escalation.objects.exists()
    write(TODAY + ONE)
    assert Escalation.objects.get().on == TODAY + ONE


# --- News -------------------------------------------------------------------------------------------


def send_back(task: Task, by: Cadre, note: str) -> None:
    put(task, state="returned", due_on=TODAY + timedelta(days=60))
    at = moment(at="10:00") + timedelta(seconds=TaskEvent.objects.count())
    TaskEvent.objects.create(
        id=uuid.uuid4(), task=task, by=by, from_state="done", to_state="returned", note=note, at=at
    )


def test_what_was_sent_back_is_in_the_inbox_at_once_and_outside_next_morning(cast: Cast, quiet: Campaign) -> None:
    Cadre.objects.filter(username="hong").update(email="hong@example.org")
    send_back(factories.task(quiet, "v-1", MAPLE), cast["bao"], "照片看不清\n请打13812345678")
    assert outbox.write_news(moment(at="10:05")) == 1
    assert outbox.write_news(moment(at="10:06")) == 0
    (notice,) = inbox("hong", "news")
    assert (notice.rule, notice.channel, notice.is_urgent) == ("news-1000", "inbox", False)
    assert write(at="23:00") == 2  # no digest has gone out on this day yet
    mail = Notice.objects.get(channel="mail")
    assert moment(TODAY + ONE, "07:31") < mail.due_at < moment(TODAY + ONE, "07:45")
    assert "照片看不清" in mail.body
    with transaction.atomic():  # had it not left next morning, the next one would tell of it
        assert write(TODAY + ONE) == 2
        assert "照片看不清" in Notice.objects.get(channel="mail", status="pending").body
        transaction.set_rollback(True)
    Notice.objects.filter(pk=mail.pk).update(status="accepted", sent_at=mail.due_at)
    assert write(TODAY + ONE) == 0
    assert "Bao" in notice.body
    assert "照片看不清 请打***" in notice.body
    assert not Notice.objects.filter(cadre=cast["hong"], channel="mail", rule__startswith="news").exists()


def test_news_of_one_hour_come_together_and_later_ones_wait_for_the_next(cast: Cast, quiet: Campaign) -> None:
    write()  # whatever there is
    send_back(factories.task(quiet, "v-1", MAPLE), cast["bao"], "一")
    send_back(factories.task(quiet, "v-2", MAPLE), cast["bao"], "二")
    outbox.write_news(moment(at="10:05"))
    for words in ("三", "又三"):  # the last time counts
        send_back(factories.task(quiet, "v-3", MAPLE), cast["bao"], words)
    assert outbox.write_news(moment(at="10:40")) == 0
    assert outbox.write_news(moment(at="11:00")) == 1
    assert [len(notice.body.splitlines()) for notice in inbox("hong", "news")] == [2, 1]
    # The clock goes back by an hour and comes again to the same time: nothing is told again.
    assert outbox.write_news(moment(at="10:00")) == outbox.write_news(moment(at="12:00")) == 0


def test_a_chase_breaks_the_quiet_hours_and_days_off(cast: Cast, quiet: Campaign) -> None:
    Cadre.objects.filter(username="hong").update(email="hong@example.org")
    task = factories.task(quiet, "v-1", MAPLE)
    saturday = TODAY + 3 * ONE
    night = moment(saturday, "23:10")
    Chase.objects.create(task=task, by=cast["tang"], on=saturday, at=night, reason="后天就要检查")
    assert outbox.write_news(night) == 2
    notice = Notice.objects.get(channel="mail", rule="news-2310")
    assert (notice.is_urgent, notice.due_at, notice.path) == (True, night, f"/tasks/{task.pk}/")
    assert "Tang" in notice.body
    assert outbox.write_news(night + timedelta(minutes=1)) == 0


def test_a_call_for_help_goes_up_and_the_answer_comes_back(cast: Cast, quiet: Campaign) -> None:
    task = factories.task(quiet, "v-1", MAPLE)
    asked = {"task": task, "asked_by": cast["hong"], "obstacle": "没有车", "need": "一辆车"}
    call = HelpRequest.objects.create(**asked, asked_at=moment(at="10:00"), reply_by=TODAY + ONE)
    outbox.write_news(moment(at="10:01"))
    assert "没有车" in inbox("lin", "news-1001")[0].body
    assert not inbox("tang", "news")
    # Nobody answers by the day that was named: the leader in charge hears of it.
    outbox.write_news(moment(TODAY + 2 * ONE, "08:00"))
    assert "Hong" in inbox("tang", "news-0800")[0].body
    HelpRequest.objects.filter(pk=call.pk).update(
        answered_by=cast["lin"], answered_at=moment(TODAY + 2 * ONE, "09:00"), answer="明天给你"
    )
    outbox.write_news(moment(TODAY + 2 * ONE, "09:01"))
    assert "明天给你" in inbox("hong", "news-0901")[0].body
    assert News.objects.count() >= 3


def test_a_request_for_more_time_and_its_answer_are_told(cast: Cast, quiet: Campaign) -> None:
    task = factories.task(quiet, "v-1", MAPLE)
    until = TODAY + 9 * ONE
    ask = Extension.objects.create(task=task, asked_by=cast["hong"], asked_at=moment(), until=until, reason="下雨")
    outbox.write_news(moment(at="10:01"))
    assert "下雨" in inbox("lin", "news-1000")[0].body
    Extension.objects.filter(pk=ask.pk).update(
        answered_by=cast["lin"], answered_at=moment(at="11:00"), granted=False, answer="抓紧"
    )
    outbox.write_news(moment(at="11:01"))
    assert "抓紧" in inbox("hong", "news-1100")[0].body


def test_news_of_what_is_over_is_no_news(cast: Cast, quiet: Campaign) -> None:
    task = factories.task(quiet, "v-1", MAPLE)
    Chase.objects.create(task=task, by=cast["tang"], on=TODAY, at=moment(), reason="快")
    send_back(factories.task(quiet, "v-2", MAPLE), cast["bao"], "重做")
    Task.objects.filter(unit=MAPLE).update(state="waived")
    assert outbox.write_news(moment(at="10:00")) == 0


# --- What else a day brings -------------------------------------------------------------------------


def test_vacancies_are_told_once_to_who_runs_the_campaign(cast: Cast) -> None:
    campaign = quiet_campaign()
    write()
    assert "湖村" in body("ada")
    assert inbox("ada")[-1].path == f"/campaigns/{campaign.pk}/setup/answers/"
    Post.objects.filter(cadre=cast["hong"]).update(until=TODAY)
    write(TODAY + ONE)
    assert "枫村" in body("ada")
    assert "湖村" not in body("ada")
    assert write(TODAY + 2 * ONE) == 0


def test_leaders_get_their_board_on_mondays(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -40, -40)
    put(factories.task(quiet, "v-1", MAPLE), state="done", by=cast["hong"])
    put(factories.task(quiet, "v-2", MAPLE), state="verified", by=cast["hong"])
    Campaign.objects.update(starts_on=TODAY - timedelta(days=50))
    monday = TODAY + timedelta(days=5)
    write(monday)
    county, township = body("mei"), body("tang")
    every = Task.objects.filter(unit__code__startswith=COUNTY).count()
    assert f"叙州区：自报1项，核实1项，逾期2项，共{every}项" in county or "1 claimed, 1 verified, 2 overdue" in county
    assert "东镇" in county
    assert "柳村" in township
    assert "西镇" not in township
    write(monday + ONE)
    assert inbox("mei")[-1].on == monday


def test_phases_and_gates(cast: Cast, quiet: Campaign) -> None:
    Phase.objects.create(campaign=quiet, key="a", title="动员", starts_on=TODAY, ends_on=TODAY + timedelta(days=20))
    ends = Phase.objects.create(campaign=quiet, key="b", title="自查", starts_on=TODAY - 9 * ONE, ends_on=TODAY + ONE)
    Item.objects.filter(campaign=quiet, number="v-1").update(phase=ends, gate=True)
    Campaign.objects.update(gates=True, decided_by=Cadre.objects.get(username="mei"))
    write()
    assert "动员" in body("hong")
    assert "自查" not in body("hong")
    assert "自查" in body("tang")
    assert "自查" in body("ada")
    Task.objects.filter(item__number="v-1").update(state="waived")
    write(TODAY + ONE)
    assert "自查" in body("hong")
    assert inbox("ada")[-1].on == TODAY


def test_a_value_is_asked_for_until_it_is_entered(cast: Cast, quiet: Campaign) -> None:
    Item.objects.filter(campaign=quiet, number="v-3").update(every="week")
    thursday = TODAY + ONE
    write()
    assert not fresh()
    task = factories.task(quiet, "v-3", MAPLE)
    TaskEvent.objects.create(
        id=uuid.uuid4(), task=task, by=cast["hong"], from_state="open", to_state="open", value=80, at=moment()
    )
    write(thursday)
    assert {name for name, *_ in fresh()} == {"lan", "lin"}
    assert "枫村" not in body("lin")
    assert "柳村" in body("lin")


def test_names_and_titles_stay_literal_and_numbers_inside(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    nasty = "{0.__class__} {{ settings }} %(x)s\r\nBcc: 13812345678"
    Item.objects.filter(campaign=quiet).update(title=nasty)
    Campaign.objects.update(title=nasty)
    Unit.objects.filter(pk=WILLOW).update(name=nasty)
    write()
    (notice,) = inbox("lan")
    assert "{0.__class__} {{ settings }} %(x)s" in notice.body
    assert "13812345678" not in notice.body
    assert "\n" not in notice.subject


def test_a_day_costs_as_many_queries_however_much_there_is(cast: Cast, quiet: Campaign) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert outbox.planned(TODAY, moment())
        return len(found)

    owing(quiet, WILLOW, -1)
    few = queries()
    for number in range(40):
        code = f"511504102{number + 300}"
        Unit.objects.create(pk=code, name=f"第{number}村", parent_id=WEST)
        person = factories.cadre(f"P{number}", Role.VILLAGE_CADRE, code, principal=True)
        Responsibility.objects.create(campaign=quiet, unit_id=code, kind="first", cadre=person)
    items = list(Item.objects.filter(campaign=quiet, number__startswith="v"))
    Task.objects.bulk_create(
        Task(campaign=quiet, item=item, unit_id=f"511504102{n + 300}", due_on=TODAY - n * ONE)
        for item in items
        for n in range(40)
    )
    send_back(factories.task(quiet, "v-2", MAPLE), cast["bao"], "重做")
    assert queries() == few
    assert few <= 30


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_outbox_stays_true(cast: Cast, quiet: Campaign, seed: int) -> None:
    """Two weeks in which work is done and put off, people come and go, runs are missed and clocks jump."""
    chance = random.Random(seed)
    Cadre.objects.filter(username__in=["lan", "lin", "hong"]).update(email="x@example.org")
    villages = [WILLOW, MAPLE]
    tasks = Task.objects.filter(campaign=quiet, unit__in=villages)
    for task in tasks:
        put(task, due_on=TODAY + timedelta(days=chance.randint(-6, 9)))
    on = TODAY
    for _ in range(40):
        match chance.randrange(6):
            case 0:
                on += ONE * chance.choice([1, 1, 1, 3, -1])
            case 1:
                task = chance.choice(list(tasks))
                put(task, state=chance.choice(["done", "waived", "open", "returned"]), by=cast["lan"])
            case 2:
                task = chance.choice(list(tasks))
                Task.objects.filter(pk=task.pk).update(due_on=on + timedelta(days=chance.randint(-3, 9)))
            case 3:
                answer = chance.choice(list(Responsibility.objects.filter(unit__in=villages)))
                Responsibility.objects.filter(pk=answer.pk).update(cadre=chance.choice([cast["lan"], cast["lin"]]))
            case _:
                before = Notice.objects.count()
                at = chance.choice(["06:00", "08:00", "13:00", "23:00"])
                fresh_ones = write(on, at=at)
                assert Notice.objects.count() == before + fresh_ones
                assert write(on, at=at) == 0
                for notice in Notice.objects.order_by("-pk")[:fresh_ones]:
                    if notice.rule == "digest" and notice.cadre == cast["hong"]:
                        owed = Task.objects.filter(unit=MAPLE, state__in=["open", "returned"], due_on__lte=on + 7 * ONE)
                        late = owed.filter(due_on__lt=on).count()
                        if notice.body.startswith("逾期"):
                            assert notice.body.startswith(f"逾期{late}项，7天内到期{owed.count() - late}项")
    told = Notice.objects.filter(rule="digest").values_list("cadre", "on", "channel")
    assert len(told) == len(set(told))
    last = on_or_after(max(on for _, on, _ in told) + ONE)
    write(last)
    assert not Notice.objects.filter(status="pending", rule="digest", on__lt=last).exists()
