"""What happened to a finding, in words: what was done, which day it names, what was said of it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, pgettext

from checklists import stored_words
from checklists.models import FindingEvent

What = FindingEvent.What
# What a plan's own note is put together from, in the language of whoever planned.
PARTS = (gettext_noop("To do now"), gettext_noop("To change for good"), gettext_noop("Step"))
BETWEEN = "; "
PUT_RIGHT = gettext_lazy("to be put right by %(day)s")
# Which day an event names.
DAYS: dict[str, Any] = {
    What.PLANNED: gettext_lazy("step due by %(day)s"),
    What.CONFIRMED: gettext_lazy("second look set for %(day)s"),
    What.ASKED_TIME: gettext_lazy("asked for until %(day)s"),
    **dict.fromkeys((What.OPENED, What.SENT_BACK, What.REOPENED, What.GAVE_TIME, What.REFUSED_TIME), PUT_RIGHT),
}


class Line(NamedTuple):
    """One event of a history."""

    event: FindingEvent
    what: str
    day: str  # "" if it names none
    note: str


def lines(events: Iterable[FindingEvent]) -> list[Line]:
    """Of all of a finding's events, in order. No query of its own."""
    found, planned = list[Line](), False
    for one in events:
        is_plan = one.what == What.PLANNED
        what = _("plan made") if is_plan and not planned else one.get_what_display()
        found.append(Line(one, what, _day(one), in_the_readers_language(one.note) if is_plan else one.note))
        planned |= is_plan
    return found


def _day(event: FindingEvent) -> str:
    if event.day is None:
        return ""
    day = date_format(event.day, "DATE_FORMAT")
    return str(DAYS[event.what] % {"day": day}) if event.what in DAYS else day


def in_the_readers_language(note: str) -> str:
    """A plan's note with the names of its parts as the reader calls them; other words stay as they were written."""
    known = stored_words.known(PARTS)
    if note.partition(": ")[0] not in known:
        return note
    colon = pgettext("between a name and what it says", ": ")
    read = []
    for piece in note.split(BETWEEN):
        name, _colon, words = piece.partition(": ")
        read.append(f"{_(known[name])}{colon}{words}" if name in known else piece)
    return pgettext("between parts of a plan", "; ").join(read)
