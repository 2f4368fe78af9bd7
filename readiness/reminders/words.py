"""The words of reminders, in the language that is switched on. Whatever people typed stays as they typed it.

What users wrote goes into a text as a value, never as a part of its pattern, so that `{0.__class__}`, `{{ settings }}`
and `%(x)s` are nothing but characters. Line breaks and characters that cannot be seen are taken out, so that nothing
gets into a header; numbers of telephones and persons are not passed on.
"""

import re
from collections.abc import Iterable
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from readiness.boards.light import Counts
from villages.models import short_name

LONGEST_SUBJECT = 120  # characters; Notice.subject
LONGEST_QUOTE = 60  # characters of what somebody wrote
MOST_LINES = 20  # units that a message names
# Controls, and what turns or hides text: zero-width characters, marks of direction, line and paragraph separators.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")
_NUMBERS = re.compile(r"1[3-9]\d[ -]?\d{4}[ -]?\d{4}|\d{9,}[Xx]?")

# What happened to a task; who, at which unit, which item, what was said, by which day.
FACTS = {
    "returned": gettext_noop("%(unit)s: %(who)s sent back “%(item)s”: %(said)s"),
    "asked_time": gettext_noop("%(unit)s: %(who)s asks for more time until %(day)s for “%(item)s”: %(said)s"),
    "given_time": gettext_noop("%(unit)s: more time until %(day)s for “%(item)s”, says %(who)s"),
    "refused_time": gettext_noop("%(unit)s: no more time for “%(item)s”, says %(who)s: %(said)s"),
    "asked_help": gettext_noop("%(unit)s: %(who)s asks for help with “%(item)s” by %(day)s: %(said)s"),
    "help_late": gettext_noop("%(unit)s: nobody has answered %(who)s, who asked for help with “%(item)s”: %(said)s"),
    "answered_help": gettext_noop("%(unit)s: %(who)s answers about “%(item)s”: %(said)s"),
    "chased": gettext_noop("%(unit)s: %(who)s asks you to get on with “%(item)s”: %(said)s"),
    "measured": gettext_noop(
        "%(unit)s: %(who)s applied the measure “%(item)s”, to which the unit may object on its page: %(said)s"
    ),
    "lifted": gettext_noop("%(unit)s: “%(item)s” is lifted, says %(who)s: %(said)s"),
    "upheld": gettext_noop("%(unit)s: “%(item)s” stays, says %(who)s: %(said)s"),
    "proposed": gettext_noop("%(unit)s: proposed measures that wait for a decision: %(item)s"),
    "objected": gettext_noop("%(unit)s: %(who)s objects to “%(item)s”; another leader answers: %(said)s"),
    "sent_out": gettext_noop("%(unit)s: %(who)s sends you on a round: %(said)s"),
    "sent_out_on": gettext_noop("%(unit)s: %(who)s sends you on a round on %(day)s: %(said)s"),
    "relieved": gettext_noop("%(unit)s: you no longer go on the round, says %(who)s: %(said)s"),
    "failed": gettext_noop("%(unit)s: on a round %(who)s saw that “%(item)s” does not hold: %(said)s"),
    "finding_opened": gettext_noop("%(unit)s: %(who)s entered finding %(item)s, to be put right by %(day)s"),
    "finding_sent_back": gettext_noop("%(unit)s: %(who)s sent back finding %(item)s: %(said)s"),
    "finding_reopened": gettext_noop(
        "%(unit)s: %(who)s reopened finding %(item)s, to be put right by %(day)s: %(said)s"
    ),
    "finding_handed_over": gettext_noop("%(unit)s: %(who)s handed finding %(item)s over to you: %(said)s"),
    "finding_fixed": gettext_noop("%(unit)s: %(who)s put right finding %(item)s, please look: %(said)s"),
    "finding_asked_time": gettext_noop(
        "%(unit)s: %(who)s asks for more time until %(day)s for finding %(item)s: %(said)s"
    ),
    "finding_gave_time": gettext_noop("%(unit)s: more time until %(day)s for finding %(item)s, says %(who)s"),
    "finding_refused_time": gettext_noop("%(unit)s: no more time for finding %(item)s, says %(who)s: %(said)s"),
    "finding_disputed": gettext_noop("%(unit)s: %(who)s disputes finding %(item)s: %(said)s"),
    "finding_upheld": gettext_noop("%(unit)s: finding %(item)s stands, says %(who)s: %(said)s"),
    "finding_dropped": gettext_noop("%(unit)s: finding %(item)s is dropped, says %(who)s: %(said)s"),
    "finding_answered": gettext_noop("%(unit)s: %(who)s answers about finding %(item)s: %(said)s"),
    "finding_late": gettext_noop("%(unit)s: finding %(item)s was due on %(day)s and is not put right"),
    "finding_late_linked": gettext_noop(
        "%(unit)s: finding %(item)s, due on %(day)s, is 3 working days overdue or more"
    ),
    "finding_late_lead": gettext_noop("%(unit)s: finding %(item)s, due on %(day)s, is 5 working days overdue or more"),
    "finding_step_late": gettext_noop("%(unit)s: a step of finding %(item)s was due on %(day)s: %(said)s"),
    "finding_step_late_linked": gettext_noop(
        "%(unit)s: a step of finding %(item)s, due on %(day)s, is 3 working days overdue or more: %(said)s"
    ),
    "finding_step_late_lead": gettext_noop(
        "%(unit)s: a step of finding %(item)s, due on %(day)s, is 5 working days overdue or more: %(said)s"
    ),
    "finding_waits": gettext_noop("%(unit)s: finding %(item)s was put right on %(day)s and waits for a look"),
    "finding_waits_up": gettext_noop(
        "%(unit)s: finding %(item)s was put right on %(day)s, and nobody has looked for 5 working days or more"
    ),
    "finding_look": gettext_noop("%(unit)s: finding %(item)s is to be looked at again (%(day)s)"),
    "finding_look_late": gettext_noop(
        "%(unit)s: finding %(item)s was to be looked at again on %(day)s, and nobody has for 3 working days or more"
    ),
    "finding_look_late_up": gettext_noop(
        "%(unit)s: finding %(item)s was to be looked at again on %(day)s, and nobody has for 5 working days or more"
    ),
}

