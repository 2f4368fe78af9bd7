"""What happened to the tasks of the demo: decided first, told in memory, written at once."""

import random
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from checklists import ticks
from checklists.models import Item, State, Task, TaskEvent
from checklists.ticks import Verb
from readiness.boards.light import Light
from readiness.demo.people import HOST, LIAISON, TOWN, VILLAGE, Team
from readiness.demo.words import BLOCKED, CLAIMED, RETURNED, SO_FAR, VERIFIED, WAIVED
from villages.models import Cadre


class Pace(NamedTuple):
    """How a unit works."""

    light: Light
    eager: float  # chance that what is due today is done; falls to nothing for what is due in 20 days
    slips: int  # days after the deadline that a claim may come


DILIGENT = Pace(Light.GREEN, 0.95, 0)
AVERAGE = Pace(Light.GREEN, 0.55, 0)
SLOW = Pace(Light.AMBER, 0.3, 1)
STUCK = Pace(Light.RED, 0.12, 2)
PACES = [DILIGENT, AVERAGE, SLOW, STUCK]
# How many of each pace a township has, in hundredths; the townships take them in turn.
MOODS = [
    (40, 40, 15, 5),
    (25, 35, 25, 15),
    (10, 35, 30, 25),
    (35, 30, 25, 10),
    (15, 45, 20, 20),
    (20, 30, 35, 15),
]

# Those whose pages are shown: `village` has two overdue tasks, so each tick brings it one colour further.
PACE_OF = {TOWN: AVERAGE, VILLAGE: AVERAGE, LIAISON[1]: DILIGENT, LIAISON[2]: SLOW, LIAISON[3]: AVERAGE}
STANDS: dict[str, dict[str, State]] = {
    VILLAGE: dict.fromkeys(["15", "26", "27", "29", "30", "31", "32", "34"], State.OPEN)
    | {"10": State.VERIFIED, "14": State.VERIFIED, "25": State.DONE, "28": State.DONE},
    LIAISON[1]: {"30": State.DONE},  # asks for proof, and has none yet
    TOWN: {"11": State.OPEN, "31": State.OPEN},
    f"{HOST}D001": {"41": State.WAIVED, "42": State.WAIVED},
    f"{HOST}D002": {"41": State.WAIVED, "42": State.WAIVED},
}


def number_of(item: Item) -> str:
    """`14` of `d7c-14`."""
    return item.number.rpartition("-")[2]


def office_time(day: date, seconds: int = 0) -> datetime:
    """So many seconds into the day's office hours, which begin at half past eight."""
    opens = datetime.combine(day, time(8, 30), tzinfo=timezone.get_default_timezone())
    return opens + timedelta(seconds=seconds)


