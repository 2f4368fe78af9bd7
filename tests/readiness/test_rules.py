"""How a campaign reminds: what can be said, what cannot, and who said it."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from checklists import course
from checklists.models import Campaign, Change, Task
from readiness.models import Rules
from readiness.reminders import rules
from tests import factories
from tests.factories import TODAY, WILLOW
from villages.models import Cadre

As = Callable[[str], Client]
Cast = dict[str, Cadre]
USUAL: dict[str, Any] = {
    "days_before": ["7", "3", "1", "0"],
    "overdue_every": "2",
    "kinds": ["first", "direct", "linked"],
    "steps": ["1", "3", "5"],
    "weekly_on": "0",
    "at": "08:00",
}


def address(campaign: Campaign) -> str:
    return f"/campaigns/{campaign.pk}/reminders/"


def kept(campaign: Campaign) -> dict[str, Any]:
    fields = "days_before", "overdue_every", "kinds", "steps", "weekly_on", "at"
    return dict(Rules.objects.filter(campaign=campaign).values(*fields).get())


def test_what_is_said_is_kept_and_stands_in_the_history(campaign: Campaign, as_: As) -> None:
    said = {"days_before": ["14", "5"], "overdue_every": "3", "kinds": ["linked"], "steps": ["2", "4", "6"]}
    answer = as_("ada").post(address(campaign), said | {"weekly_on": "", "at": "07:30"}, follow=True)
    assert answer.redirect_chain == [(address(campaign), 302)]
    assert kept(campaign) == {
        "days_before": [14, 5],
        "overdue_every": 3,
        "kinds": ["linked"],
        "steps": [2, 4, 6],
        "weekly_on": None,
        "at": time(7, 30),
    }
    change = Change.objects.get(campaign=campaign, fields__has_key="steps")
    assert change.by and change.by.name == "Ada"
    assert change.fields["steps"] == ["1、3、5", "2、4、6"]
    assert change.fields["at"] == ["08:00", "07:30"]
    assert "2、4、6" in answer.content.decode()


def test_saving_the_usual_changes_nothing(campaign: Campaign, as_: As) -> None:
    as_("ada").post(address(campaign), USUAL)
    assert not Change.objects.filter(campaign=campaign, fields__has_any_keys=list(USUAL)).exists()
    assert Rules.objects.get(campaign=campaign).steps == [1, 3, 5]


def test_nothing_ahead_and_nobody_further_up_is_a_choice(campaign: Campaign, as_: As) -> None:
    as_("ada").post(address(campaign), USUAL | {"days_before": [], "steps": ["", "", ""]})
    assert kept(campaign)["days_before"] == kept(campaign)["steps"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("overdue_every", value) for value in ("0", "31", "-1", "1.5", "每分钟", "", "9" * 30, "\0", "1 minute")),
        *(
            ("steps", value)
            for value in (["3", "1", "5"], ["1", "1", "2"], ["1", "3"], ["1", "", "5"], ["0", "1", "2"])
        ),
        *(("steps", value) for value in (["1", "2", "31"], ["a", "b", "c"], ["1", "2", "9" * 30], ["1", "2", "\0"])),
        ("steps", ["1", "2", "3", "4"]),
        *(("at", value) for value in ("02:00", "05:59", "20:01", "24:00", "", "八点", "\0", "9" * 30)),
        *(("days_before", value) for value in (["4"], ["-1"], ["x"], ["9" * 30], ["\0"])),
        *(("kinds", value) for value in ([], ["lead"], ["everybody"])),
        *(("weekly_on", value) for value in ("5", "7", "-1", "x", "9" * 30)),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_and_stays_as_typed(
    campaign: Campaign, as_: As, field: str, value: Any
) -> None:
    answer = as_("ada").post(address(campaign), USUAL | {field: value})
    assert answer.status_code == 422
    form = answer.context["form"]
    assert set(form.errors) == {field}
    page = answer.content.decode()
    assert 'class="complaint"' in page
    assert not Rules.objects.exists()
    if field in ("overdue_every", "at") and value.isdigit():
        assert f'value="{value}"' in page


def test_two_at_once_overwrite_nothing_unseen(campaign: Campaign, cast: Cast, as_: As) -> None:
    page = as_("ada").get(address(campaign)).context["form"]
    seen = {f"initial-{name}": page[name].initial for name in ("overdue_every", "at")}
    seen |= {"initial-steps": [1, 3, 5], "initial-at": "08:00"}
    as_("ada").post(address(campaign), USUAL | {"steps": ["1", "2", "3"], "at": "09:00"})
    answer = as_("ada").post(address(campaign), USUAL | seen | {"at": "10:00"})
    assert set(answer.context["form"].errors) == {"at"}  # both have changed it
    assert "09:00" in answer.context["form"].errors["at"][0]
    again = dict(answer.context["form"].data.lists())
    assert as_("ada").post(address(campaign), again).status_code == 302
    assert kept(campaign)["at"] == time(10)
    assert kept(campaign)["steps"] == [1, 2, 3]  # which the second left alone


def test_a_closed_campaign_has_no_more_rules_to_make(campaign: Campaign, cast: Cast, as_: As) -> None:
    course.steer(campaign, "closed", by=cast["ada"])
    assert as_("ada").get(address(campaign)).status_code == 403
    assert as_("ada").post(address(campaign), USUAL).status_code == 403


def test_it_is_linked_from_the_board_and_the_set_up(campaign: Campaign, as_: As) -> None:
    for page in (f"/campaigns/{campaign.pk}/", f"/campaigns/{campaign.pk}/setup/rules/"):
        assert f'href="{address(campaign)}"' in as_("ada").get(page).content.decode()
    assert address(campaign) not in as_("mei").get(f"/campaigns/{campaign.pk}/").content.decode()


def test_when_the_next_reminder_comes_is_said_in_a_sentence(cast: Cast) -> None:
    campaign = factories.campaign(days=100)
    Task.objects.update(due_on=TODAY + timedelta(days=90))
    evening = timezone.make_aware(datetime.combine(TODAY, time(18)))  # a Wednesday
    before = rules.coming(campaign, evening)
    assert "6月11日 08:00" in before
    assert "1 " in before  # Ada hears of units that nobody answers for
    Task.objects.filter(campaign=campaign, unit=WILLOW).update(due_on=TODAY + timedelta(days=4))  # a Sunday
    assert rules.coming(campaign, evening) == before.replace("1 ", "3 ")  # Lan and Lin, too
    Campaign.objects.update(status="paused")
    assert "6月" not in rules.coming(campaign, evening)


def test_the_page_says_it_if_asked(campaign: Campaign, as_: As) -> None:
    assert 'id="coming"' not in as_("ada").get(address(campaign)).content.decode()
    assert 'id="coming"' in as_("ada").get(address(campaign) + "?next=1").content.decode()
