"""What is written out for speed says the same as the queryset that it stands for."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checklists import ticks
from checklists.models import Campaign, Item, Responsibility, Share, Task
from checklists.models.task import read_along
from tests import factories
from tests.factories import EAST, LAKE, MAPLE, MARKET, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Post, Unit

TODAY = timezone.localdate()


def test_who_answers_for_a_unit_is_who_is_in_office(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    """Named by the rule at the unit, by the rule above it, and by hand; there, gone, and there again."""
    leader = factories.cadre("Luo", Role.TOWNSHIP_LEADER, EAST)
    Responsibility.objects.update_or_create(campaign=campaign, unit_id=WILLOW, kind="lead", defaults={"cadre": leader})
    Responsibility.objects.create(campaign=campaign, unit_id=LAKE, kind="first", cadre=cast["mei"], by_hand=True)
    Responsibility.objects.update_or_create(
        campaign=campaign, unit_id=MAPLE, kind="first", defaults={"cadre": cast["mei"], "by_hand": False}
    )
    shown = 0
    for until in (None, TODAY + timedelta(days=1), TODAY):
        Post.objects.filter(cadre__in=[cast["lan"], leader, cast["mei"]]).update(until=until)
        for unit in Unit.objects.all():
            there = Responsibility.objects.of_unit(campaign, unit, on=TODAY)
            expected = Responsibility.objects.filter(campaign=campaign, unit=unit).in_office(TODAY).in_order()
            assert there == list(expected)
            shown += len(there)
    assert shown > 6


def test_the_person_of_a_session_has_the_posts_of_the_day(cast: dict[str, Cadre]) -> None:
    lan = cast["lan"]
    held = [(MAPLE, -9, None), (LAKE, -9, 0), (EAST, -9, 1), (WEST, 0, 5), (MARKET, 1, None)]
    for unit, since, until in held:
        begin, end = TODAY + timedelta(days=since), None if until is None else TODAY + timedelta(days=until)
        factories.appoint(lan, Role.LINKED, unit, since=begin, until=end)
    found = Cadre.objects.in_session(lan.pk)
    assert found == lan
    assert sorted(found.grants) == sorted(Cadre.objects.get(pk=lan.pk).grants)
    assert len(found.grants) == 4
    assert Cadre.objects.in_session(cast["nobody"].pk).grants == ()
    Cadre.objects.filter(pk=lan.pk).update(is_active=False)
    assert Cadre.objects.in_session(lan.pk) is None


@pytest.mark.parametrize("with_units", [True, False])
def test_tasks_are_read_along_as_for_a_list(
    with_units: bool, campaign: Campaign, cast: dict[str, Cadre], django_assert_num_queries: Any
) -> None:
    item = Item.objects.get(campaign=campaign, number="v-3")
    Item.objects.filter(pk=item.pk).update(target=None, total=100)
    Share.objects.create(item=item, unit_id=WILLOW, value=40)
    now = timezone.now()
    Task.objects.filter(unit_id=MAPLE, item=item).update(
        state="verified", done_by=cast["lan"], done_at=now, verified_by=cast["su"], verified_at=now
    )
    many = Task.objects.order_by("pk")
    with django_assert_num_queries(3 + with_units):
        found = read_along(many.select_related("item"), [campaign], with_units=with_units)

    def told(task: Task) -> tuple[object, ...]:
        people = [person and person.name for person in (task.done_by, task.verified_by)]
        unit = task.unit.name if with_units else task.unit_id
        return task, task.campaign, task.item.title, unit, people, task.share, task.target, task.asks_value

    with django_assert_num_queries(0):
        short = [told(task) for task in found]
    assert short == [told(task) for task in many.for_list()]


def test_a_tick_is_as_in_the_database(campaign: Campaign, cast: dict[str, Cadre]) -> None:
    """Also the fields that the answer does not read again."""
    task = factories.task(campaign, "v-3")
    names = [field.attname for field in Task._meta.concrete_fields]
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("lan", "done", {"value": 95, "as_of": date.today()}),
        ("lan", "open", {}),
        ("lan", "done", {}),
        ("lin", "verified", {}),
        ("lin", "returned", {"note": "x"}),
        ("lin", "waived", {"note": "x"}),
        ("lin", "open", {}),
    ]
    for who, state, fields in steps:
        seen = task
        before = {name: getattr(seen, name) for name in names}
        task = ticks.record(seen, by=cast[who], event=factories.body()["event"], state=state, **fields).task
        stored = Task.objects.get(pk=task.pk)
        assert {name: getattr(task, name) for name in names} == {name: getattr(stored, name) for name in names}
        assert {name: getattr(seen, name) for name in names} == before, "what the sender saw stays"