# The same for a subject.
KINDS = {
    "returned": gettext_noop("sent back"),
    "asked_time": gettext_noop("more time asked for"),
    "given_time": gettext_noop("more time given"),
    "refused_time": gettext_noop("no more time"),
    "asked_help": gettext_noop("help asked for"),
    "help_late": gettext_noop("help asked for, and no answer"),
    "answered_help": gettext_noop("an answer to a call for help"),
    "chased": gettext_noop("you are chased"),
    "measured": gettext_noop("a measure"),
    "lifted": gettext_noop("a measure lifted"),
    "upheld": gettext_noop("an answer to an objection"),
    "proposed": gettext_noop("measures to decide"),
    "objected": gettext_noop("an objection to answer"),
    "sent_out": gettext_noop("you go on a round"),
    "relieved": gettext_noop("you no longer go on a round"),
    "failed": gettext_noop("seen on a round"),
    "finding_opened": gettext_noop("a finding to put right"),
    "finding_sent_back": gettext_noop("a finding sent back"),
    "finding_reopened": gettext_noop("a finding reopened"),
    "finding_handed_over": gettext_noop("a finding handed over"),
    "finding_fixed": gettext_noop("a finding to confirm"),
    "finding_asked_time": gettext_noop("more time asked for"),
    "finding_gave_time": gettext_noop("more time given"),
    "finding_refused_time": gettext_noop("no more time"),
    "finding_disputed": gettext_noop("a finding disputed"),
    "finding_upheld": gettext_noop("a finding stands"),
    "finding_dropped": gettext_noop("a finding dropped"),
    "finding_answered": gettext_noop("an answer about a finding"),
    "finding_late": gettext_noop("a finding overdue"),
    "finding_late_linked": gettext_noop("a finding overdue"),
    "finding_late_lead": gettext_noop("a finding overdue"),
    **dict.fromkeys(
        ("finding_step_late", "finding_step_late_linked", "finding_step_late_lead"), gettext_noop("a step overdue")
    ),
    **dict.fromkeys(("finding_waits", "finding_waits_up"), gettext_noop("a finding waits for a look")),
    **dict.fromkeys(
        ("finding_look", "finding_look_late", "finding_look_late_up"), gettext_noop("a finding to look at again")
    ),
}


