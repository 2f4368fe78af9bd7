"""Which villages were drawn in the demo, who went there and what they saw. Told with the story, written after it."""

import uuid
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from checklists import draws
from checklists.draws import recipe
from checklists.models import Campaign, Check, Draw, Item, Round, State, Task
from readiness.demo import findings
from readiness.demo.people import HOST, LIAISON, TOWN, Roster
from readiness.demo.story import Story, number_of, office_time
from readiness.demo.words import NOT_SO, RETURNED, UNSEEN
from readiness.draws import lists
from villages.access import Role
from villages.models import Cadre, Unit

VISITED = 3  # villages of each township
LOOKED_AT = 8  # claims on a visit
FAILING, HIDDEN = 0.08, 0.03  # chances that one does not hold, and that it could not be seen
ANNOUNCED = 9  # days ago; the villages were drawn the day after, and visited since
WHY = "还没有去检查过"  # as the proposal of a patrol says it
BESIDE = "第1次抽中的村还有几个没去，乡镇之间的交叉检查同时开始"
DAY_LONG = 36_000  # seconds of office hours
# What was wished of the draws, as DrawForm has it.
PATROL = {
    "kind": "village", "chances": "same", "repeat": "all", "last": None, "groups": "township", "take": VISITED,
    "counted": "group", "least": 0, "items": recipe.ALL, "take_items": None, "roles": ["supervisor"], "seats": 2,
    "rhythm": "patrol", "on": None,
}  # fmt: skip
# Where the first draw found most, more villages were drawn: there enough was looked at to tell.
LOOSE = "511504003"  # 赵场街道
CLOSER = PATROL | {"repeat": "none", "take": 14}
CLOSER_ANNOUNCED = 6
LOOSELY_FAILING = 0.3
ACROSS = PATROL | {"chances": "risk", "take": 1, "roles": ["township_staff"]}


