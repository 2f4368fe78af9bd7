"""What lies on a cadre's desk, and how it is said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from operator import attrgetter

from readiness.reminders import words
from readiness.reminders.known import Asked, Board, Drive, Fact, Figures, Owed, Stretch, Taken

KINDS = ("first", "direct", "linked", "lead")  # of responsibility, upwards
NAMED = 5  # units in one line
_due_on = attrgetter("due_on")


@dataclass(slots=True)
class Place:
    """What one unit owes in one campaign, within the days that are announced."""

    drive: Drive
    unit: str
    late: int = 0
    near: int = 0
    vetoes: int = 0
    valueless: int = 0
    late_since: date | None = None
    near_by: date | None = None
    groups: list[Owed] = field(default_factory=list)

    def add(self, owed: Owed, on: date) -> None:
        due_on = owed.due_on
        if due_on < on:
            self.late += owed.tasks
            if self.late_since is None or due_on < self.late_since:
                self.late_since = due_on
        else:
            self.near += owed.tasks
            if self.near_by is None or due_on < self.near_by:
                self.near_by = due_on
        self.vetoes += owed.vetoes
        self.valueless += owed.valueless
        self.groups.append(owed)

    @property
    def first(self) -> date:
        """The earliest deadline."""
        return self.late_since or self.near_by or date.max

    @property
    def need(self) -> tuple[bool, date, int, str]:
        """Sorts the most urgent first."""
        return (not (self.vetoes and self.late), self.first, -self.late, self.unit)


@dataclass(slots=True)
class Up:
    """What has been overdue so long at one unit that the next one up hears of it."""

    owed: Owed
    step: int
    days: int
    before: list[Taken]
    is_new: bool = True  # False: a digest that still waits told it


@dataclass(slots=True)
class Desk:
    """What lies on one cadre's desk."""

    places: list[Place] = field(default_factory=list)
    ups: list[Up] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    drives: dict[int, Drive] = field(default_factory=dict)  # where he answers
    gates: list[tuple[Drive, Stretch, dict[str, int]]] = field(default_factory=list)
    vacant: list[tuple[int, str]] = field(default_factory=list)
    boards: list[Board] = field(default_factory=list)
    still: set[tuple[int, str]] = field(default_factory=set)  # passed up to him earlier, and still owed

    @property
    def is_standing(self) -> bool:
        """Whether something is there to be done or seen, whenever it was told."""
        return bool(self.places or self.asked or self.gates or self.still or self.boards or self.facts)

    @property
    def campaigns(self) -> list[int]:
        """Which campaigns it is about, in their order."""
        found = {place.drive.pk for place in self.places} | self.drives.keys()
        for several in (self.asked, self.facts, self.boards):
            found |= {one.campaign for one in several}
        found |= {up.owed.campaign for up in self.ups} | {drive.pk for drive, *_ in self.gates}
        return sorted(found | {campaign for campaign, _ in (*self.vacant, *self.still)})


