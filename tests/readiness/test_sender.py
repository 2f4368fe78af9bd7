"""The sender: each notice once, or nobody can say that it was; and a platform that fails fails alone."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import gettext as _
from pytest_django import Settings

from checklists.models import Campaign
from readiness.models import Account, Gateway, Notice, Wishes
from readiness.reminders import breaker, calendars, lease, memory, sender
from readiness.reminders.channels import Accepted, Later, Refused, Unclear
from tests import factories, live
from tests.factories import EAST, LAKE, MAPLE, TODAY, WILLOW
from tests.platforms import Platform
from tests.readiness import sending
from tests.readiness.sending import PostOffice, gateway, notice, says, together, well
from villages.access import Role
from villages.models import Cadre

Cast = dict[str, Cadre]
ROOT = Path(project.BASE_DIR)


@pytest.fixture(autouse=True)
def _closed_again() -> Iterator[None]:
    """Mail's breaker is in the memory of this process."""
    yield
    breaker.of(None).answered()


@pytest.fixture
def waiting(cast: Cast) -> Notice:
    """One mail that waits."""
    Cadre.objects.filter(username="lan").update(email="lan@example.org")
    return notice(cast["lan"])


@pytest.fixture
def by_feishu(cast: Cast) -> Notice:
    """One that waits for a platform that knows a repeat."""
    return notice(cast["lan"], "feishu", gateway=gateway("feishu"))


def stands(notice: Notice) -> tuple[str, str]:
    notice.refresh_from_db()
    return notice.status, notice.error


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def due_again() -> None:
    """As if the time that they wait had passed."""
    Notice.objects.filter(status="pending").update(due_at=timezone.now())
    Gateway.objects.update(open_until=None)


# --- mail -------------------------------------------------------------------------------------------


def test_a_mail_says_what_and_where(waiting: Notice, settings: Settings, mailoutbox: list[Any]) -> None:
    settings.SITE_URL = "https://ready.example.gov.cn"
    settings.DEFAULT_FROM_EMAIL = "迎检 <ready@example.gov.cn>"
    assert sender.deliver() == sender.Delivered(accepted=1)
    (message,) = mailoutbox
    assert (message.subject, message.body) == ("迎检准备", "逾期1项。\n\nhttps://ready.example.gov.cn/")
    assert message.extra_headers["Message-ID"] == f"<notice-{waiting.pk}@example.gov.cn>"
    assert stands(waiting) == ("accepted", "")
    assert waiting.sent_at
    assert waiting.leased_until is None


@pytest.mark.parametrize("address", ["", "lan@example.org\nBcc: evil@example.org"])
def test_an_address_that_is_none_does_not_hold_up_the_rest(
    cast: Cast, waiting: Notice, mailoutbox: list[Any], address: str
) -> None:
    Cadre.objects.filter(username="lin").update(email="lin@example.org")
    after = notice(cast["lin"])
    Cadre.objects.filter(username="lan").update(email=address)
    assert sender.deliver() == sender.Delivered(accepted=1, refused=1)
    status, error = stands(waiting)
    assert status == "refused"
    assert error
    assert stands(after) == ("accepted", "")
    assert [message.to for message in mailoutbox] == [["lin@example.org"]]


@pytest.fixture
def post_office(settings: Settings) -> Iterator[PostOffice]:
    with sending.post_office() as office:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = sending.SMTP, "127.0.0.1", office.port
        yield office


def test_a_refused_mail_keeps_the_reason(cast: Cast, waiting: Notice, post_office: PostOffice) -> None:
    Cadre.objects.filter(username="lin").update(email="refused@example.org")
    refused = notice(cast["lin"])
    assert sender.deliver() == sender.Delivered(accepted=1, refused=1)
    status, error = stands(refused)
    assert status == "refused"
    assert "no such mailbox" in error
    assert sender.deliver() == sender.Delivered()
    ((to, letter),) = post_office.letters
    assert to == "lan@example.org"
    assert f"Message-ID: <notice-{waiting.pk}@localhost>" in letter