class Rounds:
    """Visits told in memory: what does not hold goes back in the story, so this comes before it is written."""

    def __init__(self, story: Story, campaign: Campaign, roster: Roster) -> None:
        self.story, self.campaign = story, campaign
        self.admin, self.leader = roster.at[HOST, Role.CAMPAIGN_ADMIN][0], roster.at[HOST, Role.COUNTY_LEADER][1]
        self.supervisors = roster.at[HOST, Role.SUPERVISOR]
        self.town = roster.at[TOWN, Role.TOWNSHIP_STAFF][0]
        self.visits: list[tuple[Round, list[Check]]] = []
        self.waiting: list[tuple[Round, list[Cadre], list[Item]]] = []

    def tell(self, tasks: list[Task]) -> None:
        """Some villages of every township were drawn and visited, more of one township, and two others are to be: one
        by somebody from another township.
        """
        rng = self.story.rng
        villages = {code: list(owed) for code, owed in groupby(tasks, key=lambda task: task.unit_id) if len(code) == 12}
        drawn = self._draw("巡回督查：每个乡镇抽三个村", PATROL, 1, HOST, villages, ago=ANNOUNCED)
        drawn += self._draw("赵场街道：再抽十四个村", CLOSER, 2, LOOSE, villages, ago=CLOSER_ANNOUNCED)
        next_ones = [code for code in villages if code not in {*drawn, *LIAISON} and not code.startswith(TOWN)]
        sent = [self.town, self.supervisors[0]], [self.admin]
        for code, people in zip(rng.sample(next_ones, 2), sent, strict=True):
            visit = self._round(code, made_at=self._time(1), why=WHY, on=self.story.on)
            self.waiting.append((visit, people, [task.item for task in villages[code]][:10]))

    def _draw(
        self, title: str, wishes: dict[str, Any], number: int, among: str, villages: dict[str, list[Task]], *, ago: int
    ) -> list[str]:
        """A draw that was made, and the visits that followed; which villages it drew."""
        draw = self._announce(title, wishes, number, among=among, ago=ago)
        draw.number_one, draw.number_one_by = self._digits(), self.supervisors[0]
        draw.number_two, draw.number_two_by = self._digits(), self.leader
        draw.drawn_at = self._time(ago - 1)
        draw.save(force_insert=True)
        drawn = sorted(unit.code for unit in draws.result(draw).units)
        for code in drawn:
            self._visit(draw, code, villages[code], ago=self.story.rng.randint(1, ago - 2))
        return drawn

    def _visit(self, draw: Draw, code: str, tasks: list[Task], *, ago: int) -> None:
        """One to a village that was drawn: of what was claimed before that day some is looked at. Where nothing was,
        they have still to go.
        """
        rng, day, by = self.story.rng, self.story.on - timedelta(days=ago), self.supervisors[ago % 2]
        visit = self._round(code, draw=draw, made_at=draw.drawn_at, why=draw.title)
        claims = [task for task in tasks if task.done_at and _last(task) < office_time(day)]
        if not claims:
            self.waiting.append((visit, self.supervisors, []))
            return
        visit.finished_by, visit.finished_at = by, office_time(day, DAY_LONG + 1)
        checks = []
        for task in rng.sample(claims, min(LOOKED_AT, len(claims))):
            was, chance = task.state, rng.random()
            result, remark, at = Check.Result.HOLDS, "", office_time(day, rng.randrange(DAY_LONG))
            failing = LOOSELY_FAILING if code.startswith(LOOSE) else FAILING
            if chance < failing and code not in LIAISON:  # there the pages are to show what STANDS says
                result, remark = Check.Result.FAILS, RETURNED.get(number_of(task.item), NOT_SO)
                at = self.story.change(task, State.RETURNED, by, ago, remark)
            elif chance > 1 - HIDDEN:
                result, remark = Check.Result.UNSEEN, UNSEEN
            checks.append(Check(id=self._number(), task=task, result=result, remark=remark, by=by, at=at, was=was))
        self.visits.append((visit, checks))

    def announce_next(self) -> None:
        """A draw that has its first number and waits for the leader's. It looks at tallies, so all else is written."""
        draw = self._announce("交叉检查：每个乡镇抽一个村", ACROSS, 3, among=HOST, ago=1)
        draw.number_one, draw.number_one_by = self._digits(), self.supervisors[0]
        draw.reason = BESIDE
        draw.save(force_insert=True)

    def write(self, roster: Roster) -> None:
        """All rounds and checks, and a finding for each that does not hold."""
        waiting = [visit for visit, _people, _items in self.waiting]
        Round.objects.bulk_create([*(visit for visit, _checks in self.visits), *waiting])
        for visit, checks in self.visits:
            visit.inspectors.set(self.supervisors)
            for check in checks:
                check.round = visit
        for visit, people, items in self.waiting:
            visit.inspectors.set(people)
            visit.items.set(items)
        every = [check for _visit, checks in self.visits for check in checks]
        Check.objects.bulk_create(every)
        failing = sorted((check for check in every if check.result == Check.Result.FAILS), key=lambda check: check.at)
        findings.of_checks(self.campaign, failing, roster, self.story.rng)

    def _announce(self, title: str, wishes: dict[str, Any], number: int, *, among: str, ago: int) -> Draw:
        """A draw among a unit's villages, as it was announced that day; not written."""
        day, place = self.story.on - timedelta(days=ago), Unit.objects.get(code=among)
        items = lists.asked_items(self.campaign)
        frozen = lists.gather(self.campaign, self.admin, wishes, items, number=number, among=place, on=day)
        recipe.check(frozen)
        secret = f"{self.story.rng.getrandbits(256):064x}"
        return Draw(
            campaign=self.campaign,
            number=number,
            title=title,
            among=place,
            recipe=wishes,
            frozen=frozen.write(),
            secret=secret,
            commitment=recipe.hashed(secret),
            announced_by=self.admin,
            announced_at=self._time(ago),
        )

    def _round(self, code: str, **fields: Any) -> Round:
        return Round(campaign=self.campaign, unit_id=code, rhythm=Round.Rhythm.PATROL, made_by=self.admin, **fields)

    def _digits(self) -> str:
        """A number as people give them."""
        return str(self.story.rng.randrange(1000, 1_000_000))

    def _time(self, ago: int) -> datetime:
        return office_time(self.story.on - timedelta(days=ago), self.story.rng.randrange(DAY_LONG))

    def _number(self) -> uuid.UUID:
        return uuid.UUID(int=self.story.rng.getrandbits(128), version=4)


def _last(task: Task) -> datetime:
    """When a claim was last changed."""
    return max(at for at in (task.done_at, task.verified_at) if at is not None)
