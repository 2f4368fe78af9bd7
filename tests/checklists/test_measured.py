"""Values with a day: what is entered when, what counts, the curve, and measures without a target."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from checklists.measured import Values, period
from checklists.models import Campaign, Item, Task, TaskEvent
from tests import factories
from villages.models import Cadre

LogIn = Callable[[str], Client]
TODAY = timezone.localdate


@pytest.fixture
def task(campaign: Campaign) -> Task:
    """Willow's measured item (at least 90 %), in a campaign that began thirty days ago."""
    Campaign.objects.filter(pk=campaign.pk).update(starts_on=TODAY() - timedelta(days=30))
    return factories.task(campaign, "v-3")


def ago(days: int) -> date:
    return TODAY() - timedelta(days=days)


def enter(client: Client, task: Task, value: str, as_of: date | str = "", **fields: Any) -> HttpResponse:
    sent = factories.body(task.state, value=value, as_of=as_of) | fields
    return client.post(f"/tasks/{task.pk}/tick/", sent)


def test_a_value_stands_for_today_unless_it_says_otherwise(task: Task, as_: LogIn) -> None:
    lan = as_("lan")
    enter(lan, task, "40")
    enter(lan, task, "41", ago(1))
    enter(lan, task, "42", ago(2).strftime("%Y.%m.%d"))
    entered = TaskEvent.objects.order_by("value").values_list("value", "as_of")
    assert list(entered) == [(40, TODAY()), (41, ago(1)), (42, ago(2))]


def test_a_value_entered_late_does_not_replace_a_newer_one(task: Task, as_: LogIn) -> None:
    lan = as_("lan")
    enter(lan, task, "60", ago(3))
    enter(lan, task, "70", ago(1))
    enter(lan, task, "50", ago(2))
    assert factories.task(task.campaign, "v-3").value == 70
    assert enter(lan, task, "95", ago(5), state="done").status_code == 422  # it is 70 by now
    assert enter(lan, task, "95", state="done").status_code == 302
    assert (Task.objects.get(pk=task.pk).state, Task.objects.get(pk=task.pk).value) == ("done", 95)


def test_a_correction_on_the_same_day_counts(task: Task, as_: LogIn) -> None:
    enter(as_("lan"), task, "60", ago(1))
    enter(as_("lan"), task, "61", ago(1))
    assert factories.task(task.campaign, "v-3").value == 61
    points = Values.of(task, task.events.all()).points
    assert [(point.day, point.value) for point in points] == [(ago(1), 61)]


@pytest.mark.parametrize("day", ["tomorrow", "before", "5月13日", "2026-02-30", "x" * 40, "1\0"])
def test_a_day_that_is_none_is_named_and_kept(day: str, task: Task, as_: LogIn) -> None:
    typed = {"tomorrow": f"{TODAY() + timedelta(days=1)}", "before": f"{ago(31)}"}.get(day, day)
    answer = enter(as_("lan"), task, "40", typed)
    assert answer.status_code == 422
    assert 'aria-describedby="wrong-open-as_of"' in answer.text
    assert 'value="40"' in answer.text
    assert "\0" in typed or f'value="{typed}"' in answer.text
    assert not TaskEvent.objects.exists()


def test_the_campaigns_first_day_and_a_note_alone(task: Task, as_: LogIn) -> None:
    assert enter(as_("lan"), task, "40", ago(30)).status_code == 302
    assert enter(as_("lan"), task, "", ago(31), note="等水泥").status_code == 302  # a note stands for no day
    assert TaskEvent.objects.get(note="等水泥").as_of is None


def test_a_repeat_is_one_event_and_another_day_another_entry(task: Task, as_: LogIn) -> None:
    lan, sent = as_("lan"), factories.body("open", value="40", as_of=ago(1))
    url = f"/tasks/{task.pk}/tick/"
    assert [lan.post(url, sent).status_code for _ in range(2)] == [302, 302]
    assert TaskEvent.objects.count() == 1
    assert lan.post(url, sent | {"as_of": ago(2)}).status_code == 409


def test_the_same_number_for_a_new_day_is_not_dropped_on_a_stale_page(task: Task, as_: LogIn) -> None:
    enter(as_("bao"), task, "40", ago(7))
    assert enter(as_("lan"), task, "40", TODAY(), seen=task.version).status_code == 409
    assert enter(as_("lan"), task, "40", ago(7), seen=task.version).status_code == 302
    assert TaskEvent.objects.count() == 1


