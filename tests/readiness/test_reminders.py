"""Reminders: who is owed which words, once; and what becomes of them when things break."""

import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import celery
import pytest
from django.conf import settings as project
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from checklists.models import Campaign, Responsibility, Task
from readiness import embedded
from readiness.celery import app
from readiness.health import down
from readiness.models import Notice
from readiness.reminders import outbox, plan, tasks
from tests import factories, live
from tests.factories import BUREAU, EAST, LAKE, MAPLE, TODAY, WILLOW
from villages.access import Role
from villages.models import Cadre, Post

Cast = dict[str, Cadre]
ROOT = Path(project.BASE_DIR)
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def put(task: Task, *, due_on: date | None = None, state: str = "open", by: Cadre | None = None) -> None:
    """A task as it stands, without the way there."""
    now = timezone.now()
    done = state in ("done", "verified")
    Task.objects.filter(pk=task.pk).update(
        due_on=due_on or task.due_on,
        state=state,
        done_by=by if done else None,
        done_at=now if done else None,
        verified_by=Cadre.objects.get(username="su") if state == "verified" else None,
        verified_at=now if state == "verified" else None,
    )


def owing(campaign: Campaign, unit: str, *days: int) -> None:
    """The unit's tasks in this campaign are due so many days after TODAY; what is left over is due much later."""
    for task, day in zip(
        campaign.tasks.filter(unit_id=unit).order_by("item__position"), [*days, *[90] * 9], strict=False
    ):
        put(task, due_on=TODAY + timedelta(days=day))


def planned(on: date = TODAY) -> dict[str, tuple[int, int, date]]:
    """Log-in name -> overdue, soon, first day due."""
    names = dict(Cadre.objects.values_list("pk", "username"))
    found = [(names[digest.cadre_id], (digest.overdue, digest.soon, digest.first_due)) for digest in plan.digests(on)]
    assert len(found) == len(dict(found))  # one each
    return dict(found)


@pytest.fixture
def quiet(cast: Cast) -> Campaign:
    """A campaign of the county in which nothing is due for long."""
    campaign = factories.campaign(days=100)
    Task.objects.update(due_on=TODAY + timedelta(days=90))
    return campaign


def run(on: date = TODAY) -> str:
    out = StringIO()
    call_command("send_reminders", "--on", on.isoformat(), stdout=out)
    return out.getvalue()


def with_mail(*names: str) -> None:
    for name in names:
        Cadre.objects.filter(username=name).update(email=f"{name}@example.org")


# --- the plan ---------------------------------------------------------------------------------------


def test_the_cadres_of_a_unit_are_reminded_of_its_tasks(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -2, 0, 3)
    # Lan answers first and directly, Lin is linked; each is told once, and nobody else is.
    expected = (1, 2, TODAY - timedelta(days=2))
    assert planned() == {"lan": expected, "lin": expected}


@pytest.mark.parametrize(
    ("day", "counts"),
    [(-30, (1, 0)), (-1, (1, 0)), (0, (0, 1)), (plan.AHEAD, (0, 1)), (plan.AHEAD + 1, None)],
)
def test_a_task_is_announced_three_days_ahead_and_late_from_the_day_after(
    cast: Cast, quiet: Campaign, day: int, counts: tuple[int, int] | None
) -> None:
    owing(quiet, MAPLE, day)
    due = TODAY + timedelta(days=day)
    assert planned().get("hong") == (None if counts is None else (*counts, due))


def test_a_cadre_of_several_villages_gets_the_sum_in_one(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -5, 1)
    owing(quiet, MAPLE, -1, -1, 2)
    assert planned()["lin"] == (3, 2, TODAY - timedelta(days=5))
    assert planned()["lan"] == (1, 1, TODAY - timedelta(days=5))
    assert planned()["hong"] == (2, 1, TODAY - timedelta(days=1))


