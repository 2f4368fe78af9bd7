"""Who is owed which words, as of a moment: calendars in, messages out."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation
from hypothesis import given, settings
from hypothesis import strategies as st

from checklists.workdays import is_workday
from readiness.boards.light import Counts
from readiness.reminders import words
from readiness.reminders.calendars import on_or_before
from readiness.reminders.known import (
    Asked,
    Board,
    Drive,
    Fact,
    Figures,
    Message,
    Owed,
    Robot,
    Rule,
    Stretch,
    Taken,
    Told,
)  # fmt: skip
from readiness.reminders.plan import plan
from readiness.reminders.stages import is_reached

WEDNESDAY, ONE = date(2026, 6, 10), timedelta(days=1)
FIRST, DIRECT, LINKED, LEAD, ADMIN, MAYOR = range(1, 7)
NAMES = {FIRST: "一一", DIRECT: "二二", LINKED: "三三", LEAD: "四四", ADMIN: "五五", MAYOR: "六六"}
OAK, ELM = "511504101201", "511504101202"
KINDS = {"first": FIRST, "direct": DIRECT, "linked": LINKED, "lead": LEAD}
DRIVE = Drive(1, "普查", "511504", date(2026, 5, 1))


def day(n: int) -> date:
    return WEDNESDAY + timedelta(days=n)


def at(hour: int, minute: int = 0) -> datetime:
    return timezone.make_aware(datetime(2026, 6, 10, hour, minute))


def figures(**changed: Any) -> Figures:
    """One campaign, four who answer for Oak, an admin; nothing owed."""
    base = Figures(
        on=WEDNESDAY,
        drives={1: DRIVE},
        answers={(1, OAK): KINDS},
        admins=[("511504", ADMIN)],
        units={OAK: "橡村", ELM: "榆村", "511504": "叙州区"},
        items={n: f"第{n}项" for n in range(1, 10)},
        people=NAMES,
    )
    return replace(base, **changed)


def owed(due: int, tasks: int = 1, unit: str = OAK, **fields: Any) -> Owed:
    return Owed(1, unit, day(due), tasks, items=" ".join(map(str, range(1, tasks + 1))), **fields)


def digests(found: Figures) -> dict[int, Message]:
    messages = [message for message in plan(found).messages if message.rule == "digest" and message.cadre]
    assert len({message.cadre for message in messages}) == len(messages)
    return {message.cadre: message for message in messages if message.cadre}


def said(found: Figures, cadre: int) -> str:
    message = digests(found)[cadre]
    return "\n".join([message.subject, *message.lines])


# --- Stages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "is_told"),
    [(8, 0), (7, 1), (6, 0), (4, 0), (3, 1), (2, 0), (1, 1), (0, 1), (-1, 1), (-2, 0)],
)
def test_a_deadline_is_told_a_week_three_days_and_a_day_ahead_and_on_the_day(due: int, is_told: int) -> None:
    """To whom was told yesterday: Tuesday. What was due on Monday is overdue for two working days: told already."""
    assert is_reached(Rule(), day(due), on=WEDNESDAY, last=day(-1)) == bool(is_told)


def test_the_overdue_is_told_on_the_first_working_day_and_every_second() -> None:
    monday = date(2026, 6, 8)
    told = [n for n in range(1, 15) if is_reached(Rule(), monday, on=monday + n * ONE, last=monday + (n - 1) * ONE)]
    assert told == [1, 3, 7, 9, 14]  # Tuesday, Thursday, Monday, Wednesday; then Friday is a holiday: Monday


def test_a_stage_on_a_day_off_comes_before_it() -> None:
    sunday = date(2026, 6, 14)
    friday = date(2026, 6, 12)
    assert is_reached(Rule(days_before=(0,)), sunday, on=friday, last=friday - timedelta(1))
    assert not is_reached(Rule(days_before=(0,)), sunday, on=friday - timedelta(1), last=None)


@given(
    due=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    on=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    gap=st.one_of(st.none(), st.integers(0, 30)),
    days=st.lists(st.integers(0, 40), max_size=5),
    every=st.integers(1, 9),
)
def test_reached_is_what_a_walk_through_the_days_finds(
    due: date, on: date, gap: int | None, days: list[int], every: int
) -> None:
    last = None if gap is None else on - timedelta(days=gap)
    expected = False
    passed = 0
    walked = min(due - timedelta(days=60), on - timedelta(days=60))
    while walked < on:
        walked += timedelta(days=1)
        is_new = last is None or walked > last
        if walked > due and is_workday(walked):
            passed += 1
            expected |= is_new and (passed - 1) % every == 0
        if on <= due:
            expected |= is_new and any(on_or_before(due - timedelta(days=n)) == walked for n in days)
    assert is_reached(Rule(tuple(days), every), due, on=on, last=last) == expected


# --- Digests ----------------------------------------------------------------------------------------


def test_those_who_answer_are_told_and_the_leader_is_left_in_peace() -> None:
    assert digests(figures(owed=[owed(1)])).keys() == {FIRST, DIRECT, LINKED}
    drive = replace(DRIVE, rule=Rule(kinds=frozenset({"lead"}), steps=()))
    assert digests(figures(owed=[owed(1)], drives={1: drive})).keys() == {LEAD}


def test_whoever_answers_twice_counts_once() -> None:
    found = figures(owed=[owed(-1), owed(1, 2)], answers={(1, OAK): {"first": FIRST, "direct": FIRST}})
    with translation.override("zh-hans"):
        assert digests(found)[FIRST].subject == "迎检准备：1项任务逾期，2项任务即将到期"


def test_what_goes_out_shows_everything_the_most_urgent_first() -> None:
    found = figures(
        owed=[owed(-1, 2), owed(5, 1, unit=ELM), owed(-3, 1, unit=ELM, vetoes=1), owed(9)],
        answers={(1, OAK): KINDS, (1, ELM): KINDS},
    )
    message = digests(found)[FIRST]
    text = "\n".join(message.lines)
    assert text.index("榆村") < text.index("橡村")
    assert (message.path, message.about) == ("/tasks/", (1,))
    assert "6月7日" in message.lines[0]  # the earliest deadline
    with translation.override("en"):  # what is due in nine days is not announced yet
        assert digests(found)[FIRST].subject == "Inspection readiness: 3 tasks overdue, 1 task due soon"


def test_nothing_is_told_on_days_off_or_before_the_hour_or_twice() -> None:
    due = [owed(-1)]
    assert plan(figures(on=date(2026, 6, 13), owed=due)).messages == []
    assert plan(figures(owed=due, now=at(7, 59))).messages == []
    assert len(plan(figures(owed=due, now=at(8))).messages) == 3
    told = {cadre: Told(None, True) for cadre in NAMES}
    assert plan(figures(owed=due, told=told)).messages == []


def test_what_is_not_reached_is_not_told_again() -> None:
    yesterday = {cadre: Told(day(-1)) for cadre in NAMES}
    assert digests(figures(owed=[owed(2)], told=yesterday)) == {}
    assert digests(figures(owed=[owed(2), owed(3)], told=yesterday)).keys() == {FIRST, DIRECT, LINKED}


def test_a_waiting_digest_of_an_earlier_day_gives_way() -> None:
    """To today's, whether a stage is reached or not; or to nothing, if nothing is owed any more."""
    waits = {FIRST: Told(day(-1), waits=True, unsaid=day(-1))}
    found = plan(figures(owed=[owed(2)], told=waits))
    assert FIRST in found.outdated
    assert FIRST in {message.cadre for message in found.messages}
    found = plan(figures(told=waits))
    assert (found.idle, found.messages) == ([FIRST], [])