def test_a_mail_server_that_is_gone_is_asked_again_later(waiting: Notice, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = sending.SMTP, "127.0.0.1", 1
    assert sender.deliver() == sender.Delivered(later=1)
    assert stands(waiting)[0] == "pending"
    assert waiting.due_at > timezone.now() + timedelta(seconds=20)


# --- what an answer makes of a notice -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"),
    [(Refused("no"), "refused"), (Later("not now"), "pending"), (Unclear("…"), "unknown"), (KeyError("x"), "unknown")],
)
def test_what_becomes_of_it(waiting: Notice, answer: Exception, status: str) -> None:
    sender.deliver(says(answer))
    assert stands(waiting)[0] == status
    broken = isinstance(answer, KeyError)  # a fault of ours, at any moment
    assert waiting.error == (_("The sender broke down while sending.") if broken else str(answer))
    assert waiting.leased_until is None
    assert bool(waiting.sent_at) == (status == "unknown")  # when it may have gone out


def test_a_platform_that_knows_says_delivered(waiting: Notice) -> None:
    assert sender.deliver(lambda _notice: Accepted("id-7", delivered=True)) == sender.Delivered(accepted=1)
    assert stands(waiting) == ("delivered", "")
    assert waiting.platform_id == "id-7"


def test_it_is_given_up_after_six_tries_with_growing_pauses(waiting: Notice) -> None:
    pauses = []
    for _again in range(5):
        assert sender.deliver(says(Later("not now"))).later == 1
        waiting.refresh_from_db()
        pauses.append((waiting.due_at - timezone.now()).total_seconds() / 60)
        due_again()
        breaker.of(None).answered()
    assert all(later > earlier for earlier, later in itertools.pairwise(pauses)) or max(pauses) < 30
    assert 0.7 < pauses[0] < 6
    assert sender.deliver(says(Later("not now"))) == sender.Delivered(failed=1)
    assert stands(waiting) == ("failed", "not now")
    assert waiting.tries == 6


def test_a_platform_may_say_how_long_to_wait(waiting: Notice) -> None:
    sender.deliver(says(Later("busy", 1000)))
    waiting.refresh_from_db()
    assert waiting.due_at >= timezone.now() + timedelta(seconds=990)


