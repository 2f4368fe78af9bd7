"""Knows that the database was restored from a backup, and holds back what would be told a second time.

A restored database has forgotten what was sent since, and so would send it again. It is known by where it lies: the
cluster's own number, its timeline (another after recovery to a point in time), the numbers of the database and of the
table. A backup of the files themselves comes back to the same place; then Redis, which remembers how many notices
were handed over, knows of more than the database does. Whoever moves or upgrades the cluster on purpose is asked too:
one `manage.py release_sender` is less than two thousand reminders sent twice.
"""

import logging

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from readiness.models import Channel, Notice, Sender
from readiness.reminders.memory import shared
from villages.models import Cadre

logger = logging.getLogger(__name__)
Status = Notice.Status
UNREADABLE = "?"  # the role may not read this part
PARTS = {
    "pg_control_system()": "SELECT system_identifier FROM pg_control_system()",
    "pg_control_checkpoint()": "SELECT timeline_id FROM pg_control_checkpoint()",
}
HERE = "SELECT oid::text, %s::regclass::oid::text FROM pg_database WHERE datname = current_database()"


def may_send() -> bool:
    """Whether notices may leave the house. Pauses the sender if the database was restored since the last time."""
    place = lies_in()
    row, is_behind = _compared(place)
    if row and is_behind:
        # Perhaps somebody else has just settled down, and what Redis said was of an earlier database: once more.
        row, is_behind = _compared(place)
    if row is None:
        return _settled_down(place)
    if row.paused_at:
        return False
    is_elsewhere = not is_same(row.lies_in, place)
    if is_elsewhere or is_behind:
        _pause(is_elsewhere=is_elsewhere)
        return False
    if row.lies_in != place:  # what could not be read then can be now
        Sender.objects.filter(pk=1, paused_at=None).update(lies_in=place)
    return True


def _compared(place: str) -> tuple[Sender | None, bool]:
    """The row of a database that knows where it is, and whether Redis knows of more than it does."""
    remembered = _remembered(place)  # before the row, which others add to before they tell Redis
    row = Sender.objects.filter(pk=1).exclude(lies_in="").first()
    return row, row is not None and remembered > row.handed_over


def remember(handed_over: int) -> None:
    """Notes that so many notices more were handed over, here and in Redis."""
    if handed_over:
        Sender.objects.filter(pk=1).update(handed_over=F("handed_over") + handed_over)
        row = Sender.objects.get(pk=1)
        _tell_redis(row.lies_in, row.handed_over)


def release(by: Cadre | None = None, *, resend: bool = False) -> int:
    """Lets notices leave the house again; with `resend` also all that was put aside: how many those are."""
    again = 0
    with transaction.atomic():
        row, _is_new = Sender.objects.update_or_create(
            pk=1, defaults={"lies_in": lies_in(), "paused_at": None, "paused_because": "", "changed_by": by}
        )
        _tell_redis(row.lies_in, row.handed_over)  # before anybody compares
        if resend:
            again = Notice.objects.filter(status=Status.ASIDE).update(
                status=Status.PENDING, tries=0, due_at=Now(), sent_at=None
            )
    logger.warning("the sender was released by %s; %s notices are sent again", by.pk if by else "hand", again)
    return again


def lies_in() -> str:
    """Where this database lies: cluster, timeline, database and table, as far as the role may know."""
    parts = []
    with connection.cursor() as cursor:
        for function, question in PARTS.items():
            cursor.execute("SELECT has_function_privilege(%s, 'execute')", [function])
            if cursor.fetchone()[0]:
                cursor.execute(question)
                parts.append(str(cursor.fetchone()[0]))
            else:
                parts.append(UNREADABLE)
        cursor.execute(HERE, [Notice._meta.db_table])
        parts += cursor.fetchone()
    return ":".join(parts)


def is_same(one: str, other: str) -> bool:
    """Whether two places are one, as far as both are known."""
    pairs = zip(one.split(":"), other.split(":"), strict=True)
    return all(a == b or UNREADABLE in (a, b) for a, b in pairs)


def _settled_down(place: str) -> bool:
    """A database that has never sent anything: from now on it knows where it is."""
    _tell_redis(place, 0)  # first, so that nobody compares with what an earlier one in the same place left there
    Sender.objects.get_or_create(pk=1)
    Sender.objects.filter(pk=1, lies_in="").update(lies_in=place)
    return True


def _pause(*, is_elsewhere: bool) -> None:
    because = (
        _("the database lies somewhere else than before, as after a restore from a backup")
        if is_elsewhere
        else _("more was sent than the database knows of, as after a restore from a backup")
    )
    with transaction.atomic():
        if not Sender.objects.filter(pk=1, paused_at=None).update(
            paused_at=Now(), paused_because=because, changed_by=None
        ):
            return
        outside = Notice.objects.exclude(channel=Channel.INBOX)
        aside = outside.filter(status=Status.PENDING).update(status=Status.ASIDE)
        outside.filter(status=Status.SENDING).update(status=Status.UNKNOWN, leased_until=None)
    logger.error("the sender is paused: %s; %s notices are put aside", because, aside)


def _key(place: str) -> str:
    return f"readiness:handed-over:{place}"


def _remembered(place: str) -> int:
    """How many notices Redis knows to have been handed over; 0 if it knows or says nothing."""
    client = shared().client
    return int(shared().ask(lambda: client.get(_key(place))) or 0)


def _tell_redis(place: str, handed_over: int) -> None:
    client = shared().client
    shared().ask(lambda: client.set(_key(place), handed_over))