def test_todays_that_waits_says_how_things_stand_or_is_not_sent() -> None:
    waits = {FIRST: Told(None, True, waits_today=True, unsaid=WEDNESDAY)}
    found = plan(figures(told=waits))
    assert (found.idle, found.reworded) == ([FIRST], [])
    found = plan(figures(owed=[owed(2, 4)], told=waits))
    assert found.idle == []
    assert [(message.cadre, message.rule) for message in found.reworded] == [(FIRST, "digest")]
    assert "4项任务即将到期" in found.reworded[0].subject
    # One that may have arrived is not put into other words, and what was said is said.
    for told in (Told(None, True, waits_today=True), Told(None, True)):
        assert plan(figures(owed=[owed(2)], told={FIRST: told})).reworded == []


def test_one_put_off_until_this_morning_says_how_things_stand_before_the_hour_strikes() -> None:
    waits = {FIRST: Told(day(-1), waits=True, unsaid=day(-1), said=day(-5))}
    found = plan(figures(owed=[owed(2)], told=waits, now=at(7, 30)))
    assert (found.outdated, found.idle, found.messages) == ([], [], [])
    assert [message.cadre for message in found.reworded] == [FIRST]
    assert plan(figures(told=waits, now=at(7, 30))).idle == [FIRST]


def test_what_a_waiting_digest_tells_of_it_goes_on_telling_and_no_more() -> None:
    """News and steps are told once: by the digest that goes out, whatever words it has by then."""
    told, new = fact("returned", "r:1", said="重做"), fact("returned", "r:2", said="还有")
    steps_taken = {(1, OAK, day(-7)): [Taken(1, DIRECT, day(-4)), Taken(2, LINKED, WEDNESDAY)]}
    found = plan(
        figures(
            owed=[owed(-7)],
            facts=[told, new],
            taken=steps_taken,
            told={c: Told(day(-1), True, waits_today=True, unsaid=WEDNESDAY, said=day(-1)) for c in (DIRECT, LINKED)},
            news={(DIRECT, key) for key in ("r:1", "d:r:1", "r:2")},
            unsaid={(DIRECT, "d:r:1")},
        )
    )
    said = {message.cadre: "\n".join(message.lines) for message in found.reworded}
    assert "重做" in said[DIRECT]
    assert "还有" not in said[DIRECT]  # tomorrow
    assert NAMES[DIRECT] in said[LINKED]  # who was told before him
    assert all(message.steps == message.news == () for message in found.reworded)