def test_a_digest_whose_platform_comes_back_at_night_waits_for_the_morning(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was due and could not go out by day; what a person asked for now, and what is urgent, goes."""
    monkeypatch.setattr(calendars, "on_or_after", lambda day: day)  # on Sundays too
    today, now = timezone.localdate(), timezone.localtime()
    night = {"quiet_from": (now - timedelta(hours=1)).time(), "quiet_until": (now + timedelta(hours=1)).time()}
    for name in ("lan", "lin", "tang", "mei"):
        Wishes.objects.create(cadre=cast[name], **night)
    tried = notice(cast["lan"], rule="digest", on=today, tries=1)
    late = notice(cast["lin"], rule="digest", on=today, due_at=ago(minutes=11))
    notice(cast["tang"], rule="digest", on=today)
    notice(cast["mei"], is_urgent=True, tries=1)
    assert sender.deliver(well) == sender.Delivered(accepted=2)
    for put_off in (tried, late):
        assert stands(put_off) == ("pending", "")
        assert put_off.due_at > timezone.now() + timedelta(minutes=59)
    assert sender.deliver(well) == sender.Delivered()


def test_a_digest_whose_words_are_old_waits_for_its_plan(cast: Cast) -> None:
    """What may have arrived is not put into other words: it is repeated as it was."""
    today = timezone.localdate()
    old = {"rule": "digest", "on": today, "worded_at": ago(minutes=7)}
    waits = notice(cast["lan"], **old)
    group = notice(
        None, "wecom_robot", gateway=gateway("wecom_robot", campaign=factories.campaign()), **old | {"rule": "group"}
    )
    notice(cast["lin"], "feishu", gateway=gateway("feishu"), sent_at=ago(minutes=7), **old)
    notice(cast["tang"], **old | {"worded_at": ago(minutes=5)})
    notice(cast["mei"], worded_at=ago(minutes=7))  # news stays true
    assert sender.deliver(well) == sender.Delivered(accepted=3)
    assert (stands(waits)[0], stands(group)[0]) == ("pending", "pending")


@pytest.mark.parametrize("limited", [True, False])
def test_nobody_tries_again_while_everybody_sends(
    waiting: Notice, monkeypatch: pytest.MonkeyPatch, limited: bool
) -> None:
    """Also where the platform itself says when. Here everybody sends in the first quarter after a full or half hour."""
    monkeypatch.setattr(calendars, "CROWD", 900)
    five_past = 1800 + (300 - time.time()) % 1800
    sender.deliver(says(Later("not now", five_past, limited=limited)))
    waiting.refresh_from_db()
    assert waiting.due_at.timestamp() % 1800 > 900


def test_a_late_word_changes_nothing(waiting: Notice) -> None:
    ours = lease.claim(waiting.pk)
    assert isinstance(ours, lease.Lease)
    assert sender.deliver(well) == sender.Delivered()  # somebody may still be sending it
    Notice.objects.update(leased_until=ago(seconds=1))
    assert sender.deliver(well) == sender.Delivered(unknown=1)
    assert sender.deliver(well) == sender.Delivered()
    assert stands(waiting) == ("unknown", _("The sender died while sending."))
    assert lease.settle(ours, lambda: Accepted())() is None
    # Nor after a person sent it again: the lease is another one.
    sender.resend(Notice.objects.filter(pk=waiting.pk), by=waiting.cadre)
    lease.claim(waiting.pk)
    assert lease.settle(ours, lambda: Accepted())() is None
    assert stands(waiting)[0] == "sending"


# --- platforms that know a repeat ---------------------------------------------------------------------


def test_what_may_have_arrived_goes_out_again_where_a_repeat_is_known(by_feishu: Notice) -> None:
    assert sender.deliver(says(Unclear("cut"))) == sender.Delivered(later=1)
    assert stands(by_feishu) == ("pending", "cut")
    since = by_feishu.sent_at
    due_again()
    sender.deliver(says(Unclear("cut")))
    assert stands(by_feishu)[0] == "pending"
    assert by_feishu.sent_at == since  # the platform counts from the first time
    due_again()
    assert sender.deliver(well) == sender.Delivered(accepted=1)


@pytest.mark.parametrize(("channel", "minutes"), [("feishu", 54), ("wecom", 234)])
def test_but_only_while_it_is_known(cast: Cast, channel: str, minutes: int) -> None:
    one = notice(cast["lan"], channel, gateway=gateway(channel), sent_at=ago(minutes=minutes))
    assert sender.deliver(well) == sender.Delivered(accepted=1)
    Notice.objects.update(status="pending", sent_at=ago(minutes=minutes + 2), due_at=timezone.now())
    assert sender.deliver(well) == sender.Delivered(unknown=1)
    assert stands(one)[1] == _("It may have arrived, and the platform would no longer know a repeat.")


def test_a_dead_sender_is_repeated_there_and_nowhere_else(waiting: Notice, by_feishu: Notice) -> None:
    for each in (waiting, by_feishu):
        assert isinstance(lease.claim(each.pk), lease.Lease)
    Notice.objects.update(leased_until=ago(seconds=1))
    assert sender.deliver(well) == sender.Delivered(accepted=1, unknown=1)
    assert (stands(by_feishu)[0], stands(waiting)[0]) == ("accepted", "unknown")


def test_after_six_tries_nobody_knows(by_feishu: Notice) -> None:
    Notice.objects.update(tries=5, sent_at=ago(minutes=5))
    assert sender.deliver(says(Later("gone"))) == sender.Delivered(unknown=1)


# --- what is not sent ----------------------------------------------------------------------------------


def test_yesterdays_picture_is_not_sent_today(cast: Cast) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)
    old = notice(cast["lan"], rule="digest", on=yesterday, due_at=ago(days=1))
    put_off = notice(cast["lin"], rule="digest", on=yesterday)  # from a day off to today
    news = notice(cast["tang"], on=yesterday, due_at=ago(days=1))
    assert sender.deliver(well) == sender.Delivered(accepted=2, superseded=1)
    assert stands(old) == ("superseded", _("It was about an earlier day."))
    assert {stands(put_off)[0], stands(news)[0]} == {"accepted"}


def test_who_left_gets_nothing(cast: Cast, waiting: Notice) -> None:
    Cadre.objects.filter(pk=cast["lan"].pk).update(is_active=False)
    assert sender.deliver(well) == sender.Delivered(superseded=1)


@pytest.mark.parametrize("status", ["superseded", "aside", "refused", "failed", "unknown"])
def test_what_is_settled_stays_so(waiting: Notice, status: str) -> None:
    Notice.objects.update(status=status)
    assert sender.deliver(well) == sender.Delivered()
    Notice.objects.update(status="pending", due_at=timezone.now() + timedelta(minutes=1))
    assert sender.deliver(well) == sender.Delivered()


@pytest.mark.parametrize("status", ["unknown", "failed", "refused", "aside"])
def test_a_person_may_send_it_again(cast: Cast, waiting: Notice, status: str) -> None:
    Notice.objects.update(status=status, tries=6, sent_at=ago(days=3), rule="digest", on=TODAY, due_at=ago(days=3))
    everything = Notice.objects.all()
    assert sender.resend(everything, by=cast["su"]) == 1
    assert stands(waiting) == ("pending", _("Sent again by %(name)s.") % {"name": cast["su"].name})
    assert sender.resend(everything, by=cast["su"]) == 0  # a second press
    assert sender.deliver(well) == sender.Delivered(accepted=1)


@pytest.mark.parametrize("status", ["accepted", "delivered", "superseded", "pending"])
def test_but_not_what_arrived_or_is_no_longer_true(cast: Cast, waiting: Notice, status: str) -> None:
    Notice.objects.update(status=status, sent_at=timezone.now())
    assert sender.resend(Notice.objects.all(), by=cast["su"]) == 0


def test_urgent_ones_go_first(cast: Cast) -> None:
    people = [cast[name] for name in ("lan", "lin", "tang")]
    for person, urgent in zip(people, (False, False, True), strict=True):
        notice(person, is_urgent=urgent)
    sent: list[str] = []

    def send(notice: Notice) -> Accepted:
        assert notice.cadre
        sent.append(notice.cadre.username)
        return Accepted()

    sender.deliver(send)
    assert sent == ["tang", "lan", "lin"]


# --- breakers ------------------------------------------------------------------------------------------


def to_group(robot: Gateway, n: int) -> list[Notice]:
    return [notice(None, robot.channel, gateway=robot, rule=f"group-{number}") for number in range(n)]


def test_a_platform_that_fails_five_times_is_left_alone(campaign: Campaign) -> None:
    (robot,) = sending.robots(campaign, [EAST], "http://127.0.0.1:1")
    to_group(robot, 8)
    assert sender.deliver(says(Later("gone"))) == sender.Delivered(later=5)
    robot.refresh_from_db()
    assert robot.is_open()
    assert (robot.failures, robot.last_error) == (5, "gone")
    assert sender.deliver(well) == sender.Delivered()
    # Half open: one try, and twice as long if it fails.
    for minutes in (1, 2, 4, 8, 16, 30, 30):
        robot.refresh_from_db()
        assert robot.open_until
        left = (robot.open_until - timezone.now()).total_seconds()
        assert minutes * 60 - 25 < left <= minutes * 60
        Gateway.objects.update(open_until=ago(seconds=1))
        Notice.objects.update(due_at=timezone.now(), tries=0)
        assert sender.deliver(says(Unclear("gone" if minutes % 2 else "cut"))).unknown == 1
        Notice.objects.filter(status="unknown").update(status="pending", sent_at=None)
    Gateway.objects.update(open_until=ago(seconds=1))
    Notice.objects.update(due_at=timezone.now(), tries=0)
    assert sender.deliver(well).accepted == 8
    robot.refresh_from_db()
    assert (robot.failures, robot.open_until, robot.last_error) == (0, None, "")
    assert robot.last_accepted_at


def test_a_refusal_shows_that_the_platform_lives(campaign: Campaign) -> None:
    (robot,) = sending.robots(campaign, [EAST], "http://127.0.0.1:1")
    to_group(robot, 6)
    Gateway.objects.update(failures=4)
    assert sender.deliver(says(Refused("no"))).refused == 6
    robot.refresh_from_db()
    assert (robot.failures, robot.last_error, robot.last_accepted_at) == (0, "no", None)


def test_only_one_tries_a_half_open_breaker(committed: None) -> None:
    factories.units()
    factories.cast()
    (robot,) = sending.robots(factories.campaign(on=TODAY), [EAST], "http://127.0.0.1:1")
    to_group(robot, 8)
    Gateway.objects.update(failures=5, open_until=ago(seconds=1))
    tried: list[int] = []

    def send(notice: Notice) -> Accepted:
        tried.append(notice.pk)
        time.sleep(0.3)
        raise Later("gone")

    together(lambda: sender.deliver(send), n=4)
    assert len(tried) == 1
    robot.refresh_from_db()
    assert robot.failures == 6


def test_a_breaker_that_a_wrong_clock_opened_for_days_is_closed(campaign: Campaign) -> None:
    (robot,) = sending.robots(campaign, [EAST], "http://127.0.0.1:1")
    to_group(robot, 1)
    Gateway.objects.update(open_until=timezone.now() + timedelta(days=1))
    assert sender.deliver(well).accepted == 1


def test_a_platform_that_says_too_fast_is_given_its_pause(campaign: Campaign) -> None:
    (robot,) = sending.robots(campaign, [EAST], "http://127.0.0.1:1")
    to_group(robot, 3)
    assert sender.deliver(says(Later("too fast", 600, limited=True))) == sender.Delivered(later=1)
    robot.refresh_from_db()
    assert robot.failures == 0
    assert robot.is_open()
    assert set(Notice.objects.values_list("tries", flat=True)) == {0}  # no try of its own
    Gateway.objects.update(open_until=ago(seconds=1))
    Notice.objects.update(due_at=timezone.now())
    assert sender.deliver(well).accepted == 3


def test_mail_has_a_breaker_of_its_own(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        notice(cast["lan"], rule=f"news-{number:04}")
    assert sender.deliver(says(Later("gone"))) == sender.Delivered(later=5)
    assert sender.deliver(well) == sender.Delivered()
    now = time.monotonic
    monkeypatch.setattr(breaker.time, "monotonic", lambda: now() + 61)
    assert sender.deliver(says(Later("gone"))).later == 1
    assert sender.deliver(well) == sender.Delivered()
    monkeypatch.setattr(breaker.time, "monotonic", lambda: now() + 61 + 121)
    assert sender.deliver(well).accepted == 2  # the others wait for their own time


# --- limits --------------------------------------------------------------------------------------------


def test_a_limited_notice_waits_for_its_window_and_that_is_no_try(campaign: Campaign, settings: Settings) -> None:
    settings.NOTICE_LIMITS = {"dingtalk_robot": "3/minute"}
    memory.shared().client.flushdb()  # where other tests were counted
    (robot,) = sending.robots(campaign, [EAST], "http://127.0.0.1:1")
    to_group(robot, 5)
    assert sender.deliver(well) == sender.Delivered(accepted=3)
    first, second = Notice.objects.filter(status="pending").order_by("pk")
    assert (first.tries, second.tries) == (0, 0)
    assert 30 < (first.due_at - timezone.now()).total_seconds() < 62
    # Another group has a limit of its own.
    (other,) = sending.robots(campaign, [LAKE[:9]], "http://127.0.0.1:1")
    to_group(other, 2)
    assert sender.deliver(well).accepted == 2


# --- lanes ---------------------------------------------------------------------------------------------


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    with Platform() as platform:
        settings.OUTGOING_HOSTS = [platform.host]
        yield platform


def test_a_lane_carries_one_at_a_time(cast: Cast) -> None:
    for number in range(6):
        notice(cast["lan"], rule=f"news-{number:04}")
    inside = most = 0

    def send(notice: Notice) -> Accepted:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1
        return Accepted()

    assert sender.deliver(send).accepted == 6
    assert most == 1


def test_more_than_is_listed_at_once_goes_out_in_one_run(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a pause between what was listed and the rest, also while another lane has nothing to say."""
    monkeypatch.setattr(sender, "LISTED", 4)
    monkeypatch.setattr(sender, "LOOK", 30.0)
    for number in range(11):
        notice(Cadre.objects.get(username="lan"), rule=f"news-{number:04}")
    (robot,) = sending.robots(campaign, [EAST], "http://127.0.0.1:1")
    to_group(robot, 1)
    mails, all_sent = [], threading.Event()

    def send(notice: Notice) -> Accepted:
        if notice.gateway_id:
            assert all_sent.wait(20)
        else:
            mails.append(notice.pk)
            if len(mails) == 11:
                all_sent.set()
        return Accepted()

    assert sender.deliver(send).accepted == 12


def test_lanes_in_trouble_cost_the_others_five_tries_each(campaign: Campaign, tell: Callable[[str], None]) -> None:
    """In queries: the breaker opens, and what is listed behind it is not claimed one by one."""
    lanes = sending.robots(campaign, [EAST, WILLOW, LAKE, MAPLE], "http://x")

    def queries(bad: int) -> int:
        Notice.objects.all().delete()
        Gateway.objects.update(failures=0, open_until=None)
        for lane in lanes:
            to_group(lane, 40)

        def send(notice: Notice) -> Accepted:
            if notice.gateway_id in [lane.pk for lane in lanes[:bad]]:
                raise Later("500")
            return Accepted()

        if not bad:
            Notice.objects.filter(gateway=lanes[0]).delete()
        with CaptureQueriesContext(connection) as found:
            assert sender.deliver(send).accepted == 40 * (len(lanes) - 1)
        return len([query for query in found if "row_number" not in query["sql"].lower()])  # how often it looked

    alone, beside = queries(0), queries(1)
    for_one = alone / (40 * (len(lanes) - 1))
    tell(f"sender: {for_one:.1f} queries for a notice; a lane in trouble costs {beside - alone} more in all")
    assert for_one <= 13
    assert beside - alone <= (breaker.FAILURES + 2) * (for_one + 4)


def test_what_comes_while_a_platform_hangs_is_not_kept_waiting(committed: None) -> None:
    factories.units()
    cast = factories.cast()
    (robot,) = sending.robots(factories.campaign(on=TODAY), [EAST], "http://127.0.0.1:1")
    to_group(robot, 1)
    end, arrived = threading.Event(), threading.Event()

    def send(notice: Notice) -> Accepted:
        if notice.gateway_id:
            end.wait(20)
        else:
            arrived.set()
        return Accepted()

    def run() -> None:
        sender.deliver(send)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    notice(cast["lan"])
    assert arrived.wait(30)
    end.set()
    thread.join()


def test_who_is_told_to_stop_ends_what_was_begun(waiting: Notice, cast: Cast) -> None:
    after = notice(cast["lan"], rule="news-1000")
    stop = threading.Event()

    def send(notice: Notice) -> Accepted:
        stop.set()
        time.sleep(0.2)
        return Accepted()

    assert sender.deliver(send, go_on=lambda: not stop.is_set()) == sender.Delivered(accepted=1)
    assert (stands(waiting)[0], stands(after)[0]) == ("accepted", "pending")


def test_a_run_ends_in_time(cast: Cast) -> None:
    for number in range(50):
        notice(cast["lan"], rule=f"news-{number:04}")

    def send(notice: Notice) -> Accepted:
        time.sleep(0.1)
        return Accepted()

    assert 1 <= sender.deliver(send, seconds=0.5).accepted <= 6  # all fifty would take five seconds


# --- several senders at once, and senders that die ---------------------------------------------------


def mail_for(n: int) -> None:
    """Mail that waits for n people."""
    factories.units()
    for number in range(n):
        person = factories.cadre(f"p{number:02}", Role.LINKED, WILLOW)
        Cadre.objects.filter(pk=person.pk).update(email=f"{person.username}@example.org")
        notice(person)


def slowly(sent: list[int]) -> Callable[[Notice], Accepted]:
    def send(notice: Notice) -> Accepted:
        time.sleep(0.005)
        sent.append(notice.pk)
        return Accepted()

    return send


def test_two_senders_at_once_take_different_mail(committed: None) -> None:
    mail_for(20)
    sent: list[int] = []
    together(lambda: sender.deliver(slowly(sent)), n=4)
    assert sorted(sent) == sorted(Notice.objects.values_list("pk", flat=True))


def test_without_the_claim_two_senders_would_send_twice(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the race is real."""
    first_look = threading.Barrier(4)

    def look_and_take(pk: int) -> lease.Lease | None:
        if pk == first:
            first_look.wait(30)  # all have listed it
        found = Notice.objects.select_related("cadre").filter(status="pending", pk=pk).first()
        if found is None:
            return None
        time.sleep(0.005)
        found.leased_until = timezone.now() + lease.LEASE
        Notice.objects.filter(pk=pk).update(status="sending", leased_until=found.leased_until)
        return lease.Lease(found, breaker.of(None), timezone.now())

    mail_for(20)
    first = Notice.objects.earliest("pk").pk
    monkeypatch.setattr(lease, "claim", look_and_take)
    sent: list[int] = []
    together(lambda: sender.deliver(slowly(sent)), n=4)
    assert len(sent) > len(set(sent)) == 20


def test_a_database_that_goes_away_while_sending_learns_of_it_later(committed: None) -> None:
    mail_for(1)
    begun = threading.Event()

    def send(notice: Notice) -> Accepted:
        begun.set()
        with connection.cursor() as cursor:  # this thread's own: all others are cut off
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return Accepted()

    assert sender.deliver(send, go_on=lambda: not begun.is_set()) == sender.Delivered(accepted=1)
    assert Notice.objects.get().status == "accepted"


SENDER = "import django; django.setup(); from readiness.reminders import sender; print(sender.deliver())"


def sender_process(office: PostOffice) -> "subprocess.Popen[str]":
    """A sender of its own, on this test's database and mail server."""
    environment = os.environ | office.env | {"DATABASE_URL": live.database_url(), "DEBUG": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", SENDER],
        cwd=ROOT,
        env=environment | {"DJANGO_SETTINGS_MODULE": "readiness.settings"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_two_processes_at_once_send_once(committed: None, post_office: PostOffice) -> None:
    mail_for(30)
    with sender_process(post_office) as one, sender_process(post_office) as two:
        for process in (one, two):
            _out, wrong = process.communicate(timeout=60)
            assert (process.returncode, wrong) == (0, "")
    assert set(Notice.objects.values_list("status", flat=True)) == {"accepted"}
    assert sorted(to for to, _letter in post_office.letters) == sorted(Cadre.objects.values_list("email", flat=True))


@pytest.mark.slow
def test_a_killed_sender_loses_nothing_and_doubles_nothing(committed: None, post_office: PostOffice) -> None:
    mail_for(3)
    post_office.is_frozen = True
    with sender_process(post_office) as process:
        assert post_office.at_data.wait(30)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert sorted(Notice.objects.values_list("status", flat=True)) == ["pending", "pending", "sending"]
    post_office.is_frozen = False
    assert sender.deliver() == sender.Delivered(accepted=2)
    Notice.objects.filter(status="sending").update(leased_until=ago(seconds=1))
    assert sender.deliver() == sender.Delivered(unknown=1)
    assert sender.deliver() == sender.Delivered()
    assert len(post_office.letters) == 2


# --- asking afterwards ---------------------------------------------------------------------------------


def test_dingtalk_is_asked_what_became_of_it(cast: Cast, platform: Platform) -> None:
    access = gateway("dingtalk", platform.host)
    names = {"lan": "lan", "lin": "slow-lin", "tang": "nobody"}
    for name, account in names.items():
        Account.objects.create(cadre=cast[name], channel="dingtalk", name=account)
        notice(cast[name], "dingtalk", gateway=access, subject=name)
    assert sender.deliver().accepted == 3
    assert sender.confirm() == sender.Delivered()  # too early
    Notice.objects.update(due_at=timezone.now())
    asked = len(platform.requests)
    assert sender.confirm() == sender.Delivered(accepted=1, refused=1)
    assert len(platform.requests) - asked >= 3
    assert dict(Notice.objects.values_list("subject", "status")) == {
        "lan": "delivered",
        "lin": "accepted",
        "tang": "refused",
    }
    # Who does not know yet is asked again, but not at once, and not after a day.
    Notice.objects.update(sent_at=ago(hours=2), due_at=timezone.now())
    asked = len(platform.requests)
    sender.confirm()
    assert len(platform.requests) - asked == 1
    still = Notice.objects.get(status="accepted")
    assert still.due_at > timezone.now() + timedelta(minutes=115)
    Notice.objects.update(sent_at=ago(hours=25), due_at=timezone.now())
    sender.confirm()
    assert len(platform.requests) - asked == 1


def test_a_platform_that_cannot_be_asked_is_asked_once(cast: Cast, platform: Platform) -> None:
    access = gateway("dingtalk", platform.host)
    for number in range(5):
        notice(
            cast["lan"], "dingtalk", gateway=access, rule=f"n-{number}", status="accepted", platform_id="1",
            sent_at=timezone.now(),
        )  # fmt: skip
    platform.mood = "500"
    assert sender.confirm() == sender.Delivered()
    assert 1 <= len([request for request in platform.requests if "getsendresult" in request]) <= 1
    assert set(Notice.objects.values_list("status", flat=True)) == {"accepted"}
