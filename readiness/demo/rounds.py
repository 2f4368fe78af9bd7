"""Who went on rounds in the demo and what they saw: some are over, two wait. Told with the story, written after it."""

import uuid
from datetime import datetime, timedelta
from itertools import groupby

from checklists.findings import open_finding
from checklists.models import Campaign, Check, Finding, Item, Round, State, Task
from readiness.demo.people import LIAISON, TOWN, Roster
from readiness.demo.story import Story, number_of, office_time
from readiness.demo.words import NOT_SO, RETURNED, UNSEEN
from villages.access import Role
from villages.models import Cadre

VISITED = 3  # villages of each township
LOOKED_AT = 8  # claims on a visit
FAILING, HIDDEN = 0.08, 0.03  # chances that one does not hold, and that it could not be seen
WHY = "巡回督查：还没有去检查过"
DAY_LONG = 36_000  # seconds of office hours


class Rounds:
    """Visits told in memory: what does not hold goes back in the story, so this comes before it is written."""

    def __init__(self, story: Story, campaign: Campaign, supervisor: Cadre, admin: Cadre) -> None:
        self.story, self.campaign, self.admin = story, campaign, admin
        self.supervisor = supervisor
        self.visits: list[tuple[Round, list[Check]]] = []
        self.waiting: list[tuple[Round, list[Cadre], list[Item]]] = []

    def tell(self, tasks: list[Task], town: Cadre) -> None:
        """Some villages of every township were visited, and two are to be: one by somebody from another township."""
        rng = self.story.rng
        villages = {code: list(owed) for code, owed in groupby(tasks, key=lambda task: task.unit_id) if len(code) == 12}
        left = [code for code in villages if code not in LIAISON]
        for _township, codes in groupby(left, key=lambda code: code[:9]):
            there = list(codes)
            for code in rng.sample(there, min(VISITED, len(there))):
                self._visit(code, villages[code], ago=rng.randint(1, 6))
        been = {visit.unit_id for visit, _checks in self.visits}
        next_ones = [code for code in left if code not in been and not code.startswith(TOWN)]
        for code, people in zip(rng.sample(next_ones, 2), ([town, self.supervisor], [self.admin]), strict=True):
            visit = self._round(code, made_at=self._time(1), on=self.story.on)
            self.waiting.append((visit, people, [task.item for task in villages[code]][:10]))

    def _visit(self, code: str, tasks: list[Task], *, ago: int) -> None:
        """One that is over: of what was claimed before that day some is looked at."""
        rng, day = self.story.rng, self.story.on - timedelta(days=ago)
        claims = [task for task in tasks if task.done_at and _last(task) < office_time(day)]
        if not claims:
            return
        visit = self._round(code, made_at=self._time(ago + 1), on=day)
        visit.finished_by, visit.finished_at = self.supervisor, office_time(day, DAY_LONG + 1)
        checks = []
        for task in rng.sample(claims, min(LOOKED_AT, len(claims))):
            was, chance = task.state, rng.random()
            result, remark, at = Check.Result.HOLDS, "", office_time(day, rng.randrange(DAY_LONG))
            if chance < FAILING:
                result, remark = Check.Result.FAILS, RETURNED.get(number_of(task.item), NOT_SO)
                at = self.story.change(task, State.RETURNED, self.supervisor, ago, remark)
            elif chance > 1 - HIDDEN:
                result, remark = Check.Result.UNSEEN, UNSEEN
            checks.append(
                Check(id=self._number(), task=task, result=result, remark=remark, by=self.supervisor, at=at, was=was)
            )
        self.visits.append((visit, checks))

    def write(self, roster: Roster) -> None:
        """All rounds and checks, and a finding for each that does not hold."""
        waiting = [visit for visit, _people, _items in self.waiting]
        Round.objects.bulk_create([*(visit for visit, _checks in self.visits), *waiting])
        for visit, checks in self.visits:
            visit.inspectors.set([self.supervisor])
            for check in checks:
                check.round = visit
        for visit, people, items in self.waiting:
            visit.inspectors.set(people)
            visit.items.set(items)
        every = [check for _visit, checks in self.visits for check in checks]
        Check.objects.bulk_create(every)
        for check in (check for check in every if check.result == Check.Result.FAILS):
            there = roster.at[check.task.unit_id, Role.VILLAGE_CADRE]
            open_finding(
                by=check.by,
                event=self._number(),
                campaign=self.campaign,
                unit=check.task.unit,
                source=Finding.Source.MOCK,
                what=check.remark,
                task=check.task,
                check=check,
                responsible=there[0] if there else None,
                found_on=check.at.date(),
            )

    def _round(self, code: str, *, made_at: datetime, **fields: object) -> Round:
        given = {"campaign": self.campaign, "unit_id": code, "rhythm": Round.Rhythm.PATROL, "why": WHY}
        return Round(**given, made_by=self.admin, made_at=made_at, **fields)

    def _time(self, ago: int) -> datetime:
        return office_time(self.story.on - timedelta(days=ago), self.story.rng.randrange(DAY_LONG))

    def _number(self) -> uuid.UUID:
        return uuid.UUID(int=self.story.rng.getrandbits(128), version=4)


def _last(task: Task) -> datetime:
    """When a claim was last changed."""
    return max(at for at in (task.done_at, task.verified_at) if at is not None)