def test_a_waiting_digest_of_a_group_says_how_things_stand() -> None:
    robot = Robot(7, "wecom_robot", 1, OAK[:9], Told(None, True, waits_today=True, unsaid=WEDNESDAY))
    found = plan(figures(owed=[owed(2, 4)], robots=[robot]))
    assert ["4项任务即将到期" in message.subject for message in found.reworded if message.robot] == [True]
    found = plan(figures(robots=[robot]))
    assert (found.idle_groups, found.reworded) == ([7], [])


def test_a_long_list_ends_with_how_many_more() -> None:
    units = {f"5115041012{n:02}": f"第{n}村" for n in range(30)}
    found = figures(
        owed=[owed(-1, unit=code) for code in units],
        answers={(1, code): {"first": FIRST} for code in units},
        units=units,
    )
    with translation.override("en"):
        lines = digests(found)[FIRST].lines
    assert lines[-1] == "… and 10 more units"
    assert len(lines) == 22


def test_several_campaigns_are_told_apart_and_in_one_message() -> None:
    other = replace(DRIVE, pk=2, title="创卫")
    found = figures(
        owed=[owed(-1), owed(-1)._replace(campaign=2)],
        drives={1: DRIVE, 2: other},
        answers={(1, OAK): {"first": FIRST}, (2, OAK): {"first": FIRST}},
    )
    message = digests(found)[FIRST]
    assert message.about == (1, 2)
    assert Counter(word for line in message.lines for word in ("普查", "创卫") if word in line) == {
        "普查": 1,
        "创卫": 1,
    }


# --- Steps up ---------------------------------------------------------------------------------------


def steps(found: Figures) -> dict[int, list[int]]:
    """Step -> who takes it."""
    taken: dict[int, list[int]] = {}
    for message in plan(found).messages:
        for step in message.steps:
            taken.setdefault(step.step, []).append(message.cadre or 0)
    return taken


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (0, {}),
        (-1, {1: [DIRECT]}),  # Tuesday: one working day
        (-2, {1: [DIRECT]}),
        (-5, {1: [DIRECT], 2: [LINKED]}),  # Friday: three working days
        (-7, {1: [DIRECT], 2: [LINKED], 3: [LEAD]}),
    ],
)
def test_the_next_one_up_hears_after_one_three_and_five_working_days(due: int, expected: dict[int, list[int]]) -> None:
    assert steps(figures(owed=[owed(due)])) == expected


