"""Two people tick the same task at the same moment, through two real web workers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from django.db.models import F
from django.utils import timezone

from checklists.models import Campaign, Task, TaskEvent
from tests import factories, live
from tests.checklists.test_tallies import drift
from tests.factories import WILLOW, line
from villages.access import Role

PAIRS, CONTROLS = 200, 60
pytestmark = pytest.mark.slow


@pytest.fixture
def tasks(committed: None) -> list[int]:
    """Willow's tasks, and two cadres of Willow who may tick them."""
    factories.units()
    factories.cadre("Lan", Role.VILLAGE_CADRE, WILLOW, principal=True)
    factories.cadre("Ming", Role.VILLAGE_CADRE, WILLOW)
    speech = factories.template("many", [line(f"m-{n}") for n in range(PAIRS)])
    campaign: Campaign = factories.campaign(of=speech, on=timezone.localdate())
    return list(Task.objects.filter(campaign=campaign, unit=WILLOW).values_list("pk", flat=True))


def tick_at_once(url: str, tasks: list[int]) -> list[int]:
    """The status of every answer when both tick every task, each pair let go together."""
    together = threading.Barrier(2)

    def ticks(name: str) -> list[int]:
        with live.Client(url) as client:
            client.log_in(name)
            answers = []
            for task in tasks:
                body: dict[str, Any] = factories.body()
                together.wait(30)
                answers.append(client.post(f"/tasks/{task}/tick/", body).status)
                client.close()  # whichever worker is free takes the next: kept open, both could end at one
            return answers

    with ThreadPoolExecutor(2) as both:
        return [status for answers in both.map(ticks, ["lan", "ming"]) for status in answers]


def seconds(pid: int) -> float:
    """How long a process has computed."""
    return float(psutil.Process(pid).cpu_times().user)


def test_of_two_at_once_one_changes_the_task_and_the_other_is_told(
    tasks: list[int], tell: Callable[[str], None]
) -> None:
    with live.web(workers=2) as web:
        before = {pid: seconds(pid) for pid in web.pids()}
        answers = tick_at_once(web.url, tasks)
        assert all(seconds(pid) - computed > 0.1 for pid, computed in before.items()), "one worker did all the work"
    assert set(answers) == {302}
    assert len(answers) == 2 * PAIRS
    assert TaskEvent.objects.count() == PAIRS
    assert Task.objects.filter(state="done", version=1).count() == PAIRS
    assert not TaskEvent.objects.exclude(by=F("task__done_by")).exists()
    winners = set(TaskEvent.objects.values_list("by__name", flat=True))
    assert winners == {"Lan", "Ming"}, "both win now and then, else they did not meet"
    assert drift() == []
    tell(f"{PAIRS} pairs at once: {PAIRS} changes, {TaskEvent.objects.count()} events, tallies equal a recount")


def test_without_the_compare_and_set_both_change_it(tasks: list[int], tell: Callable[[str], None]) -> None:
    with live.web(workers=2, app="tests.racy:application") as web:
        answers = tick_at_once(web.url, tasks[:CONTROLS])
    assert set(answers) == {302}
    doubled = TaskEvent.objects.count() - CONTROLS
    assert doubled > 0
    tell(f"control without compare-and-set: {doubled} of {CONTROLS} tasks changed twice")