def test_nothing_is_counted_twice(cast: Cast, quiet: Campaign) -> None:
    """One person in every kind of answer at once, in two campaigns, with two posts at one village."""
    lan = cast["lan"]
    factories.appoint(lan, Role.LINKED, WILLOW)
    other = factories.campaign(days=101, of=factories.template("other"))
    Task.objects.filter(campaign=other).update(due_on=TODAY + timedelta(days=90))
    owing(quiet, WILLOW, -1, 1)
    owing(other, WILLOW, -2)
    for campaign in (quiet, other):
        for kind in ("first", "direct", "linked"):
            Responsibility.objects.update_or_create(
                campaign=campaign, unit_id=WILLOW, kind=kind, defaults={"cadre": lan}
            )
    assert planned() == {"lan": (2, 1, TODAY - timedelta(days=2))}


def test_the_leader_in_charge_is_left_in_peace(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, WILLOW, -1)
    assert Responsibility.objects.filter(campaign=quiet, unit_id=WILLOW, kind="lead", cadre=cast["tang"]).exists()
    assert "tang" not in planned()
    # For the township's own tasks Tang answers first.
    owing(quiet, EAST, -1)
    assert planned()["tang"] == planned()["bao"] == (1, 0, TODAY - timedelta(days=1))


def test_a_department_is_reminded_of_its_own(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, BUREAU, 1)
    assert planned() == {"deng": (0, 1, TODAY + timedelta(days=1))}


@pytest.mark.parametrize("state", ["done", "verified", "waived"])
def test_what_is_no_longer_owed_is_not_reminded_of(cast: Cast, quiet: Campaign, state: str) -> None:
    owing(quiet, MAPLE, -1)
    put(factories.task(quiet, "v-1", MAPLE), state=state, by=cast["hong"])
    assert planned() == {}


def test_what_was_returned_is_owed_again(cast: Cast, quiet: Campaign) -> None:
    put(factories.task(quiet, "v-1", MAPLE), state="returned", due_on=TODAY - timedelta(days=1))
    assert planned()["hong"] == (1, 0, TODAY - timedelta(days=1))


@pytest.mark.parametrize("status", ["draft", "closed"])
def test_only_running_campaigns_remind(cast: Cast, quiet: Campaign, status: str) -> None:
    owing(quiet, MAPLE, -1)
    assert planned()
    Campaign.objects.update(status=status)
    assert planned() == {}


def test_who_left_is_not_reminded(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, MAPLE, -1)
    hong = Post.objects.filter(cadre=cast["hong"])
    hong.update(until=TODAY + timedelta(days=1))
    assert "hong" in planned()
    hong.update(until=TODAY)  # the first day on which the post is no longer held
    assert "hong" not in planned()
    assert "hong" in planned(TODAY - timedelta(days=1))
    hong.update(until=None)
    Cadre.objects.filter(username="hong").update(is_active=False)
    assert planned().keys() == {"lin"}


def test_a_post_elsewhere_does_not_count(cast: Cast, quiet: Campaign) -> None:
    """Hong moved to the township: the village's tasks are in sight, but somebody else's work."""
    owing(quiet, MAPLE, -1)
    Post.objects.filter(cadre=cast["hong"]).update(until=TODAY)
    factories.appoint(cast["hong"], Role.TOWNSHIP_STAFF, EAST)
    assert "hong" not in planned()


def test_who_answers_for_nothing_gets_nothing(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, LAKE, -1)  # nobody holds a post there
    assert planned() == {}