def test_each_step_is_taken_once_and_says_who_was_told_before() -> None:
    before = [Taken(1, DIRECT, day(-6)), Taken(2, LINKED, day(-2))]
    found = figures(owed=[owed(-7, 4)], taken={(1, OAK, day(-7)): before}, told={c: Told(day(-1)) for c in NAMES})
    assert steps(found) == {3: [LEAD]}
    with translation.override("en"):
        text = said(found, LEAD)
    assert "4 tasks overdue for 5 working days; told before: 二二 on 6/4; 三三 on 6/8" in text
    found = replace(found, taken={(1, OAK, day(-7)): [*before, Taken(3, LEAD, WEDNESDAY)]})
    assert steps(found) == {}


def test_a_vacant_kind_passes_on_to_the_next_one_up() -> None:
    late = [owed(-5)]
    assert steps(figures(owed=late, answers={(1, OAK): {"first": FIRST, "lead": LEAD}})) == {1: [LEAD], 2: [LEAD]}
    alone = {(1, OAK): {"first": FIRST}}
    mayor = [("511504101", MAYOR), ("511504", ADMIN)]
    assert steps(figures(owed=late, answers=alone, leaders=mayor)) == {1: [MAYOR], 2: [MAYOR]}
    assert steps(figures(owed=late, answers=alone)) == {1: [ADMIN], 2: [ADMIN]}
    assert steps(figures(owed=late, answers=alone, admins=[])) == {}  # nobody yet: it is taken once there is somebody


def test_no_step_is_taken_by_a_message_that_cannot_go_out() -> None:
    assert steps(figures(owed=[owed(-1)], told={DIRECT: Told(None, True)})) == {}
    assert steps(figures(owed=[owed(-1)], now=at(7))) == {}
    off = replace(DRIVE, rule=Rule(steps=()))
    assert steps(figures(owed=[owed(-9)], drives={1: off})) == {}


# --- Everything else --------------------------------------------------------------------------------


def test_leaders_get_their_board_once_a_week() -> None:
    board = Board(1, "511504", Counts(open=5, done=12, verified=30, overdue=4), (("橡村", Counts(open=4, overdue=4)),))
    found = figures(boards=[board], leaders=[("511504", MAYOR)])
    with translation.override("en"):
        message = digests(found)[MAYOR]
    assert "12 claimed, 30 verified, 4 overdue, of 47" in message.lines[0]  # two numbers, never one
    assert "橡村" in message.lines[1]
    assert message.path == "/campaigns/1/"
    for last, is_told in [(date(2026, 6, 5), True), (date(2026, 6, 8), False)]:
        assert bool(digests(replace(found, told={MAYOR: Told(last)}))) is is_told
    never = replace(DRIVE, rule=Rule(weekly_on=None))
    assert digests(replace(found, drives={1: never})) == {}


def test_a_phase_that_begins_or_ends_is_one_line_to_those_who_answer() -> None:
    phase = Stretch("自查", WEDNESDAY, date(2026, 6, 14))
    found = figures(drives={1: replace(DRIVE, phases=(phase,))})
    assert digests(found).keys() == {FIRST, DIRECT, LINKED}
    assert ["自查" in line for line in digests(found)[FIRST].lines] == [True]
    told = {cadre: Told(WEDNESDAY) for cadre in NAMES}
    assert digests(replace(found, on=day(1), told=told)) == {}
    # It ends on a Sunday: the Friday before is the day to say so.
    assert digests(replace(found, on=day(2), told=told)).keys() == {FIRST, DIRECT, LINKED}