def test_the_unit_sees_its_own_curve(task: Task, as_: LogIn) -> None:
    lan = as_("lan")
    assert "<svg" not in lan.get(task.get_absolute_url()).text
    for value, days in (("40", 20), ("80", 10), ("60", 0)):
        enter(lan, task, value, ago(days))
    text = lan.get(task.get_absolute_url()).text
    values = Values.of(task, task.events.all())
    assert values.highest == 90  # the target is the highest
    (x0, y0), (x1, y1), (x2, y2) = values.dots
    assert (x0, x1, x2) == ("44.0", "177.0", "310.0")
    assert float(y1) < float(y2) < float(y0)
    assert f'points="{values.line}"' in text
    assert f'y1="{values.target_at}"' in text
    assert float(values.target_at) == float(values.ceiling) == 12
    table = text[text.index('<table class="numbers"') :]
    assert table.index("60") < table.index("80") < table.index("40")
    assert table.count("Lan") >= 3


def test_one_point_stands_in_the_middle_and_zero_on_the_floor(task: Task, as_: LogIn) -> None:
    Item.objects.filter(pk=task.item_id).update(operator="", target=None, target_is_stated=False)
    enter(as_("lan"), task, "0")
    values = Values.of(factories.task(task.campaign, "v-3"), task.events.all())
    assert (values.dots, values.target_at) == ([("177.0", "128.0")], "")
    assert "<svg" in as_("lan").get(task.get_absolute_url()).text


def test_a_statistic_is_entered_without_a_tick_and_held_to_nothing(task: Task, as_: LogIn) -> None:
    Item.objects.filter(pk=task.item_id).update(operator="", target=None, measured_in="人", statistic=True)
    lan = as_("lan")
    lan.cookies["django_language"] = "en"
    text = lan.get(task.get_absolute_url()).text
    assert 'name="value"' in text
    assert "It has no target" in text
    assert enter(lan, task, "12345").status_code == 302
    assert (Task.objects.get(pk=task.pk).state, Task.objects.get(pk=task.pk).value) == ("open", 12345)
    assert enter(lan, task, "0", state="done").status_code == 302
    assert enter(lan, factories.task(task.campaign, "v-1"), "3").status_code == 422  # nothing is measured there


def test_the_task_says_when_the_next_value_is_due(task: Task, as_: LogIn) -> None:
    lan = as_("lan")
    assert lan.get(task.get_absolute_url()).context["next_due"] is None
    Item.objects.filter(pk=task.item_id).update(every="week")
    end = TODAY() + timedelta(days=6 - TODAY().weekday())
    assert lan.get(task.get_absolute_url()).context["next_due"] == end
    enter(lan, task, "40", ago(TODAY().weekday() + 1))  # last Sunday's
    assert lan.get(task.get_absolute_url()).context["next_due"] == end
    enter(lan, task, "41")
    assert lan.get(task.get_absolute_url()).context["next_due"] == end + timedelta(days=7)
    Task.objects.filter(pk=task.pk).update(retired_at=timezone.now())
    assert lan.get(task.get_absolute_url()).context["next_due"] is None


@pytest.mark.parametrize(
    ("every", "on", "last", "due"),
    [
        ("day", "2026-06-10", None, "2026-06-10"),  # a Wednesday
        ("day", "2026-06-10", "2026-06-10", "2026-06-11"),
        ("day", "2026-06-12", "2026-06-12", "2026-06-15"),  # Friday's is in: Monday
        ("day", "2026-06-13", "2026-06-12", "2026-06-15"),
        ("week", "2026-06-10", "2026-06-07", "2026-06-14"),
        ("week", "2026-06-14", "2026-06-08", "2026-06-21"),
        ("month", "2026-06-10", "2026-05-31", "2026-06-30"),
        ("month", "2026-06-30", "2026-06-01", "2026-07-10"),  # the campaign ends before July does
        ("quarter", "2026-06-10", "2026-03-31", "2026-06-30"),
        ("quarter", "2026-06-10", "2026-04-01", "2026-07-10"),
        ("week", "2026-07-10", "2026-07-10", None),  # nothing after the campaign's last day
        ("week", "2026-07-11", None, None),
        ("", "2026-06-10", None, None),
    ],
)
def test_when_the_next_value_is_due(every: str, on: str, last: str | None, due: str | None) -> None:
    campaign = Campaign(inspects_on=date(2026, 7, 10), status="active")
    task = Task(campaign=campaign, item=Item(metric="知晓率", every=every))
    points = [TaskEvent(task=task, value=Decimal(1), as_of=date.fromisoformat(last), at=timezone.now())] if last else []
    found = Values.of(task, points).next_due(date.fromisoformat(on))
    assert found == (date.fromisoformat(due) if due else None)


def test_every_day_lies_in_its_period() -> None:
    for days in range(800):
        on = date(2026, 1, 1) + timedelta(days=days)
        for every in ("week", "month", "quarter"):
            first, last = period(every, on)
            assert first <= on <= last
            assert period(every, last + timedelta(days=1))[0] == last + timedelta(days=1)


def test_who_may_not_enter_a_value(task: Task, cast: dict[str, Cadre], as_: LogIn) -> None:
    for who in ("mei", "su", "an"):
        assert enter(as_(who), task, "40").status_code == 403
    assert not TaskEvent.objects.exists()