@pytest.mark.parametrize("seed", range(12))
def test_the_plan_equals_a_recount_by_hand(cast: Cast, seed: int) -> None:
    chance = random.Random(seed)
    campaigns = [
        factories.campaign(days=60),
        factories.campaign(EAST, days=61),
        factories.campaign(days=62, of=factories.template("other")),
    ]
    everybody = list(Cadre.objects.all())
    kinds = Responsibility.Kind.values
    for _ in range(12):
        Responsibility.objects.update_or_create(
            campaign=chance.choice(campaigns),
            unit_id=chance.choice([WILLOW, MAPLE, LAKE, EAST, BUREAU]),
            kind=chance.choice(kinds),
            defaults={"cadre": chance.choice(everybody)},
        )
    for post in Post.objects.all():
        if chance.random() < 0.2:
            Post.objects.filter(pk=post.pk).update(until=TODAY + timedelta(days=chance.randint(-3, 3)))
    for task in Task.objects.all():
        state = chance.choice(["open", "open", "open", "returned", "done", "verified", "waived"])
        put(task, due_on=TODAY + timedelta(days=chance.randint(-6, 8)), state=state, by=cast["lan"])
    Campaign.objects.filter(pk=campaigns[chance.randrange(3)].pk).update(status="closed")
    Cadre.objects.filter(pk=chance.choice(everybody).pk).update(is_active=False)

    expected = {}
    for person in Cadre.objects.filter(is_active=True):
        held = {
            post.unit_id
            for post in Post.objects.filter(cadre=person)
            if post.since <= TODAY and (post.until is None or post.until > TODAY)
        }
        mine = {
            task
            for answer in Responsibility.objects.filter(cadre=person).exclude(kind="lead")
            if answer.campaign.status == "active" and answer.unit_id in held
            for task in Task.objects.filter(campaign=answer.campaign, unit=answer.unit_id)
            if task.state in ("open", "returned") and (task.due_on - TODAY).days <= 3
        }
        late = [task for task in mine if task.due_on < TODAY]
        if mine:
            expected[person.username] = (len(late), len(mine) - len(late), min(task.due_on for task in mine))
    assert planned() == expected


def test_the_plan_costs_three_queries(cast: Cast, quiet: Campaign, django_assert_num_queries: Any) -> None:
    owing(quiet, WILLOW, -1, 1)
    owing(quiet, MAPLE, -1, 1)
    with django_assert_num_queries(3):
        assert len(list(plan.digests(TODAY))) == 3


def test_the_words_of_a_notice() -> None:
    both = plan.Digest(1, "", 3, 1, date(2026, 6, 1))
    with translation.override("zh-hans"):
        assert both.subject == "迎检准备：3项任务逾期，1项任务即将到期"
        assert both.body == "逾期3项，3天内到期1项；最早的期限是2026-06-01。"
        assert plan.Digest(1, "", 0, 2, date(2026, 6, 1)).subject == "迎检准备：2项任务即将到期"
    with translation.override("en"):
        assert both.subject == "Inspection readiness: 3 tasks overdue, 1 task due soon"


# --- the outbox -------------------------------------------------------------------------------------


def test_running_twice_gives_one_notice_per_cadre_day_and_channel(
    cast: Cast, quiet: Campaign, mailoutbox: list[Any]
) -> None:
    owing(quiet, WILLOW, -1, 1)
    with_mail("lan")
    assert run() == "2026-06-10: 3 notices written; mail: 1 sent, 0 refused, 0 unknown\n"
    assert run() == "2026-06-10: 0 notices written; mail: 0 sent, 0 refused, 0 unknown\n"
    rows = Notice.objects.values_list("cadre__username", "channel", "on", "status").order_by(
        "cadre__username", "channel"
    )
    assert list(rows) == [
        ("lan", "inbox", TODAY, "delivered"),
        ("lan", "mail", TODAY, "accepted"),
        ("lin", "inbox", TODAY, "delivered"),
    ]
    assert [message.to for message in mailoutbox] == [["lan@example.org"]]


def test_more_work_on_the_same_day_is_no_second_notice(cast: Cast, quiet: Campaign) -> None:
    owing(quiet, MAPLE, -1)
    run()
    owing(quiet, MAPLE, -1, -1, -1)
    run()
    assert Notice.objects.get(cadre=cast["hong"]).subject == "迎检准备：1项任务逾期"


def test_a_missed_day_is_not_doubled_later(cast: Cast, quiet: Campaign, mailoutbox: list[Any]) -> None:
    owing(quiet, MAPLE, -1)
    with_mail("hong")
    run(TODAY)
    # Beat was down on the two days after; on the third everybody hears once.
    third = TODAY + timedelta(days=3)
    run(third)
    run(third)
    days = Notice.objects.filter(cadre=cast["hong"], channel="inbox").values_list("on", flat=True)
    assert sorted(days) == [TODAY, third]
    assert len(mailoutbox) == 2


