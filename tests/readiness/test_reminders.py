"""Reminders: who is owed which words, once; and what becomes of them when things break."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone, translation

from checklists.models import Campaign, Responsibility, Task
from readiness.models import Notice
from readiness.reminders import plan
from tests import factories
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
        cursor.execute(
            "ALTER TABLE readiness_notice DROP CONSTRAINT notice_once_per_cadre_campaign_rule_day_and_channel"
        )
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
