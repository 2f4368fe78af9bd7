"""What a plan is made of and what comes out of it. Plain values; read by figures.py, thought over by plan.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import NamedTuple

from readiness.boards.light import Counts

DIGEST, GROUP = "digest", "group"
# Who answers for the unit and hears of a finding, unless it is meant for one person.
_THERE, _DIRECT, _LINKED = ("first", "direct"), ("direct",), ("linked",)
OF_FINDINGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("finding_opened", "finding_sent_back", "finding_reopened", "finding_handed_over"), _THERE),
    **dict.fromkeys(("finding_gave_time", "finding_refused_time", "finding_upheld", "finding_dropped"), _DIRECT),
    **dict.fromkeys(("finding_fixed", "finding_asked_time", "finding_disputed", "finding_look"), _LINKED),
    **dict.fromkeys(("finding_waits", "finding_waits_up", "finding_look_late", "finding_look_late_up"), _LINKED),
    "finding_answered": _DIRECT,
    **dict.fromkeys(("finding_late", "finding_step_late"), _THERE),
    **dict.fromkeys(("finding_late_linked", "finding_step_late_linked"), _LINKED),
    **dict.fromkeys(("finding_late_lead", "finding_step_late_lead"), ("lead",)),
}
# What is for the next one up of those who hear of it, not for the first.
UP = frozenset({"finding_waits_up", "finding_look_late_up"})


OF_ROUNDS = frozenset({"sent_out", "relieved"})  # for inspectors, wherever they work
TO_DECIDE = frozenset({"proposed", "objected"})  # for leaders, about measures


@dataclass(frozen=True)
class Rule:
    """提醒规则 of a campaign; days of `steps` and `overdue_every` are working days."""

    days_before: tuple[int, ...] = (7, 3, 1, 0)
    overdue_every: int = 2
    kinds: frozenset[str] = frozenset({"first", "direct", "linked"})
    steps: tuple[int, ...] = (1, 3, 5)  # direct, linked, lead
    weekly_on: int | None = 0  # Monday
    at: time = time(8, 0)

    @property
    def ahead(self) -> int:
        """How many days ahead a deadline is announced."""
        return max(self.days_before, default=0)


@dataclass(frozen=True)
class Stretch:
    """A phase, and what its gates still wait for."""

    title: str
    starts_on: date
    ends_on: date
    gates: Mapping[str, int] = field(default_factory=dict)  # unit -> tasks of gate items that it still owes


@dataclass(frozen=True)
class Drive:
    """A running campaign."""

    pk: int
    title: str
    host: str
    starts_on: date
    rule: Rule = Rule()
    phases: tuple[Stretch, ...] = ()


class Owed(NamedTuple):
    """What one unit still owes by one day in one campaign."""

    campaign: int
    unit: str
    due_on: date
    tasks: int
    vetoes: int = 0
    valueless: int = 0  # measured, without a value so far
    items: str = ""  # their numbers as the database wrote them, with spaces between: only a few are ever read


class Asked(NamedTuple):
    """Values that a unit has yet to enter in the current day, week, month or quarter."""

    campaign: int
    unit: str
    due_on: date
    every: str
    tasks: int


class Taken(NamedTuple):
    """A step of escalation: who was told of it, and when."""

    step: int
    cadre: int
    on: date


class Told(NamedTuple):
    """What a cadre's (or group's) digests so far say."""

    before: date | None = None  # day of the last one of an earlier day
    today: bool = False
    waits: bool = False  # one of an earlier day has not left yet
    waits_today: bool = False  # today's has not
    # Of what waits: the day of the first that nobody outside can have seen, and of the last one before that.
    unsaid: date | None = None
    said: date | None = None

    @property
    def last(self) -> date | None:
        """Up to which day he was told what there was."""
        return self.said if self.unsaid else self.before


class Fact(NamedTuple):
    """Something that happened to a task, a finding, or a unit (`task` 0: a measure, which `item` then names)."""

    key: str  # under which News remembers who was told
    what: str  # a key of words.FACTS
    campaign: int
    unit: str
    task: int  # 0: it is about a whole unit
    item: str
    by: int  # whose doing it was: they are not told
    said: str = ""
    day: date | None = None
    to: int | None = None  # one cadre; None: those who answer for the unit, by what it is
    finding: int | None = None  # what happened to a finding, then `task` is 0
    not_to: frozenset[int] = frozenset()  # who may not do what it asks for


class Board(NamedTuple):
    """A leader's board in small."""

    campaign: int
    unit: str
    counts: Counts
    worst: tuple[tuple[str, Counts], ...]  # unit and counts, the one that needs people most first


class Robot(NamedTuple):
    """A group's robot."""

    gateway: int
    channel: str
    campaign: int
    unit: str
    told: Told = Told()


@dataclass(frozen=True)
class Figures:
    """All that a plan needs to know, as of one moment."""

    on: date
    now: datetime | None = None  # local; None: the day is not today, and its hours do not matter
    drives: Mapping[int, Drive] = field(default_factory=dict)
    owed: list[Owed] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    # (campaign, unit) -> kind -> cadre, only those who are in office
    answers: Mapping[tuple[int, str], Mapping[str, int]] = field(default_factory=dict)
    leaders: list[tuple[str, int]] = field(default_factory=list)  # unit and cadre; who answers first there comes first
    admins: list[tuple[str, int]] = field(default_factory=list)  # unit and cadre
    told: Mapping[int, Told] = field(default_factory=dict)
    taken: Mapping[tuple[int, str, date], list[Taken]] = field(default_factory=dict)
    vacant: list[tuple[int, str]] = field(default_factory=list)  # campaign and unit
    boards: list[Board] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    news: set[tuple[int, str]] | frozenset[tuple[int, str]] = frozenset()  # cadre and key of what was told before
    unsaid: set[tuple[int, str]] | frozenset[tuple[int, str]] = frozenset()  # of these, what a digest tells that waits
    robots: list[Robot] = field(default_factory=list)
    units: Mapping[str, str] = field(default_factory=dict)  # code -> the name as people say it
    items: Mapping[int, str] = field(default_factory=dict)  # titles, in the order in which they are named
    people: Mapping[int, str] = field(default_factory=dict)


class Step(NamedTuple):
    """A step of escalation that a message takes."""

    campaign: int
    unit: str
    due_on: date
    step: int


@dataclass(frozen=True)
class Message:
    """One planned notice, before it is known by which ways it goes."""

    rule: str
    subject: str
    lines: tuple[str, ...]
    path: str
    about: tuple[int, ...]  # campaigns
    cadre: int | None = None  # None: to a group
    robot: Robot | None = None
    urgent: bool = False
    inbox_only: bool = False
    steps: tuple[Step, ...] = ()
    news: tuple[str, ...] = ()  # keys that it tells of


@dataclass(frozen=True)
class Plan:
    """What goes out, and what becomes of digests that still wait."""

    messages: list[Message] = field(default_factory=list)
    reworded: list[Message] = field(default_factory=list)  # what those that wait say now
    outdated: list[int] = field(default_factory=list)  # cadres: those of earlier days are no longer sent
    idle: list[int] = field(default_factory=list)  # cadres: nor today's, for there is nothing left to say
    outdated_groups: list[int] = field(default_factory=list)  # gateways
    idle_groups: list[int] = field(default_factory=list)