def test_the_database_itself_holds_that_nothing_doubles(cast: Cast, quiet: Campaign) -> None:
    """The control: without the constraint the second run does double."""
    owing(quiet, MAPLE, -1)
    run()
    run()
    assert Notice.objects.filter(cadre=cast["hong"]).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP INDEX notice_once_per_cadre_campaign_rule_day_and_channel")
    run()
    assert Notice.objects.filter(cadre=cast["hong"]).count() == 2


def test_the_day_can_be_left_out_but_not_misspelt(cast: Cast, quiet: Campaign) -> None:
    out = StringIO()
    call_command("send_reminders", stdout=out)
    assert out.getvalue().startswith(f"{timezone.localdate()}: ")
    for word in ("tomorrow", "2026-13-01", "10.6.2026"):
        with pytest.raises(CommandError, match="is no date"):
            call_command("send_reminders", "--on", word)


def test_the_inbox_shows_ones_own_notices_only(
    cast: Cast, quiet: Campaign, as_: Callable[[str], Client], mailoutbox: list[Any]
) -> None:
    owing(quiet, WILLOW, -1)
    owing(quiet, MAPLE, 1)
    with_mail("lan")
    run()
    lan, mei = as_("lan"), as_("mei")
    page = lan.get("/inbox/")
    assert [notice.subject for notice in page.context["page"]] == ["迎检准备：1项任务逾期"]
    assert "1项任务即将到期" not in page.content.decode()
    assert "1<span" in page.content.decode()  # one unread: mail does not count once more
    assert list(mei.get("/inbox/").context["page"]) == []
    # Marking as read touches nobody else's, and takes a POST.
    assert lan.get("/inbox/read/").status_code == 405
    assert lan.post("/inbox/read/")["Location"] == "/inbox/"
    read = Notice.objects.filter(read_at__isnull=False)
    assert list(read.values_list("cadre__username", "channel")) == [("lan", "inbox")]
    assert 'text-bg-danger">1' not in lan.get("/inbox/").content.decode()
    assert Client().get("/inbox/")["Location"] == "/login/?next=/inbox/"


# --- mail -------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(cast: Cast) -> Notice:
    """One mail that waits."""
    with_mail("lan")
    return Notice.objects.create(
        cadre=cast["lan"], rule="digest", on=TODAY, channel="mail", subject="迎检准备", body="逾期1项。"
    )


def now_stands(notice: Notice) -> tuple[str, str]:
    notice.refresh_from_db()
    return notice.status, notice.error


def test_a_mail_says_what_and_where(waiting: Notice, settings: Settings, mailoutbox: list[Any]) -> None:
    settings.SITE_URL = "https://ready.example.gov.cn"
    settings.DEFAULT_FROM_EMAIL = "迎检 <ready@example.gov.cn>"
    assert outbox.deliver() == outbox.Delivered(sent=1)
    (message,) = mailoutbox
    assert (message.subject, message.body) == ("迎检准备", "逾期1项。\n\nhttps://ready.example.gov.cn/")
    assert message.extra_headers["Message-ID"] == f"<notice-{waiting.pk}@example.gov.cn>"
    assert now_stands(waiting) == ("accepted", "")
    assert waiting.sent_at
    assert waiting.leased_until is None


def test_a_subject_carries_no_line_break(waiting: Notice, mailoutbox: list[Any]) -> None:
    Notice.objects.update(subject="迎检\r\nBcc: evil@example.org\n\u2028准备\x85")
    outbox.deliver()
    (message,) = mailoutbox
    assert message.subject == "迎检 Bcc: evil@example.org 准备"
    assert message.message()["Bcc"] is None
    assert message.recipients() == ["lan@example.org"]
    assert now_stands(waiting)[0] == "accepted"


@pytest.mark.parametrize("address", ["", "lan@example.org\nBcc: evil@example.org"])
def test_an_address_that_is_none_does_not_hold_up_the_rest(
    cast: Cast, waiting: Notice, mailoutbox: list[Any], address: str
) -> None:
    with_mail("lin")
    after = Notice.objects.create(cadre=cast["lin"], rule="digest", on=TODAY, channel="mail", subject="x", body="y")
    Cadre.objects.filter(username="lan").update(email=address)
    assert outbox.deliver() == outbox.Delivered(sent=1, failed=1)
    status, error = now_stands(waiting)
    assert status == "refused"
    assert error
    assert now_stands(after) == ("accepted", "")
    assert [message.to for message in mailoutbox] == [["lin@example.org"]]