def plain(text: str) -> str:
    """What somebody wrote, in one line, without what cannot be seen and without numbers of telephones and persons."""
    return _NUMBERS.sub("***", " ".join(_UNSEEN.sub(" ", text).split()))


def cut(text: str, longest: int) -> str:
    """At most so many bytes of UTF-8; what was cut ends with “…” and breaks no character.

    Args:
        longest: in bytes, at least 3.
    """
    written = text.encode(errors="replace")
    if len(written) <= longest:
        return text
    return written[: longest - len("…".encode())].decode(errors="ignore") + "…"


def shortened(text: str, longest: int = LONGEST_QUOTE) -> str:
    """At most so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def unit_name(name: str) -> str:
    """As people say it."""
    return plain(short_name(name))


def day(on: date) -> str:
    """Month and day."""
    return _("%(month)d/%(day)d") % {"month": on.month, "day": on.day}


def subject(parts: Iterable[str]) -> str:
    """The subject of a message that tells these."""
    return shortened(_("Inspection readiness: %(what)s") % {"what": _(", ").join(parts)}, LONGEST_SUBJECT)


def overdue(n: int) -> str:
    return ngettext("%(n)d task overdue", "%(n)d tasks overdue", n) % {"n": n}


def soon(n: int) -> str:
    return ngettext("%(n)d task due soon", "%(n)d tasks due soon", n) % {"n": n}


def passed_up(n: int) -> str:
    return ngettext("%(n)d unit needs you", "%(n)d units need you", n) % {"n": n}


def values(n: int) -> str:
    return ngettext("%(n)d value to enter", "%(n)d values to enter", n) % {"n": n}


def happened(n: int) -> str:
    return ngettext("%(n)d message", "%(n)d messages", n) % {"n": n}


def more(n: int) -> str:
    return ngettext("… and %(n)d more unit", "… and %(n)d more units", n) % {"n": n}


def more_said(n: int) -> str:
    return ngettext("… and %(n)d more message", "… and %(n)d more messages", n) % {"n": n}


def owing(late: int, near: int) -> list[str]:
    """For the subject."""
    return ([overdue(late)] if late else []) + ([soon(near)] if near else [])


def summary(late: int, near: int, ahead: int, first: date) -> str:
    """What is owed, in one line."""
    return _("%(overdue)d overdue, %(soon)d due within %(ahead)d days; the earliest deadline is %(day)s.") % {
        "overdue": late,
        "soon": near,
        "ahead": ahead,
        "day": day(first),
    }


def of_unit() -> str:
    """The pattern of a line about a unit; takes `unit` and `what`."""
    return _("%(unit)s: %(what)s")


def late_since(n: int, on: date) -> str:
    return _("%(n)d overdue (since %(day)s)") % {"n": n, "day": day(on)}


def due_by(n: int, on: date) -> str:
    return _("%(n)d due soon (%(day)s)") % {"n": n, "day": day(on)}


def of_them_veto(n: int) -> str:
    return _("%(n)d of them veto") % {"n": n}


def without_value(n: int) -> str:
    return _("%(n)d without a value") % {"n": n}


def and_() -> str:
    """Between what stands side by side."""
    return _(", ")


def with_titles() -> str:
    """The pattern of a line and what it is about; takes `line` and `items`."""
    return _("%(line)s — %(items)s")


def some_of(titles: tuple[str, ...], are_all: bool) -> str:
    """Items by name, as far as there is room."""
    return _("; ").join(shortened(title, 30) for title in titles) + ("" if are_all else "…")


def of_campaign(line: str, title: str) -> str:
    return _("%(line)s [%(campaign)s]") % {"line": line, "campaign": shortened(title, 30)}


def answered_by(line: str, name: str) -> str:
    return _("%(line)s (%(name)s)") % {"line": line, "name": name}


def step(unit: str, *, count: int, days: int, before: list[tuple[date, str]]) -> str:
    """Overdue so long that the next one up hears of it, and who was told before."""
    n = ngettext(
        "%(unit)s: %(count)d task overdue for %(days)d working days",
        "%(unit)s: %(count)d tasks overdue for %(days)d working days",
        count,
    ) % {"unit": unit, "count": count, "days": days}
    if not before:
        return n
    said = _("; ").join(_("%(name)s on %(day)s") % {"name": name, "day": day(on)} for on, name in before)
    return _("%(line)s; told before: %(said)s") % {"line": n, "said": said}


def still(n: int) -> str:
    """What was passed up earlier and is still owed."""
    return ngettext(
        "Still overdue of what you were told before: %(n)d unit",
        "Still overdue of what you were told before: %(n)d units",
        n,
    ) % {"n": n}


def value(unit: str, *, count: int, by: date) -> str:
    return ngettext(
        "%(unit)s: %(n)d value to enter by %(day)s", "%(unit)s: %(n)d values to enter by %(day)s", count
    ) % {"unit": unit, "n": count, "day": day(by)}


def phase_starts(title: str, ends_on: date) -> str:
    return _("Phase “%(phase)s” has begun; it ends on %(day)s.") % {"phase": title, "day": day(ends_on)}


def phase_ends(title: str, ends_on: date) -> str:
    return _("Phase “%(phase)s” ends on %(day)s.") % {"phase": title, "day": day(ends_on)}


def gate(title: str, ends_on: date, *, tasks: int, units: list[str], more_units: int) -> str:
    """What a phase that ends still waits for."""
    named = _(", ").join(units) + ("…" if more_units else "")
    return ngettext(
        "Gate not met: phase “%(phase)s” (until %(day)s) waits for %(n)d task: %(units)s",
        "Gate not met: phase “%(phase)s” (until %(day)s) waits for %(n)d tasks: %(units)s",
        tasks,
    ) % {"phase": title, "day": day(ends_on), "n": tasks, "units": named}


def gates(n: int) -> str:
    return ngettext("%(n)d gate not met", "%(n)d gates not met", n) % {"n": n}


def vacancies(units: list[str], n: int) -> str:
    """Units where nobody answers, the first of them by name."""
    named = _(", ").join(units) + ("…" if n > len(units) else "")
    return ngettext(
        "%(n)d unit has nobody who answers first or directly: %(units)s",
        "%(n)d units have nobody who answers first or directly: %(units)s",
        n,
    ) % {"n": n, "units": named}


def vacant(n: int) -> str:
    return ngettext("%(n)d vacancy", "%(n)d vacancies", n) % {"n": n}


def board(unit: str, counts: Counts) -> str:
    """A leader's board in one line. Claimed and verified are two people's words and stay two numbers."""
    return _("%(unit)s: %(claimed)d claimed, %(verified)d verified, %(overdue)d overdue, of %(all)d") % {
        "unit": unit,
        "claimed": counts.done,
        "verified": counts.verified,
        "overdue": counts.overdue,
        "all": counts.applying,
    }


def worst(units: Iterable[tuple[str, Counts]]) -> str:
    """The units that need people most."""
    named = [
        _("%(unit)s (%(overdue)d overdue, %(returned)d sent back)")
        % {"unit": name, "overdue": counts.overdue, "returned": counts.returned}
        for name, counts in units
    ]
    return _("Need people most: %(units)s") % {"units": _(", ").join(named)}


def this_week() -> str:
    return _("this week's board")


def begins_or_ends() -> str:
    return _("a phase begins or ends")


def kinds(whats: Iterable[str]) -> list[str]:
    """What sorts of things happened, each once."""
    return [_(KINDS[what]) for what in dict.fromkeys(whats)]


def fact(what: str, *, unit: str, who: str, item: str, said: str, on: date | None) -> str:
    """Something that happened to a task, a finding or a unit.

    Args:
        what: a key of KINDS; with a day in the words that name it, where there are such.
        said: may be empty, then nothing follows the colon, nor is there one.
    """
    pattern = (on and FACTS.get(f"{what}_on")) or FACTS[what]
    line = _(pattern) % {
        "unit": unit,
        "who": who,
        "item": shortened(item, 30),
        "said": shortened(said),
        "day": day(on) if on else "",
    }
    return line if said else line.rstrip("：: ")
