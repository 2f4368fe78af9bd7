"""Who is owed which words, as of a moment. Pure: figures in, messages out; no database, no clock.

A cadre gets one digest a day at most, on a working day on which something is reached that he has not been told yet.
What is reached follows from days alone, counted since his last digest, so that a run that was missed is made up for by
the next one, and what was done, waived or put off meanwhile is in no message. When a digest goes out it shows
everything. What happens to a task comes as news: in the inbox at once, urgent things by every way there is.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from functools import cached_property

from django.urls import reverse

from checklists.workdays import is_workday
from readiness.reminders import words
from readiness.reminders.calendars import shifted, worked
from readiness.reminders.desks import KINDS, Desk, Place, Said, Up, some
from readiness.reminders.hearing import HEARERS, URGENT, path_of
from readiness.reminders.known import (
    DIGEST,
    GROUP,
    UP,
    Board,
    Drive,
    Fact,
    Figures,
    Message,
    Owed,
    Plan,
    Robot,
    Step,
    Told,
)
from readiness.reminders.stages import asking_days, begun, gate_days, is_reached, weekly_stage

NOTHING = Told()
IN_DIGEST = "d:"  # before the key of news that a digest told, which the inbox had at once


def plan(figures: Figures) -> Plan:
    """The messages of a moment, and which waiting ones are no longer true."""
    return _Planner(figures).plan()


def news(figures: Figures) -> list[Message]:
    """Only what happened."""
    return _Planner(figures).news()


class _Planner:
    def __init__(self, figures: Figures) -> None:
        self.f = figures
        self.on = figures.on
        self.memo: dict[tuple[int, date, date | None], bool] = {}
        self.desks: defaultdict[int, Desk] = defaultdict(Desk)
        self.places: dict[tuple[int, str], Place] = {}
        self.said = Said(figures)
        self.begun: dict[tuple[int, date | None], list[str]] = {}
        self.overdue: dict[tuple[int, date], tuple[int, list[int]]] = {}
        self.my_tasks = reverse("my_tasks")
        self.told_before: defaultdict[tuple[int, str], set[int]] = defaultdict(set)  # by a step that was taken
        self.admins: dict[str, list[int]] = {}
        self.covered: set[tuple[int, str]] = set()
        self.leader_of: dict[str, int] = {}
        for unit, cadre in figures.leaders:
            self.leader_of.setdefault(unit, cadre)

    def plan(self) -> Plan:
        found = Plan()
        if is_workday(self.on):
            self._lay_out()
            for cadre, desk in self.desks.items():
                self._digest(cadre, desk, found)
            waiting = {c for c, told in self.f.told.items() if told.waits or told.waits_today} - self.desks.keys()
            found.idle.extend(waiting)
            for robot in self.f.robots:
                self._group(robot, found)
        found.messages.extend(self.news())
        return found

    # ---- Laying everything on the desks ---------------------------------------------------------------------------

    def _lay_out(self) -> None:
        until = {pk: shifted(self.on, drive.rule.ahead) for pk, drive in self.f.drives.items()}
        for owed in self.f.owed:
            drive = self.f.drives[owed.campaign]
            if owed.due_on > until[drive.pk]:
                continue
            key = owed.campaign, owed.unit
            place = self.places.get(key)
            if place is None:
                place = self.places[key] = Place(drive, owed.unit)
            place.add(owed, self.on)
            if owed.due_on < self.on:
                self._escalate(owed)
        for key, place in self.places.items():
            reminded = self._reminded(key)
            for cadre in reminded:
                self.desks[cadre].places.append(place)
            for cadre in self.told_before.get(key, set()) - reminded:
                if cadre in self._upwards(*key, 0):  # he has not moved on
                    self.desks[cadre].still.add(key)
        for asked in self.f.asked:
            if self.on < asking_days(asked.every, asked.due_on)[0]:
                continue
            for cadre in self._reminded((asked.campaign, asked.unit)):
                self.desks[cadre].asked.append(asked)
        if any(self._phases(drive, None) for drive in self.f.drives.values()):
            for (campaign, _unit), kinds in self.f.answers.items():
                drive = self.f.drives[campaign]
                for kind, cadre in kinds.items():
                    if kind in drive.rule.kinds:
                        self.desks[cadre].drives[campaign] = drive
        for drive in self.f.drives.values():
            self._lay_gates(drive)
        for campaign, unit in self.f.vacant:
            for cadre in self._admins(self.f.drives[campaign].host):
                if self._is_to_say(cadre, f"vacant:{campaign}:{unit}"):
                    self.desks[cadre].vacant.append((campaign, unit))
        leads = defaultdict(list)
        for unit, cadre in self.f.leaders:
            leads[unit].append(cadre)
        for board in self.f.boards:
            for cadre in leads[board.unit]:
                self.desks[cadre].boards.append(board)
        for fact in self.f.facts:
            for cadre in self._hearers(fact) if fact.what not in URGENT else ():
                if self._is_to_say(cadre, IN_DIGEST + fact.key):
                    self.desks[cadre].facts.append(fact)

    def _is_to_say(self, cadre: int, key: str) -> bool:
        """Whether no digest that went out has told it."""
        return (cadre, key) not in self.f.news or (cadre, key) in self.f.unsaid

    def _reminded(self, key: tuple[int, str]) -> set[int]:
        kinds = self.f.drives[key[0]].rule.kinds
        return {cadre for kind, cadre in self.f.answers.get(key, {}).items() if kind in kinds}

    def _escalate(self, owed: Owed) -> None:
        days, reached = self._steps(owed.campaign, owed.due_on)
        key = owed.campaign, owed.unit, owed.due_on
        before = self.f.taken.get(key) if self.f.taken else None
        if before:
            told_before = self.told_before[owed.campaign, owed.unit]
            for one in before:
                told_before.add(one.cadre)
                unsaid = self.f.told.get(one.cadre, NOTHING).unsaid
                if unsaid and one.on >= unsaid and one.cadre in self._upwards(owed.campaign, owed.unit, 0):
                    earlier = [each for each in before if each.step < one.step]
                    self.desks[one.cadre].ups.append(Up(owed, one.step, days, earlier, is_new=False))
            taken = {one.step for one in before}
            reached = [step for step in reached if step not in taken]
        for step in reached:
            told = next(self._upwards(owed.campaign, owed.unit, step), None)
            if told is not None and self._may_be_told(told, owed.campaign):
                self.desks[told].ups.append(Up(owed, step, days, before or []))

    def _steps(self, campaign: int, due_on: date) -> tuple[int, list[int]]:
        """For how many working days what was due on a day is overdue, and which steps that makes."""
        known = self.overdue.get((campaign, due_on))
        if known is None:
            days, rule = worked(due_on, self.on), self.f.drives[campaign].rule
            steps = [step for step, after in enumerate(rule.steps[:3], start=1) if days >= max(after, 1)]
            known = self.overdue[campaign, due_on] = days, steps
        return known

    def _upwards(self, campaign: int, unit: str, step: int) -> Iterator[int]:
        """From who answers at this step up, as far as there is somebody: then leaders by post, then who runs it."""
        kinds = self.f.answers.get((campaign, unit), {})
        yield from (kinds[kind] for kind in KINDS[step:] if kind in kinds)
        for places in range(len(unit), -1, -1):
            if unit[:places] in self.leader_of:
                yield self.leader_of[unit[:places]]
        yield from self._admins(self.f.drives[campaign].host)

    def _admins(self, host: str) -> list[int]:
        """Who runs campaigns of a unit: the nearest of them."""
        if host not in self.admins:
            there = [(unit, cadre) for unit, cadre in self.f.admins if host.startswith(unit)]
            nearest = max((len(unit) for unit, _ in there), default=0)
            self.admins[host] = [cadre for unit, cadre in there if len(unit) == nearest]
        return self.admins[host]

    def _lay_gates(self, drive: Drive) -> None:
        for phase in drive.phases:
            if not any(phase.gates.values()) or self.on < gate_days(phase)[0]:
                continue
            told: defaultdict[int, dict[str, int]] = defaultdict(dict)
            admins = self._admins(drive.host)
            for unit, count in phase.gates.items():
                lead = self.f.answers.get((drive.pk, unit), {}).get("lead")
                for cadre in {*admins, *([lead] if lead is not None else [])}:
                    told[cadre][unit] = count
            for cadre, units in told.items():
                self.desks[cadre].gates.append((drive, phase, units))

    # ---- One digest -----------------------------------------------------------------------------------------------

    def _may_be_told(self, cadre: int, campaign: int) -> bool:
        """Whether today's digest is still to come and its hour has struck."""
        told = self.f.told.get(cadre)
        return not (told and told.today) and self._has_struck([campaign])

    def _has_struck(self, campaigns: Iterable[int]) -> bool:
        now = self.f.now
        if now is None:
            return True
        return any(self.f.drives[campaign].rule.at <= now.time() for campaign in campaigns)

    def _digest(self, cadre: int, desk: Desk, found: Plan) -> None:
        told = self.f.told.get(cadre, NOTHING)
        if desk.still:
            desk.still -= {(up.owed.campaign, up.owed.unit) for up in desk.ups}
        phases: list[str] = []
        if desk.drives:
            desk.drives = {pk: drive for pk, drive in desk.drives.items() if self._phases(drive, told.last)}
            phases = [line for drive in desk.drives.values() for line in self._phases(drive, told.last)]
        desk.boards = [board for board in desk.boards if self._is_weekly(board, told.last)]
        campaigns = desk.campaigns
        is_early = bool(campaigns) and not self._has_struck(campaigns)
        if told.waits and not is_early:
            found.outdated.append(cadre)
        if told.today or (told.waits and is_early):
            self._reword(cadre, desk, phases, found)
            return
        if is_early:
            return
        fresh = (
            bool(desk.ups or desk.facts or desk.vacant or desk.boards or phases)
            or (told.waits and desk.is_standing)
            or any(self._is_reached(place, told.before) for place in desk.places)
            or any(self._is_due(told.before, asking_days(one.every, one.due_on)) for one in desk.asked)
            or any(self._is_due(told.before, gate_days(phase)) for _, phase, _ in desk.gates)
        )
        if not fresh:
            return
        keys = [f"vacant:{campaign}:{unit}" for campaign, unit in desk.vacant]
        for fact in desk.facts:
            keys += [IN_DIGEST + fact.key, fact.key]
            self.covered.add((cadre, fact.key))
        found.messages.append(
            replace(
                self._message(cadre, desk, phases),
                steps=tuple(Step(*up.owed[:3], up.step) for up in desk.ups if up.is_new),
                news=tuple(key for key in keys if (cadre, key) not in self.f.news),
            )
        )

    def _reword(self, cadre: int, desk: Desk, phases: list[str], found: Plan) -> None:
        """What waits says how things stand now, of what has happened only what it told; or it is not sent."""
        told = self.f.told.get(cadre, NOTHING)
        if not (told.waits or told.waits_today):
            return
        desk.facts = [fact for fact in desk.facts if (cadre, IN_DIGEST + fact.key) in self.f.unsaid]
        desk.vacant = [key for key in desk.vacant if (cadre, "vacant:{}:{}".format(*key)) in self.f.unsaid]
        if not (desk.is_standing or desk.ups or desk.vacant or phases):
            found.idle.append(cadre)
        elif told.unsaid:
            found.reworded.append(self._message(cadre, desk, phases))

    def _message(self, cadre: int, desk: Desk, phases: list[str]) -> Message:
        subject, lines = self.said.digest(desk, phases)
        campaigns = desk.campaigns
        return Message(
            rule=DIGEST,
            cadre=cadre,
            subject=subject,
            lines=tuple(lines),
            path=self._path(desk, campaigns),
            about=tuple(campaigns),
        )

    def _is_reached(self, place: Place, last: date | None) -> bool:
        for owed in place.groups:
            key = place.drive.pk, owed.due_on, last
            known = self.memo.get(key)
            if known is None:
                known = self.memo[key] = is_reached(place.drive.rule, owed.due_on, on=self.on, last=last)
            if known:
                return True
        return False

    def _is_due(self, last: date | None, days: Iterable[date]) -> bool:
        return any(day <= self.on and (last is None or day > last) for day in days)

    def _is_weekly(self, board: Board, last: date | None) -> bool:
        drive = self.f.drives[board.campaign]
        stage = weekly_stage(drive.rule, self.on)
        return stage is not None and drive.starts_on <= stage and self._is_due(last, [stage])

    def _phases(self, drive: Drive, last: date | None) -> list[str]:
        """Phases that have begun or end since the last digest; of a week at most, for who never had one."""
        known = self.begun.get((drive.pk, last))
        if known is None:
            several = len(self.f.drives) > 1
            known = self.begun[drive.pk, last] = begun(drive, self.on, last or shifted(self.on, -7), several=several)
        return known

    def _path(self, desk: Desk, campaigns: list[int]) -> str:
        if desk.places or desk.asked:
            return self.my_tasks
        if desk.facts and not (desk.ups or desk.boards):
            return path_of(desk.facts)
        if desk.vacant and not (desk.ups or desk.gates or desk.boards):
            return reverse("setup_answers", args=[desk.vacant[0][0]])
        return reverse("board", args=[campaigns[0]])

    # ---- Groups and news ------------------------------------------------------------------------------------------

    @cached_property
    def _by_unit(self) -> dict[int, tuple[list[str], list[Place]]]:
        """Campaign -> codes, and what these units owe, both by code."""
        found: defaultdict[int, list[Place]] = defaultdict(list)
        for place in sorted(self.places.values(), key=lambda place: place.unit):
            found[place.drive.pk].append(place)
        return {campaign: ([place.unit for place in places], places) for campaign, places in found.items()}

    def _group(self, robot: Robot, found: Plan) -> None:
        """One digest a day for the group of a township; one that waits says how things stand now, or is not sent."""
        told, is_early = robot.told, not self._has_struck([robot.campaign])
        waits = told.waits or told.waits_today
        if (told.today or is_early) and not waits:
            return
        codes, everywhere = self._by_unit.get(robot.campaign, ([], []))
        first, end = bisect_left(codes, robot.unit), bisect_left(codes, robot.unit + "\U0010ffff")
        places = everywhere[first:end]
        if not places:
            found.idle_groups.extend([robot.gateway] if waits else [])
        elif told.today or is_early:
            found.reworded.extend([self._to_group(robot, places)] if told.unsaid else [])
        else:
            found.outdated_groups.extend([robot.gateway] if waits else [])
            if waits or any(self._is_reached(one, told.before) for one in places):
                found.messages.append(self._to_group(robot, places))

    def _to_group(self, robot: Robot, places: list[Place]) -> Message:
        subject, lines = self.said.group(places)
        return Message(
            rule=GROUP,
            robot=robot,
            subject=subject,
            lines=(words.of_campaign(lines[0], self.f.drives[robot.campaign].title), *lines[1:]),
            path=reverse("board", args=[robot.campaign]),
            about=(robot.campaign,),
        )

    def _hearers(self, fact: Fact) -> list[int]:
        """Who is told, without whose doing it was."""
        if fact.to is not None:
            return [fact.to] if fact.to != fact.by else []
        kinds = self.f.answers.get((fact.campaign, fact.unit), {})
        wanted, without = HEARERS[fact.what], {fact.by, *fact.not_to}
        told = {kinds[kind] for kind in wanted if kind in kinds} - without
        if told and fact.what not in UP:
            return sorted(told)
        above = self._upwards(fact.campaign, fact.unit, KINDS.index(wanted[-1]))
        chain = list(dict.fromkeys(cadre for cadre in above if cadre not in without))
        return chain[1:2] if fact.what in UP else chain[:1]

    def news(self) -> list[Message]:
        """What happened, once to each: urgent things at once and everywhere, the rest in the inbox, hour by hour."""
        messages = []
        told: defaultdict[int, list[Fact]] = defaultdict(list)
        for fact in self.f.facts:
            for cadre in self._hearers(fact):
                if (cadre, fact.key) not in self.f.news and (cadre, fact.key) not in self.covered:
                    told[cadre].append(fact)
        for cadre, facts in told.items():
            urgent = any(fact.what in URGENT for fact in facts)
            at = f"{self.f.now:%H%M}" if self.f.now else "0000"
            messages.append(
                Message(
                    rule=f"news-{at if urgent else at[:2] + '00'}",
                    cadre=cadre,
                    subject=words.subject(words.kinds(fact.what for fact in facts)),
                    lines=tuple(some([self.said.fact(fact) for fact in facts], words.more_said)),
                    path=path_of(facts),
                    about=tuple(sorted({fact.campaign for fact in facts})),
                    urgent=urgent,
                    inbox_only=not urgent,
                    news=tuple(fact.key for fact in facts),
                )
            )
        return messages