def test_an_expired_lease_is_unknown_and_never_sent_again(waiting: Notice, mailoutbox: list[Any]) -> None:
    claimed = outbox._claim()  # and the sender dies here
    assert claimed == waiting
    assert outbox.deliver() == outbox.Delivered()  # somebody may still be sending it
    Notice.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert outbox.deliver() == outbox.Delivered(unknown=1)
    assert outbox.deliver() == outbox.Delivered()
    assert now_stands(waiting)[0] == "unknown"
    assert mailoutbox == []
    # The sender was only slow: its word comes too late and changes nothing.
    assert outbox._settle(claimed, Notice.Status.ACCEPTED, sent_at=timezone.now()) == 0
    assert now_stands(waiting)[0] == "unknown"


class PostOffice(socketserver.ThreadingTCPServer):
    """A small mail server: refuses who has "refused" in the address, freezes when told to."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.letters: list[tuple[str, str]] = []
        self.is_frozen = False
        self.at_data = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Clerk(socketserver.StreamRequestHandler):
    """One conversation."""

    server: PostOffice

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        to = ""
        self.say("220 post office")
        while line := self.rfile.readline().decode().strip():
            match line[:4].upper():
                case "RCPT" if "refused" in line:
                    self.say("550 5.1.1 no such mailbox")
                case "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    self.say("250 ok")
                case "DATA":
                    self.server.at_data.set()
                    if self.server.is_frozen:
                        time.sleep(60)
                        return
                    self.say("354 go on")
                    letter = b""
                    while not letter.endswith(b"\r\n.\r\n"):
                        letter += self.rfile.readline()
                    self.server.letters.append((to, letter.decode()))
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")


@pytest.fixture
def post_office(settings: Settings) -> Iterator[PostOffice]:
    with PostOffice() as office:
        thread = threading.Thread(target=office.serve_forever, args=(0.05,))
        thread.start()
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", office.port
        try:
            yield office
        finally:
            office.shutdown()
            thread.join()


def test_a_refused_mail_keeps_the_reason(cast: Cast, waiting: Notice, post_office: PostOffice) -> None:
    refused = Notice.objects.create(cadre=cast["lin"], rule="digest", on=TODAY, channel="mail", subject="x", body="y")
    Cadre.objects.filter(username="lin").update(email="refused@example.org")
    assert outbox.deliver() == outbox.Delivered(sent=1, failed=1)
    status, error = now_stands(refused)
    assert status == "refused"
    assert "no such mailbox" in error
    assert now_stands(waiting) == ("accepted", "")
    assert outbox.deliver() == outbox.Delivered()
    ((to, letter),) = post_office.letters
    assert to == "lan@example.org"
    assert f"Message-ID: <notice-{waiting.pk}@localhost>" in letter


def test_a_mail_server_that_is_gone_is_a_refusal(waiting: Notice, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1
    assert outbox.deliver() == outbox.Delivered(failed=1)
    assert "refused" in now_stands(waiting)[1]


# --- several senders at once, and senders that die ---------------------------------------------------


def many_notices(n: int) -> None:
    """Mail that waits for n people."""
    factories.units()
    for number in range(n):
        person = factories.cadre(f"p{number:02}", Role.LINKED, WILLOW)
        with_mail(person.username)


def together(work: Callable[[], object], n: int = 2) -> None:
    """In n threads, each with a connection of its own."""
    start, wrong = threading.Barrier(n), []

    def one() -> None:
        try:
            start.wait()
            work()
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def slowly(sent: list[int]) -> Callable[[Notice], None]:
    def send(notice: Notice) -> None:
        time.sleep(0.005)
        sent.append(notice.pk)

    return send


def owed_by_many(n: int) -> None:
    """A campaign in which n people owe an overdue task: one village each."""
    codes = {f"511504101{number:03}": f"{number}村" for number in range(300, 300 + n)}
    factories.units(factories.UNITS | codes)
    people = [factories.cadre(f"p{code}", Role.VILLAGE_CADRE, code) for code in codes]
    with_mail(*[person.username for person in people])
    factories.campaign(days=30)
    Task.objects.update(due_on=TODAY - timedelta(days=1))


def test_two_senders_at_once_write_and_send_once(committed: None) -> None:
    owed_by_many(40)
    together(lambda: call_command("send_reminders", "--on", TODAY.isoformat(), stdout=StringIO()), n=4)
    assert Notice.objects.filter(channel="inbox").count() == 40
    assert (
        Notice.objects.filter(channel="mail", status="accepted").count()
        == Notice.objects.filter(channel="mail").count()
        == 40
    )
    assert sorted(message.to[0] for message in mail.outbox) == sorted(Cadre.objects.values_list("email", flat=True))


def test_two_senders_at_once_take_different_mail(committed: None) -> None:
    many_notices(20)
    for person in Cadre.objects.all():
        Notice.objects.create(cadre=person, rule="digest", on=TODAY, channel="mail", subject="x", body="y")
    sent: list[int] = []
    together(lambda: outbox.deliver(slowly(sent)), n=4)
    assert sorted(sent) == sorted(Notice.objects.values_list("pk", flat=True))


def test_without_the_claim_two_senders_would_send_twice(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the race is real."""

    def look_and_take() -> Notice | None:
        notice = Notice.objects.select_related("cadre").filter(status="pending").order_by("pk").first()
        if notice is not None:
            time.sleep(0.005)
            Notice.objects.filter(pk=notice.pk).update(status="sending", leased_until=timezone.now() + outbox.LEASE)
        return notice

    many_notices(20)
    for person in Cadre.objects.all():
        Notice.objects.create(cadre=person, rule="digest", on=TODAY, channel="mail", subject="x", body="y")
    monkeypatch.setattr(outbox, "_claim", look_and_take)
    sent: list[int] = []
    together(lambda: outbox.deliver(slowly(sent)), n=4)
    assert len(sent) > len(set(sent)) == 20


