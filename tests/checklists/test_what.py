"""Step 1 of the set-up: what the campaign is called and when the inspection is; and what things are called there."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone, translation

from checklists.models import Campaign, Change
from checklists.setup.units import NewUnitForm
from tests import factories
from villages.models import Cadre, Post, Unit

LogIn = Callable[[str], Client]


@pytest.fixture
def draft(cast: dict[str, Cadre]) -> Campaign:
    return factories.campaign(on=timezone.localdate(), status=Campaign.Status.DRAFT)


def sent(campaign: Campaign, **changes: object) -> dict[str, object]:
    """What the form of the step sends."""
    return {"title": campaign.title, "inspects_on": campaign.inspects_on, "inspects_until": ""} | changes


def test_the_history_tells_a_moved_inspection_from_a_change_of_words(draft: Campaign, as_: LogIn) -> None:
    ada, address = as_("ada"), f"/campaigns/{draft.pk}/setup/"
    ada.post(address, sent(draft, title="改名"))
    ada.post(address, sent(draft, title="又改", inspects_on=draft.inspects_on + timedelta(days=3)))
    assert list(draft.changes.values_list("what", flat=True)) == [Change.What.MOVED, Change.What.EDITED]


@pytest.mark.parametrize("field", ["inspects_on", "inspects_until"])
@pytest.mark.parametrize("day", [date(9999, 12, 31), None])
def test_an_inspection_lies_at_most_ten_years_ahead(field: str, day: date | None, draft: Campaign, as_: LogIn) -> None:
    ada, today = as_("ada"), timezone.localdate()
    day = day or today + timedelta(days=3654)
    fresh = {"host": factories.COUNTY, "title": "新", "inspects_on": today + timedelta(days=9)}
    for address, form in ((f"/campaigns/{draft.pk}/setup/", sent(draft)), ("/campaigns/new/create/", fresh)):
        refused = ada.post(address, form | {field: day})
        assert refused.status_code == 422
        assert list(refused.context["form"].errors) == [field]
        assert f'value="{day}"' in refused.text
    last = {field: today + timedelta(days=3653)}
    assert ada.post(f"/campaigns/{draft.pk}/setup/", sent(draft) | last).status_code == 302


def test_a_place_a_person_and_a_campaign_are_called_by_words_of_their_own(cast: dict[str, Cadre]) -> None:
    with translation.override("zh-hans"):
        place = NewUnitForm(parent=Unit.objects.get(pk=factories.WILLOW)).fields["name"].label
        names = [str(model._meta.get_field(name).verbose_name) for model, name in (
            (Cadre, "name"), (Unit, "name"), (Post, "title"), (Campaign, "title"))]  # fmt: skip
    assert [place, *names] == ["名称", "姓名", "名称", "职务", "名称"]
