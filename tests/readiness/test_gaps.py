"""Vacancies above the county: counted county by county, summed on every board, as old as they say."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from checklists import course
from checklists.models import Campaign, Responsibility, Task
from readiness.boards import answers, figures, gaps
from readiness.boards.tasks import count_gaps
from readiness.models import Gap
from tests import factories
from tests.factories import COUNTY, LAKE, OTHER_COUNTY, line
from villages.access import Role
from villages.models import Cadre, Post

PROVINCE = "51"
SPEECH = [line("v-1"), line("t-1", owed_by=["township"]), line("c-1", owed_by=["city", "county"])]


@pytest.fixture
def province(cast: dict[str, Cadre]) -> Campaign:
    """A campaign of two counties; two people above them."""
    cast["xi"] = factories.cadre("Xi", Role.COUNTY_LEADER, PROVINCE, principal=True)
    cast["yi"] = factories.cadre("Yi", Role.COUNTY_LEADER, "5115", principal=True)
    return factories.campaign(PROVINCE, on=timezone.localdate(), of=factories.template("province", SPEECH))


def test_what_closing_leaves_undone_is_counted_above_counties_too(province: Campaign) -> None:
    owed = Task.objects.filter(campaign=province).count()
    assert course.left_open(province)["owed"] == owed > 0
    Task.objects.filter(campaign=province, unit=LAKE).update(
        state="done", done_by=Cadre.objects.get(username="xi"), done_at=timezone.now()
    )
    left = course.left_open(province)
    assert (left["owed"], left["claims"]) == (owed - 1, 1)


def in_the_counties(campaign: Campaign, person: Cadre) -> int:
    """What the counties' own boards say together."""
    on = timezone.localdate()
    shown = [figures.board(campaign, person, at=code, on=on) for code in (COUNTY, OTHER_COUNTY)]
    return sum(len(answers.vacancies(campaign, person, board, on=on)) for board in shown)


def test_the_sum_is_what_the_boards_of_the_counties_say_and_those_above_besides(
    province: Campaign, cast: dict[str, Cadre]
) -> None:
    on = timezone.localdate()
    above = Task.objects.filter(unit_id__in=["51", "5115", "5105"]).values("unit").distinct().count()
    assert above == 2
    assert gaps.count(province, on=on) == in_the_counties(province, cast["xi"]) + above > above
    # Somebody is named, somebody leaves: known with the next count.
    for kind in ("first", "direct"):
        Responsibility.objects.update_or_create(
            campaign=province, unit_id=LAKE, kind=kind, defaults={"cadre": cast["mei"], "by_hand": True}
        )
    before = gaps.known(province, cast["xi"], PROVINCE)
    assert gaps.count(province, on=on) == before.vacancies - 1  # type: ignore[union-attr]
    Post.objects.filter(cadre=cast["mei"]).update(until=on)
    assert gaps.count(province, on=on) == before.vacancies  # type: ignore[union-attr]


def test_each_reader_sees_the_sum_of_their_own_and_who_lacks_most(
    province: Campaign, cast: dict[str, Cadre], as_: Callable[[str], Client]
) -> None:
    assert "责任空白" not in as_("xi").get(f"/campaigns/{province.pk}/").content.decode(), "not counted yet"
    count_gaps()
    whole, city = (gaps.known(province, cast[who], at) for who, at in (("xi", PROVINCE), ("yi", "5115")))
    assert whole and city
    assert whole.vacancies == sum(Gap.objects.values_list("vacancies", flat=True)) > city.vacancies > 0
    page: Any = as_("xi").get(f"/campaigns/{province.pk}/")
    assert f'#vacancies">{whole.vacancies}</a>' in page.content.decode()
    assert f'<a href="?unit={COUNTY}#vacancies">叙州区</a>' in page.content.decode()
    assert gaps.known(province, cast["mei"], OTHER_COUNTY) is None
    assert OTHER_COUNTY not in as_("yi").get(f"/campaigns/{province.pk}/?unit=5115").content.decode()


def test_what_takes_part_no_more_is_forgotten_and_small_campaigns_are_not_counted(province: Campaign) -> None:
    factories.campaign(COUNTY, on=timezone.localdate())
    gaps.count_all(on=timezone.localdate())
    assert set(Gap.objects.values_list("campaign", flat=True)) == {province.pk}
    Task.objects.filter(unit__code__startswith=OTHER_COUNTY).update(retired_at=timezone.now())
    Gap.objects.update(counted_at=timezone.now() - timedelta(hours=1))
    gaps.count_all(on=timezone.localdate())
    assert Gap.objects.get(unit=OTHER_COUNTY).vacancies == 0