@pytest.fixture
def elsewhere(post_office: PostOffice) -> dict[str, str]:
    """The environment of a process of our own, on this test's database and mail server."""
    return os.environ | {
        "DATABASE_URL": live.database_url(),
        "DEBUG": "1",
        "EMAIL_BACKEND": SMTP,
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(post_office.port),
    }


def sender(environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "send_reminders", "--on", TODAY.isoformat()],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_two_processes_at_once_send_once(committed: None, post_office: PostOffice, elsewhere: dict[str, str]) -> None:
    owed_by_many(30)
    with sender(elsewhere) as one, sender(elsewhere) as two:
        for process in (one, two):
            _out, wrong = process.communicate(timeout=60)
            assert (process.returncode, wrong) == (0, "")
    assert Notice.objects.count() == 60
    assert set(Notice.objects.values_list("status", flat=True)) == {"accepted", "delivered"}
    assert sorted(to for to, _ in post_office.letters) == sorted(Cadre.objects.values_list("email", flat=True))


@pytest.mark.slow
def test_a_killed_sender_loses_nothing_and_doubles_nothing(
    committed: None, post_office: PostOffice, elsewhere: dict[str, str]
) -> None:
    owed_by_many(3)
    post_office.is_frozen = True
    with sender(elsewhere) as process:
        assert post_office.at_data.wait(30)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    status = dict(Notice.objects.filter(channel="mail").values_list("pk", "status"))
    assert sorted(status.values()) == ["pending", "pending", "sending"]
    post_office.is_frozen = False
    assert run() == "2026-06-10: 0 notices written; mail: 2 sent, 0 refused, 0 unknown\n"
    Notice.objects.filter(status="sending").update(leased_until=timezone.now() - timedelta(seconds=1))
    assert run() == "2026-06-10: 0 notices written; mail: 0 sent, 0 refused, 1 unknown\n"
    assert run() == "2026-06-10: 0 notices written; mail: 0 sent, 0 refused, 0 unknown\n"
    assert len(post_office.letters) == 2
    assert Notice.objects.filter(channel="inbox", status="delivered").count() == 3