class Story:
    """What happened, told in memory and written at once."""

    def __init__(self, rng: random.Random, on: date) -> None:
        self.rng = rng
        self.on = on
        self.tasks: list[Task] = []
        self.events: list[TaskEvent] = []

    def of_unit(self, code: str, tasks: list[Task], team: Team, pace: Pace, *, care: float) -> None:
        """What became of a unit's tasks. `care` is the share of claims that somebody has looked at."""
        if team.doers:
            stands = self._stands(tasks, pace, care=care) | STANDS.get(code, {})
            for task in tasks:
                self._tell(task, stands[number_of(task.item)], team, pace)

    def _stands(self, tasks: list[Task], pace: Pace, *, care: float) -> dict[str, State]:
        """How each task stands today, so that the unit gets its light."""
        past = [task for task in tasks if task.due_on < self.on]
        red = len(tasks) // 10 + 1  # so many overdue are ten percent
        late: list[Task] = []
        if pace.light is Light.AMBER:
            late = self.rng.sample(past, self.rng.randint(1, red - 1))
        elif pace.light is Light.RED:
            late = self.rng.sample(past, self.rng.randint(red, min(red + 2, len(past))))
        stands = {}
        for task in tasks:
            number, days = number_of(task.item), (task.due_on - self.on).days
            claimed = self.rng.random() < pace.eager * (1 - days / 20) if days >= 0 else task not in late
            stands[number] = State.OPEN
            if claimed:
                stands[number] = State.VERIFIED if self.rng.random() < care else State.DONE
            # Sent back what was late or in a hurry; what does not apply is found out by its deadline.
            if number in RETURNED and pace.light is not Light.GREEN and claimed == (days >= 0):
                stands[number] = State.RETURNED if self.rng.random() < 0.3 else stands[number]
            elif claimed and number in WAIVED and len(task.unit_id) == 12 and self.rng.random() < 0.03:
                stands[number] = State.WAIVED
        return stands

    def _tell(self, task: Task, state: State, team: Team, pace: Pace) -> None:
        """How a task came to stand where it does."""
        number, past = number_of(task.item), (self.on - task.due_on).days
        pick, some = self.rng.choice, self.rng.randint
        doer = pick(team.doers)
        checker = pick(team.checkers)
        if state == State.OPEN:
            if number in BLOCKED and self.rng.random() < (0.75 if past > 0 else 0.25):
                self.change(task, State.OPEN, doer, some(1, 6), BLOCKED[number])
            return
        if state == State.WAIVED:
            asked = some(4, 12)
            self.change(task, State.OPEN, doer, asked, "我们这里不涉及，请核")
            self.change(task, State.WAIVED, team.checkers[0], asked - some(1, 3), WAIVED[number])
            return
        # Claimed so many days ago: around the deadline, or lately where there is still time.
        claimed = some(max(2, past - pace.slips), past + 9) if past > 0 else some(2, 9)
        chance = self.rng.random()
        if chance < 0.1 and number in RETURNED:
            self.change(task, State.DONE, doer, claimed + some(2, 4), pick(CLAIMED))
            self.change(task, State.RETURNED, checker, claimed + 1, RETURNED[number])
        elif chance > 0.97:
            self.change(task, State.DONE, doer, claimed + 2)
            self.change(task, State.OPEN, doer, claimed + 1, "点错了，材料还没交齐")
        self.change(task, State.DONE, pick(team.doers), claimed, pick(CLAIMED))
        if state == State.VERIFIED:
            self.change(task, State.VERIFIED, checker, some(max(1, claimed - 4), claimed - 1), pick(VERIFIED))
        elif state == State.RETURNED:
            self.change(task, State.RETURNED, checker, some(max(1, claimed - 4), claimed - 1), RETURNED[number])

    def change(self, task: Task, state: State, by: Cadre, days_ago: int, note: str = "") -> datetime:
        """One change and its event; when it was. Twin in memory of ticks._write."""
        verb = ticks.VERBS[task.state, state]
        value: Decimal | int | None = None
        if verb is Verb.TICK:
            value = task.item.target
        elif verb is Verb.NOTE and note == BLOCKED.get(number_of(task.item)):
            value = SO_FAR.get(number_of(task.item))
        at = office_time(self.on - timedelta(days=days_ago), self.rng.randrange(36_000))
        self.events.append(
            TaskEvent(
                id=uuid.UUID(int=self.rng.getrandbits(128), version=4),
                task=task,
                by=by,
                at=at,
                from_state=task.state,
                to_state=state,
                value=value,
                note=note,
            )
        )
        if task.version == 0:
            self.tasks.append(task)
        task.version += 1
        task.state = state
        task.value = value if value is not None else task.value
        if verb is Verb.TICK:
            task.done_by, task.done_at = by, at
            task.rests_on = task.rests_on if value is None else []
        elif verb is Verb.VERIFY:
            task.verified_by, task.verified_at = by, at
        elif verb is not Verb.NOTE:
            for name, left in task.unclaimed.items():
                setattr(task, name, left)
        elif value is not None:
            task.rests_on = [by.pk]
        return at

    def write(self) -> None:
        """All events, and every task that has some, in two statements."""
        TaskEvent.objects.bulk_create(self.events, batch_size=2000)
        rows = [
            (task.pk, task.state, task.value, task.version, task.done_by_id, task.done_at,
             task.verified_by_id, task.verified_at, f"{{{','.join(map(str, task.rests_on))}}}")
            for task in self.tasks
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE checklists_task t
                SET state = s.state, value = s.value, version = s.version,
                    done_by_id = s.done_by, done_at = s.done_at,
                    verified_by_id = s.verified_by, verified_at = s.verified_at, rests_on = s.rests_on::bigint[]
                FROM unnest(%s::bigint[], %s::text[], %s::numeric[], %s::int[],
                            %s::bigint[], %s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::text[])
                    AS s (id, state, value, version, done_by, done_at, verified_by, verified_at, rests_on)
                WHERE t.id = s.id
                """,
                [list(column) for column in zip(*rows, strict=True)],
            )
