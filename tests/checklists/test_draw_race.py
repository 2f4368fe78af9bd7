"""Two people who give the second number at the same moment."""

import pytest
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from checklists import draws
from checklists.draws.recipe import FrozenList, Inspector, Unit
from checklists.models import Campaign, Draw, Round
from tests import factories
from tests.checklists.conftest import Elsewhere
from tests.factories import COUNTY, LAKE, WILLOW
from villages import models


def announced(campaign: Campaign, *, by: models.Cadre) -> Draw:
    units = tuple(Unit(code, "all", 1, (), "村") for code in (WILLOW, LAKE))
    frozen = FrozenList("1/1", 2, 0, 0, 1, {"all": "-"}, units, (), (Inspector(by.pk, (), by.name),))
    among = models.Unit.objects.get(pk=COUNTY)
    wishes = {"kind": "village", "items": "all", "rhythm": "patrol", "on": None}
    return draws.announce(campaign, frozen, number=1, title="抽查", among=among, wishes=wishes, by=by)


def test_two_second_numbers_at_once_make_one_draw(elsewhere: Elsewhere) -> None:
    factories.units()
    people = factories.cast()
    campaign = factories.campaign(on=timezone.localdate())
    draw = announced(campaign, by=people["ada"])
    draws.give_number(draw, "1", by=people["ada"])
    elsewhere.run("SELECT FROM checklists_campaign WHERE id = %s FOR UPDATE", campaign.pk)

    def second(who: str) -> str:
        try:
            draws.give_number(draw, "2", by=people[who])
        except draws.Refused:
            return "refused"
        return "drawn"

    both = [elsewhere.start(lambda who=who: second(who)) for who in ("su", "mei")]  # type: ignore[misc]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(one.result() for one in both) == ["drawn", "refused"]
    assert Round.objects.count() == 2


def test_without_locks_the_database_itself_refuses_the_second_draw(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: both find the draw waiting, one makes it, and the other meets what the database keeps."""
    factories.units()
    people = factories.cast()
    campaign = factories.campaign(on=timezone.localdate())
    draw = announced(campaign, by=people["ada"])
    draws.give_number(draw, "1", by=people["ada"])
    monkeypatch.setattr(draws, "_running", lambda _: transaction.atomic())
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_: self)
    elsewhere.run("SELECT FROM checklists_draw WHERE id = %s FOR UPDATE", draw.pk)

    def second(who: str) -> str:
        try:
            draws.give_number(draw, "2", by=people[who])
        except IntegrityError as error:
            return "kept" if "not changed afterwards" in str(error) else "otherwise"
        return "drawn"

    both = [elsewhere.start(lambda who=who: second(who)) for who in ("su", "mei")]  # type: ignore[misc]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(one.result() for one in both) == ["drawn", "kept"]


def test_a_form_sent_twice_is_one_draw_and_two_peoples_are_told_apart(
    campaign: Campaign, cast: dict[str, models.Cadre]
) -> None:
    first = announced(campaign, by=cast["ada"])
    assert announced(campaign, by=cast["ada"]) == first
    with pytest.raises(draws.Refused):
        announced(campaign, by=cast["su"])
    assert Draw.objects.count() == 1
