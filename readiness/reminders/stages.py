"""When something is told: the days on which a deadline comes nearer, is overdue by more, or a value is asked for.

Stages follow from dates alone. What was reached since somebody was last told is told to him now, so that a missed run
needs no memory.
"""

from datetime import date

from readiness.reminders import words
from readiness.reminders.calendars import last_weekly, on_or_before, shifted, worked
from readiness.reminders.known import Drive, Rule, Stretch


def weekly_stage(rule: Rule, on: date) -> date | None:
    """The last day so far on which leaders are told their board; None if they are not."""
    return None if rule.weekly_on is None else last_weekly(rule.weekly_on, on)


def is_reached(rule: Rule, due_on: date, *, on: date, last: date | None) -> bool:
    """Whether what is due on a day has come nearer, or is overdue by more, in a way that was not told on `last`."""
    if due_on < on:
        return _rounds(rule, due_on, on) > (_rounds(rule, due_on, last) if last else 0)
    stages = (on_or_before(shifted(due_on, -days)) for days in rule.days_before)
    return any(stage <= on and (last is None or stage > last) for stage in stages)


def asking_days(every: str, due_on: date) -> list[date]:
    """The days on which a value that is due is asked for: the working day itself; of longer periods the one before."""
    last = on_or_before(due_on)
    return [last] if every == "day" else [on_or_before(shifted(last, -1)), last]


def _rounds(rule: Rule, due_on: date, on: date) -> int:
    """How often the overdue is told by a day: on the first working day, then every so many."""
    days = worked(due_on, on)
    return 1 + (days - 1) // rule.overdue_every if days else 0


def gate_days(phase: Stretch) -> list[date]:
    """The working day before a phase ends, and the last one of it."""
    last = on_or_before(phase.ends_on)
    return [on_or_before(shifted(last, -1)), last]


def begun(drive: Drive, on: date, last: date, *, several: bool) -> list[str]:
    """Lines about phases that have begun or end since a day, of a week at most; with several campaigns, of which."""
    last = max(last, shifted(on, -7))
    lines = []
    for phase in drive.phases:
        title = f"{drive.title} {phase.title}" if several else phase.title
        if last < phase.starts_on <= on <= phase.ends_on:
            lines.append(words.phase_starts(title, phase.ends_on))
        elif last < on_or_before(phase.ends_on) <= on <= phase.ends_on:
            lines.append(words.phase_ends(title, phase.ends_on))
    return lines