# --- Celery -----------------------------------------------------------------------------------------


def test_the_task_writes_and_sends_and_may_run_twice(cast: Cast, quiet: Campaign, mailoutbox: list[Any]) -> None:
    Task.objects.filter(unit_id=MAPLE).update(due_on=timezone.localdate())
    with_mail("hong")
    for _ in range(2):
        tasks.send()
        assert Notice.objects.filter(on=timezone.localdate(), cadre=cast["hong"]).count() == 2
        assert len(mailoutbox) == 1


def test_beat_knows_the_task_by_its_name() -> None:
    names = {entry["task"] for entry in project.CELERY_BEAT_SCHEDULE.values()}
    app.loader.import_default_modules()
    assert names == {"readiness.boards.count_gaps", "readiness.reminders.send"}
    assert names <= app.tasks.keys()


@contextmanager
def own_redis(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[embedded.Servers]:
    monkeypatch.delenv("REDIS_URL")
    with embedded.servers(data, durable=False) as servers:
        yield servers


@pytest.mark.slow
def test_a_real_worker_hears_of_it_through_a_real_redis(
    committed: None,
    post_office: PostOffice,
    elsewhere: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owed_by_many(3)
    Task.objects.update(due_on=timezone.localdate())
    with own_redis(tmp_path, monkeypatch) as servers:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "readiness", "worker", "--pool=solo", "--without-mingle"],
            cwd=ROOT,
            env=elsewhere | {"REDIS_URL": servers.redis_url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with celery.Celery(broker=servers.redis_url, set_as_current=False) as sender:
                for _ in range(2):  # twice, as two beats would
                    sender.send_task("readiness.reminders.send", ignore_result=True)
            live.wait_for(lambda: Notice.objects.filter(status="accepted", channel="mail").count() == 3)
            live.wait_for(lambda: "worker" not in down())  # it also leaves a sign of life
        finally:
            worker.terminate()
            assert worker.wait(30) == 0
    assert Notice.objects.count() == 6
    assert len(post_office.letters) == 3


@pytest.mark.slow
def test_a_frozen_redis_holds_up_nobody_who_ticks(
    campaign: Campaign,
    as_: Callable[[str], Client],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    task = factories.task(campaign)
    lan = as_("lan")
    lan.get("/tasks/")
    with own_redis(tmp_path, monkeypatch) as servers:
        pid = embedded.state(tmp_path)["redis"]["pid"]
        settings.REDIS_URL = settings.CELERY_BROKER_URL = servers.redis_url
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert lan.post(f"/tasks/{task.pk}/tick/", factories.body()).status_code == 302
            assert lan.get(f"/campaigns/{campaign.pk}/").status_code == 200
            assert time.monotonic() - began < 1
            # Who does publish is told within seconds.
            publish = "import django; django.setup(); from readiness.reminders.tasks import send; send.delay()"
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", publish],
                cwd=ROOT,
                env=os.environ | {"REDIS_URL": servers.redis_url, "DJANGO_SETTINGS_MODULE": "readiness.settings"},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 1
            assert "OperationalError" in done.stderr
            assert time.monotonic() - began < 20
        finally:
            os.kill(pid, signal.SIGCONT)
    task.refresh_from_db()
    assert task.state == "done"


# --- what the database holds -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("notice_leased_only_while_being_sent", {"status": "sending"}),
        ("notice_leased_only_while_being_sent", {"leased_until": "2026-06-10T00:00Z"}),
        ("notice_sent_at_some_time", {"status": "accepted"}),
    ],
)
def test_what_the_database_refuses_of_a_notice(waiting: Notice, constraint: str, changes: dict[str, str]) -> None:
    with pytest.raises(Exception, match=constraint), transaction.atomic():
        Notice.objects.update(**changes)
    twin = Notice(cadre=waiting.cadre, rule="digest", on=TODAY, channel="mail", subject="x", body="y")
    with pytest.raises(Exception, match="notice_once_per_cadre_campaign_rule_day_and_channel"), transaction.atomic():
        twin.save()