class Said:
    """Puts desks into words; what several people are told about one unit is worded once.

    A plan is in one language, so that words are kept while it is made: translating takes longer than all else.
    """

    def __init__(self, figures: Figures) -> None:
        self.f = figures
        self.lines: dict[tuple[int, str], str] = {}
        self.ranks = {item: rank for rank, item in enumerate(figures.items)}
        self.titles = list(figures.items.values())
        self.owing = cache(words.owing)
        self.summary = cache(words.summary)
        self.subject = cache(words.subject)
        self.late_since = cache(words.late_since)
        self.due_by = cache(words.due_by)
        self.of_them_veto = cache(words.of_them_veto)
        self.without_value = cache(words.without_value)
        self.some_of = cache(words.some_of)
        self.and_, self.of_unit, self.with_titles = words.and_(), words.of_unit(), words.with_titles()

    def digest(self, desk: Desk, phases: list[str]) -> tuple[str, list[str]]:
        """Subject and lines."""
        parts: list[str] = []
        lines: list[str] = []
        if desk.places:
            parts, lines = self._sums(desk.places)
        if desk.ups:
            named = {(place.drive.pk, place.unit) for place in desk.places}
            if others := {up.owed.unit for up in desk.ups if (up.owed.campaign, up.owed.unit) not in named}:
                parts.append(words.passed_up(len(others)))
            # The highest step of each; what is his own anyway is said below, unless somebody was told before him.
            last = {(up.owed.campaign, up.owed.unit, up.owed.due_on): up for up in desk.ups}
            ups = [up for (campaign, unit, _), up in last.items() if up.before or (campaign, unit) not in named]
            lines += some([self._up(up) for up in sorted(ups, key=lambda up: (-up.days, up.owed.unit))])
        if desk.still:
            lines.append(words.still(len(desk.still)))
        if desk.facts:
            parts.append(words.happened(len(desk.facts)))
            lines += some([self.fact(fact) for fact in desk.facts], words.more_said)
        lines += self.owed(desk.places)
        if desk.asked:
            parts.append(words.values(sum(one.tasks for one in desk.asked)))
            asked = sorted(desk.asked, key=lambda one: (one.due_on, one.unit))
            lines += some([words.value(self._unit(one.unit), count=one.tasks, by=one.due_on) for one in asked])
        if desk.gates:
            parts.append(words.gates(len(desk.gates)))
            lines += [self._gate(phase, units) for _, phase, units in desk.gates]
        if phases:
            parts += [] if parts else [words.begins_or_ends()]
            lines += phases
        if desk.boards:
            parts += [] if parts else [words.this_week()]
            for board in desk.boards:
                lines.append(words.board(self._unit(board.unit), board.counts))
                if board.worst:
                    lines.append(words.worst(board.worst))
        if desk.vacant:
            units = [self._unit(unit) for _, unit in desk.vacant]
            parts += [] if parts else [words.vacant(len(units))]
            lines.append(words.vacancies(units[:NAMED], len(units)))
        return self.subject(tuple(parts) or (words.still(len(desk.still)),)), lines

    def group(self, places: list[Place]) -> tuple[str, list[str]]:
        """Subject and lines for those who share the work of several units."""
        parts, lines = self._sums(places)
        return self.subject(tuple(parts)), lines + self.owed(places, names=True)

    def _sums(self, places: list[Place]) -> tuple[list[str], list[str]]:
        """What belongs into the subject, and the first line."""
        late, near = sum(place.late for place in places), sum(place.near for place in places)
        ahead = max(place.drive.rule.ahead for place in places)
        return [*self.owing(late, near)], [self.summary(late, near, ahead, min(place.first for place in places))]

    def owed(self, places: list[Place], names: bool = False) -> list[str]:
        """Unit by unit, the most urgent first."""
        if len(places) == 1 and not names:
            return [self._place(places[0])]
        most: dict[str, tuple[bool, date, int, str]] = {}
        for place in places:
            most[place.unit] = min(most.get(place.unit, place.need), place.need)
        several = len({place.drive.pk for place in places}) > 1
        ordered = sorted(places, key=lambda place: (most[place.unit], place.need))
        lines = []
        for place in ordered[: words.MOST_LINES]:
            line = self._place(place)
            if names and (answers := self.f.answers.get((place.drive.pk, place.unit))):
                who = next(answers[kind] for kind in KINDS if kind in answers)
                line = words.answered_by(line, self._name(who))
            lines.append(words.of_campaign(line, place.drive.title) if several else line)
        return lines + ([words.more(len(ordered) - len(lines))] if len(ordered) > len(lines) else [])

    def _place(self, place: Place) -> str:
        key = place.drive.pk, place.unit
        line = self.lines.get(key)
        if line is None:
            what = [self.late_since(place.late, place.late_since)] if place.late_since else []
            what += [self.due_by(place.near, place.near_by)] if place.near_by else []
            what += [self.of_them_veto(place.vetoes)] if place.vetoes else []
            what += [self.without_value(place.valueless)] if place.valueless else []
            line = self.of_unit % {"unit": self._unit(place.unit), "what": self.and_.join(what)}
            line = self.lines[key] = self._with_titles(line, place.groups, place.late + place.near)
        return line

    def _with_titles(self, line: str, groups: list[Owed], tasks: int) -> str:
        """A line and up to three items by name, those of the earliest day first, and among these the veto items."""
        ranks: list[int] = []
        for owed in sorted(groups, key=_due_on) if len(groups) > 1 else groups:
            ranks += sorted([self.ranks[int(item)] for item in owed.items.split()])[: 3 - len(ranks)]
            if len(ranks) == 3:
                break
        if not ranks:
            return line
        titles = tuple([self.titles[rank] for rank in ranks])
        return self.with_titles % {"line": line, "items": self.some_of(titles, len(titles) == tasks)}

    def _unit(self, code: str) -> str:
        return self.f.units.get(code, "")

    def _name(self, cadre: int) -> str:
        return self.f.people.get(cadre, "")

    def _up(self, up: Up) -> str:
        before = [(one.on, self._name(one.cadre)) for one in sorted(up.before)]
        line = words.step(self._unit(up.owed.unit), count=up.owed.tasks, days=up.days, before=before)
        return self._with_titles(line, [up.owed], up.owed.tasks)

    def _gate(self, phase: Stretch, units: dict[str, int]) -> str:
        named = [self._unit(unit) for unit in sorted(units, key=lambda unit: (-units[unit], unit))]
        return words.gate(
            phase.title,
            phase.ends_on,
            tasks=sum(units.values()),
            units=named[:NAMED],
            more_units=len(named[NAMED:]),
        )

    def fact(self, fact: Fact) -> str:
        """What happened, in one line."""
        return words.fact(
            fact.what,
            unit=self._unit(fact.unit),
            who=self._name(fact.by),
            item=fact.item,
            said=fact.said,
            on=fact.day,
        )


def some(lines: list[str], more: Callable[[int], str] = words.more) -> list[str]:
    """As many as a message holds, and how many more there are."""
    rest = len(lines) - words.MOST_LINES
    return [*lines[: words.MOST_LINES], more(rest)] if rest > 0 else lines