def test_a_gate_that_is_not_met_is_told_to_lead_and_admin_from_a_working_day_before() -> None:
    phase = Stretch("自查", date(2026, 5, 1), day(1), {OAK: 3})
    found = figures(drives={1: replace(DRIVE, phases=(phase,))})
    assert digests(found).keys() == {LEAD, ADMIN}
    assert "橡村" in said(found, LEAD)
    assert digests(replace(found, on=day(-1))) == {}
    met = figures(drives={1: replace(DRIVE, phases=(replace(phase, gates={}),))})
    assert digests(met).keys() <= {FIRST, DIRECT, LINKED}


def test_values_are_asked_for_before_they_are_due() -> None:
    week = Asked(1, OAK, date(2026, 6, 14), "week", 2)  # Sunday: asked for on Thursday and Friday
    assert digests(figures(asked=[week])) == {}
    assert digests(figures(asked=[week], on=day(1))).keys() == {FIRST, DIRECT, LINKED}
    told = {cadre: Told(day(1)) for cadre in NAMES}
    assert digests(figures(asked=[week], on=day(2), told=told)).keys() == {FIRST, DIRECT, LINKED}
    assert digests(figures(asked=[Asked(1, OAK, WEDNESDAY, "day", 1)], told={FIRST: Told(day(-1))})).keys()


def test_a_vacancy_is_told_once_to_whoever_runs_the_campaign() -> None:
    found = figures(vacant=[(1, OAK), (1, ELM)])
    message = digests(found)[ADMIN]
    assert message.news == (f"vacant:1:{OAK}", f"vacant:1:{ELM}")
    assert message.path == "/campaigns/1/setup/answers/"
    found = replace(found, news={(ADMIN, key) for key in message.news})
    assert digests(found) == {}


def fact(what: str, key: str = "x:1", **fields: Any) -> Fact:
    return Fact(key, what, 1, OAK, 7, "第1项", fields.pop("by", ADMIN), fields.pop("said", "为什么"), **fields)


@pytest.mark.parametrize(
    ("one", "hearers"),
    [
        (fact("returned"), {FIRST, DIRECT}),
        (fact("returned", by=DIRECT), {FIRST}),
        (fact("chased", by=LEAD), {FIRST, DIRECT}),
        (fact("asked_time", by=FIRST), {LINKED}),
        (fact("asked_help", by=FIRST), {LINKED}),
        (fact("asked_help", by=LINKED), {LEAD}),
        (fact("help_late", by=FIRST), {LEAD}),
        (fact("answered_help", by=LINKED, to=FIRST), {FIRST}),
        (fact("given_time", by=LINKED, to=LINKED), set()),
    ],
)
def test_news_goes_to_whom_it_concerns_and_not_to_whose_doing_it_was(one: Fact, hearers: set[int]) -> None:
    found = plan(figures(facts=[one], now=at(7))).messages
    assert {message.cadre for message in found} == hearers
    for message in found:
        urgent = one.what in ("chased", "asked_help", "help_late", "answered_help")
        assert (message.urgent, message.inbox_only) == (urgent, not urgent)
        assert message.rule == ("news-0700")
        assert message.path == "/tasks/7/"
    told = {(cadre, one.key) for cadre in hearers}
    assert plan(figures(facts=[one], now=at(7), news=told)).messages == []


def test_news_is_bundled_and_the_next_digest_tells_what_the_inbox_had() -> None:
    facts = [fact("returned", "returned:a"), fact("returned", "returned:b"), fact("chased", "chase:1", by=LEAD)]
    early = [message for message in plan(figures(facts=facts, now=at(7, 45))).messages if message.cadre == FIRST]
    assert [(m.rule, m.news) for m in early] == [("news-0745", ("returned:a", "returned:b", "chase:1"))]
    found = figures(facts=facts, now=at(8), news={(FIRST, fact.key) for fact in facts})
    message = digests(found)[FIRST]
    assert message.news == ("d:returned:a", "d:returned:b")
    # Said by the digest at once, it is no second message in the inbox.
    later = plan(figures(facts=facts[:1], now=at(9), told={DIRECT: Told(None, True)})).messages
    assert sorted((m.cadre, m.rule) for m in later) == [(FIRST, "digest"), (DIRECT, "news-0900")]


