"""Reminders from the command to the inbox."""

from collections.abc import Callable
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from checklists.models import Campaign
from readiness.models import Notice
from tests.factories import MAPLE, TODAY, WILLOW
from tests.readiness.reminding import campaign_without_vacancies, owing
from villages.models import Cadre

Cast = dict[str, Cadre]


@pytest.fixture
def quiet(cast: Cast) -> Campaign:
    """A campaign of the county in which nothing is due for long."""
    return campaign_without_vacancies()


def run(on: date = TODAY) -> str:
    out = StringIO()
    call_command("send_reminders", "--on", on.isoformat(), stdout=out)
    return out.getvalue()


def with_mail(*names: str) -> None:
    for name in names:
        Cadre.objects.filter(username=name).update(email=f"{name}@example.org")


# --- the outbox -------------------------------------------------------------------------------------


def test_running_twice_gives_one_notice_per_cadre_day_and_channel(
    cast: Cast, quiet: Campaign, mailoutbox: list[Any]
) -> None:
    owing(quiet, WILLOW, -1, 1)
    with_mail("lan")
    assert run() == "2026-06-10: 3 notices written; mail: 1 sent, 0 refused, 0 unknown\n"
    assert run() == "2026-06-10: 0 notices written; mail: 0 sent, 0 refused, 0 unknown\n"
    rows = (
        Notice.objects.filter(on=TODAY)
        .values_list("cadre__username", "channel", "on", "status")
        .order_by("cadre__username", "channel")
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
    assert Notice.objects.get(cadre=cast["hong"], on=TODAY).subject == "迎检准备：1项任务逾期"


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
def test_what_the_database_refuses_of_a_notice(cast: Cast, constraint: str, changes: dict[str, str]) -> None:
    mail = {"cadre": cast["lan"], "rule": "digest", "on": TODAY, "channel": "mail", "subject": "x", "body": "y"}
    Notice.objects.create(**mail)
    with pytest.raises(Exception, match=constraint), transaction.atomic():
        Notice.objects.update(**changes)
    with pytest.raises(Exception, match="notice_once_per_cadre_campaign_rule_day_and_channel"), transaction.atomic():
        Notice.objects.create(**mail)
