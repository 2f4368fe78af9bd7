"""Lines of tasks are written by joining strings: nothing that people wrote gets out of its place."""

import re
from collections.abc import Callable
from html import escape

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from checklists.models import Campaign, Item, Task, TaskEvent
from tests import factories
from tests.factories import WILLOW
from villages.models import Cadre, Unit

LogIn = Callable[[str], Client]
NASTY = """<i>&amp;"x" 'y'</i>"""


@pytest.fixture
def nasty(campaign: Campaign, cast: dict[str, Cadre]) -> Campaign:
    """One task of each state in Willow, and everything that people write is close to HTML."""
    Cadre.objects.update(name=NASTY)
    Unit.objects.filter(pk=WILLOW).update(name=NASTY)
    fields = ("title", "section", "metric", "measured_in")
    measured = {"operator": ">=", "target": 90, "target_is_stated": True}
    Item.objects.filter(campaign=campaign).update(**dict.fromkeys(fields, NASTY), **measured)
    now, lan, su = timezone.now(), cast["lan"], cast["su"]
    claim = {"done_by": lan, "done_at": now, "value": 95}
    states = [{}, {"state": "done"} | claim, {"state": "verified", "verified_by": su, "verified_at": now} | claim]
    tasks = Task.objects.filter(campaign=campaign, unit=WILLOW).order_by("item__position")
    for task, fields_of in zip(tasks, states, strict=True):
        Task.objects.filter(pk=task.pk).update(**fields_of)
        TaskEvent.objects.create(
            id=factories.body()["event"], task=task, by=lan, from_state="open", to_state="open", note=NASTY
        )
    return campaign


def addresses(campaign: Campaign) -> list[str]:
    return [
        "/tasks/?show=all",
        f"/campaigns/{campaign.pk}/tasks/?show=all&q=%3Ci%3E%26%22%27",
        f"/campaigns/{campaign.pk}/tasks/?show=all&under={WILLOW}",
        f"/campaigns/{campaign.pk}/units/{WILLOW}/",
    ]


def assert_clean(page: HttpResponse) -> None:
    text = page.content.decode()
    assert "<i>" not in text
    assert NASTY not in text
    # Only the five characters' names, each once: nothing is escaped twice either.
    assert "&amp;amp;amp;" not in text
    # Attributes end where we end them.
    for tag in re.findall(r"<(?:li|form|input|a|button)\b[^>]*>", text):
        assert re.fullmatch(r"""<\w+(?:\s+[\w:-]+(?:="[^"]*")?)*\s*/?>""", tag), tag


@pytest.mark.parametrize("name", ["lan", "lin", "bao", "su"])
def test_what_people_wrote_stays_text(name: str, nasty: Campaign, as_: LogIn) -> None:
    client = as_(name)
    for address in addresses(nasty):
        page = client.get(address)
        assert page.status_code == 200
        assert_clean(page)
    assert page.text.count(escape(NASTY)) >= 10  # the unit's page shows all of it


def test_what_was_sent_comes_back_as_text(nasty: Campaign, as_: LogIn) -> None:
    client = as_("lan")
    task = Task.objects.get(campaign=nasty, unit=WILLOW, state="open")
    sent = factories.body(seen="0", next=f"/{NASTY}", show_unit=NASTY)
    for value, status in ((NASTY, 422), ("95", 200)):
        answer = client.post(f"/tasks/{task.pk}/tick/", sent | {"value": value}, headers={"HX-Request": "true"})
        assert answer.status_code == status
        assert_clean(answer)
        assert f'value="/{escape(NASTY)}"' in answer.text
        assert (f'value="{escape(NASTY)}"' in answer.text) is (status == 422)


def test_a_line_says_quietly_that_an_owed_task_asks_for_proof(campaign: Campaign, as_: LogIn) -> None:
    task = Task.objects.get(campaign=campaign, unit=WILLOW, item__number="v-1")
    client = as_("lan")

    def line() -> str:
        found = re.search(rf'<li id="task-{task.pk}".*?</li>', client.get("/tasks/?show=all").text)
        assert found is not None
        return found.group()

    assert "需佐证" not in line()
    Item.objects.filter(pk=task.item_id).update(needs_proof=True)
    assert line().count('<span class="unproven">需佐证</span>') == 1
    answer = client.post(f"/tasks/{task.pk}/tick/", factories.body(), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert 'class="unproven is-due"' in line(), "claimed: it is due now"
    assert "需佐证" not in line()