def test_a_group_hears_once_a_day_who_answers_for_what() -> None:
    robot = Robot(5, "wecom_robot", 1, "511504101")
    found = figures(owed=[owed(-1, 2), owed(-1, unit="511504102201")], robots=[robot])
    (message,) = [message for message in plan(found).messages if message.rule == "group"]
    assert message.cadre is None
    assert "橡村" in "\n".join(message.lines)
    assert "一一" in "\n".join(message.lines)
    assert "511504" not in "\n".join([message.subject, *message.lines])
    with translation.override("zh-hans"):
        assert "2项任务逾期" in next(m for m in plan(found).messages if m.rule == "group").subject
    assert not [m for m in plan(replace(found, robots=[robot._replace(told=Told(None, True))])).messages if m.robot]


# --- Words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{0.__class__}", "{{ settings }}", "%(x)s %d %", "${7*7}", "<script>"])
def test_what_people_type_stays_what_it_is(text: str) -> None:
    assert words.plain(text) == text
    found = figures(owed=[owed(-7)], items={1: text}, units={OAK: text}, facts=[fact("returned", said=text)])
    assert text in said(found, FIRST)
    assert text in said(found, LEAD)


def test_a_line_is_one_line_and_hides_nothing() -> None:
    assert words.plain("迎检\r\nBcc: evil@example.org\n\u2028准\u202e备\x85\x00") == "迎检 Bcc: evil@example.org 准 备"


def test_numbers_of_telephones_and_persons_are_not_passed_on() -> None:
    assert words.plain("打13812345678或138-1234-5678，证号51150419800101123X") == "打***或***，证号***"
    assert words.plain("2026-06-10 12:00，知晓率90%") == "2026-06-10 12:00，知晓率90%"


@given(st.text(), st.integers(3, 60))
def test_a_text_is_cut_between_characters(text: str, longest: int) -> None:
    short = words.cut(text, longest)
    assert len(short.encode(errors="replace")) <= longest
    if len(text.encode(errors="replace")) <= longest:
        assert short == text
    else:
        assert short.endswith("…")
        assert text.startswith(short[:-1])


def test_a_subject_is_never_too_long() -> None:
    assert len(words.subject(["很长" * 100])) == 120


# --- Any course of events ---------------------------------------------------------------------------

PEOPLE = (11, 12, 13)
events = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1, 1, 1, 2, 3, 6])),  # days without a run
    st.tuples(st.just("run"), st.integers(0, 23)),  # at an hour
    st.tuples(st.just("done"), st.integers(0, 5)),
    st.tuples(st.just("moved"), st.integers(0, 5), st.integers(-8, 12)),
    st.tuples(st.just("replaced"), st.sampled_from(["first", "direct", "linked", "lead"]), st.sampled_from(PEOPLE)),
    st.tuples(st.just("vacated"), st.sampled_from(["direct", "linked", "lead"])),
    st.tuples(st.just("jump"), st.sampled_from([-2, -1, 1])),  # of the clock
    st.tuples(st.just("sent"), st.booleans()),  # what waits leaves the house
)


@dataclass
class World:
    """One village and what the outbox remembers of it, as the database would."""

    on: date = WEDNESDAY
    tasks: dict[int, date] = field(default_factory=dict)  # item -> due on, while it is owed
    kinds: dict[str, int] = field(default_factory=lambda: dict(KINDS))
    notices: dict[tuple[int, date], Message] = field(default_factory=dict)
    waiting: set[tuple[int, date]] = field(default_factory=set)
    taken: dict[tuple[int, str, date], list[Taken]] = field(default_factory=dict)

    def figures(self, hour: int) -> Figures:
        days = Counter(self.tasks.values())
        everybody = {*NAMES, *PEOPLE}
        told = {}
        for cadre in everybody:
            earlier = [on for who, on in self.notices if who == cadre and on < self.on]
            waits = any(who == cadre and on < self.on for who, on in self.waiting)
            today = (cadre, self.on)
            unsaid = min((on for who, on in self.waiting if who == cadre and on <= self.on), default=None)
            said = max((on for on in earlier if unsaid and on < unsaid), default=None)
            told[cadre] = Told(
                max(earlier, default=None), today in self.notices, waits, today in self.waiting, unsaid, said
            )
        return figures(
            on=self.on,
            now=timezone.make_aware(datetime(self.on.year, self.on.month, self.on.day, hour)),
            owed=[
                Owed(1, OAK, due, count, items=" ".join(str(item) for item, its in self.tasks.items() if its == due))
                for due, count in sorted(days.items())
            ],
            answers={(1, OAK): self.kinds},
            told=told,
            taken=self.taken,
        )

    def run(self, hour: int) -> None:
        before = self.figures(hour)
        found = plan(before)
        for cadre in found.outdated:
            self.waiting -= {(who, on) for who, on in self.waiting if who == cadre and on < self.on}
        self.waiting -= {(who, on) for who, on in self.waiting if who in found.idle and on <= self.on}
        for message in found.reworded:
            assert message.cadre is not None
            waits = [key for key in self.waiting if key[0] == message.cadre and key[1] <= self.on]
            assert waits
            for key in waits:
                self.notices[key] = message
        for message in found.messages:
            assert message.cadre is not None
            key = message.cadre, self.on
            assert key not in self.notices  # one a day
            self.notices[key] = message
            self.waiting.add(key)
            for step in message.steps:
                steps = self.taken.setdefault(step[:3], [])
                assert step.step not in {one.step for one in steps}  # once
                steps.append(Taken(step.step, message.cadre, self.on))
        if is_workday(self.on):  # what could go out now says nothing that is over
            going_out = [self.notices[key] for key in self.waiting if key[1] <= self.on]
            assert not any(f"第{item}项" in line for item in self.gone for one in going_out for line in one.lines)
        self.check(before, found.messages, hour)

    @property
    def gone(self) -> set[int]:
        return set(range(1, 7)) - self.tasks.keys()

    def check(self, before: Figures, messages: list[Message], hour: int) -> None:
        text = "\n".join(line for message in messages for line in message.lines)
        assert not any(f"第{item}项" in text for item in self.gone)  # what is done is not told
        if not is_workday(self.on) or hour < 8:
            assert not messages
            return
        reminded = {self.kinds[kind] for kind in ("first", "direct", "linked") if kind in self.kinds}
        for cadre in reminded:
            told = before.told[cadre]
            if told.today:
                continue
            reached = any(is_reached(Rule(), due, on=self.on, last=told.before) for due in self.tasks.values())
            if reached:
                assert (cadre, self.on) in self.notices  # told by the next run
        for owed in before.owed:
            passed = sum(is_workday(owed.due_on + timedelta(n + 1)) for n in range((self.on - owed.due_on).days))
            due = {step for step, days in enumerate((1, 3, 5), start=1) if passed >= days}
            taken = {one.step for one in self.taken.get((1, OAK, owed.due_on), [])}
            hearers = {self.kinds.get(kind, ADMIN) for kind in KINDS} | {ADMIN}
            if not any(before.told[cadre].today for cadre in hearers):
                assert due <= taken
        for cadre, on in self.waiting:
            if on < self.on:  # nothing of an earlier day waits for somebody who is told today
                assert (cadre, self.on) not in self.notices


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-6, 12), min_size=6, max_size=6),
    st.lists(events, max_size=25),
)
def test_whatever_happens_nobody_is_told_twice_and_nothing_reached_is_left_untold(
    due: list[int], happens: list[tuple[Any, ...]]
) -> None:
    world = World(tasks={item: day(n) for item, n in enumerate(due, start=1)})
    for what, *how in [*happens, ("run", 9)]:
        match what:
            case "pass" | "jump":
                world.on += timedelta(days=how[0])
            case "run":
                world.run(how[0])
            case "done":
                world.tasks.pop(how[0] + 1, None)
            case "moved" if how[0] + 1 in world.tasks:
                world.tasks[how[0] + 1] = day(how[1])
            case "replaced":
                world.kinds[how[0]] = how[1]
            case "vacated":
                world.kinds.pop(how[0], None)
            case "sent" if how[0]:
                world.waiting.clear()
