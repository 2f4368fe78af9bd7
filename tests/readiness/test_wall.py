"""The wall: what it shows, to whom, and for how long; the passes that open it without a log-in."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checklists import course, ticks
from checklists.models import Campaign, Change, Task
from readiness import logs
from readiness.boards import passes
from readiness.models import WallPass
from tests import factories
from tests.access.world import fingerprint, said, unsafe
from tests.factories import BUREAU, COUNTY, EAST, LAKE, MAPLE, WEST, WILLOW
from villages import access
from villages.models import Cadre, Unit

As = Callable[[str], Client]
Cast = dict[str, Cadre]


def wall(campaign: Campaign, token: str = "", unit: str = "") -> str:
    return f"/campaigns/{campaign.pk}/wall/" + (f"{token}/" if token else "") + (f"?unit={unit}" if unit else "")


def give(campaign: Campaign, by: Cadre, unit: str = COUNTY, name: str = "三楼大厅", **options: Any) -> str:
    """The token of a new pass."""
    made = passes.make(campaign, Unit.objects.get(pk=unit), name, **{"until": None} | options, by=by)
    return made[1]


def bring(campaign: Campaign, number: str, unit: str, to: str, by: Cadre, note: str = "") -> None:
    task = factories.task(campaign, number, unit)
    ticks.record(task, by=by, event=factories.body()["event"], state=to, note=note)


def text(response: HttpResponse) -> str:
    assert response.status_code == 200
    return response.content.decode()


def names(page: str) -> list[str]:
    """Of the cells."""
    return re.findall(r'<span class="name">(.*?)</span>', page[page.index('id="heat"') : page.index('id="page-weak"')])


@contextmanager
def days_later(days: int) -> Iterator[None]:
    now = timezone.now() + timedelta(days=days)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now)
        yield


@pytest.fixture
def busy(cast: Cast, campaign: Campaign) -> Campaign:
    """Willow is late, Maple has a task verified and one returned with a note."""
    today = timezone.localdate()
    Task.objects.filter(unit=WILLOW, item__number="v-1").update(due_on=today - timedelta(days=3))
    bring(campaign, "v-1", MAPLE, "done", cast["hong"])
    bring(campaign, "v-1", MAPLE, "verified", cast["lin"])
    bring(campaign, "v-2", MAPLE, "done", cast["hong"])
    bring(campaign, "v-2", MAPLE, "returned", cast["lin"], "台账缺三户签字")
    return campaign


# --- what it shows -------------------------------------------------------------------------------------------------


def test_it_shows_answer_cells_weak_places_and_what_happened(busy: Campaign, cast: Cast) -> None:
    page = text(Client().get(wall(busy, give(busy, cast["ada"]))))
    assert "叙州区" in page
    assert set(names(page)) == {"柳村", "枫村", "湖村", "本级", "区经科局"}
    assert "柳村" in page[page.index('id="weak"') :]
    news = page[page.index('id="news"') :]
    assert re.findall(r'<b>枫村</b> .*?<em class="(\w+)"', news) == ["returned", "done", "verified", "done"]
    assert 'class="progress-chart large"' in page


def test_it_names_nobody_and_shows_no_numbers_and_no_notes(busy: Campaign, cast: Cast, as_: As) -> None:
    for page in (text(Client().get(wall(busy, give(busy, cast["ada"])))), text(as_("ada").get(wall(busy)))):
        words = re.sub(r'data-tag="[^"]*"', "", page)  # a digest may look like anything
        assert not re.search(r"1\d\d(?:\d|\*){4}\d{4}", words)
        assert "台账缺三户签字" not in page
        assert [person for person in cast if re.search(rf"\b{cast[person].name}\b", page)] == []


def test_nothing_on_it_leads_away_or_is_sent(busy: Campaign, cast: Cast) -> None:
    token = give(busy, cast["ada"])
    page = text(Client().get(wall(busy, token) + "?theme=dark"))
    assert token not in page
    assert not re.search(r"<a\b|<form\b", page)
    assert 'data-theme="dark"' in page
    assert "data-theme" not in text(Client().get(wall(busy, token) + '?theme="><b>'))


def test_the_ranking_has_a_page_where_it_is_switched_on(busy: Campaign, cast: Cast) -> None:
    address = wall(busy, give(busy, cast["ada"]))
    assert "page-ranking" not in text(Client().get(address))
    Campaign.objects.filter(pk=busy.pk).update(ranking=True, decided_by=cast["mei"], last_places=1)
    assert 'id="page-ranking"' in text(Client().get(address))


@pytest.mark.parametrize("ranking", [False, True])
def test_it_takes_ten_queries_at_most(
    busy: Campaign, cast: Cast, as_: As, ranking: bool, django_assert_max_num_queries: Any
) -> None:
    Campaign.objects.filter(pk=busy.pk).update(ranking=ranking, decided_by=cast["mei"])
    address = wall(busy, give(busy, cast["ada"]))
    with django_assert_max_num_queries(10):
        text(Client().get(address))
    client = as_("mei")
    client.get(wall(busy))  # notes that the session is in use
    with django_assert_max_num_queries(10):  # session and person are two of them
        text(client.get(wall(busy)))


def test_a_campaign_without_tasks_and_units_without_a_board(cast: Cast, as_: As) -> None:
    empty = factories.campaign(COUNTY, of=factories.template("c", [factories.line("c-1", owed_by=["site"])]))
    Task.objects.all().delete()
    assert names(text(as_("mei").get(wall(empty)))) == []
    for code in (WILLOW, BUREAU, "511504999", "5115", "x", "0", "%00"):
        assert as_("mei").get(wall(empty, unit=code)).status_code == 404, code


# --- who sees what -------------------------------------------------------------------------------------------------


def test_whoever_is_logged_in_sees_what_their_posts_cover(busy: Campaign, as_: As) -> None:
    assert set(names(text(as_("bao").get(wall(busy))))) == {"本级", "柳村", "枫村"}
    assert names(text(as_("lan").get(wall(busy)))) == ["柳村"]
    assert set(names(text(as_("mei").get(wall(busy, unit=WEST))))) == {"湖村", "本级"}
    assert as_("bao").get(wall(busy, unit=WEST)).status_code == 404
    assert as_("chen").get(wall(busy)).status_code == 404
    assert Client().get(wall(busy)).status_code == 302


def test_a_pass_sees_its_unit_and_nothing_else(busy: Campaign, cast: Cast) -> None:
    address = wall(busy, give(busy, cast["ada"], EAST))
    page = text(Client().get(address))
    assert set(names(page)) == {"本级", "柳村", "枫村"}
    assert "湖村" not in page
    assert "西镇" not in page
    assert text(Client().get(address + f"?unit={COUNTY}")).count("湖村") == 0


def test_what_happens_elsewhere_is_not_told(busy: Campaign, cast: Cast) -> None:
    wang = factories.cadre("Wang", access.Role.VILLAGE_CADRE, LAKE)
    east, west = (wall(busy, give(busy, cast["ada"], unit, unit)) for unit in (EAST, WEST))
    before = Client().get(east)
    bring(busy, "v-1", LAKE, "done", wang)
    assert Client().get(east).content == before.content
    assert Client().get(east, headers={"If-None-Match": before["ETag"]}).status_code == 304
    assert "<b>湖村</b>" in text(Client().get(west))


def test_a_pass_can_do_nothing(cast: Cast) -> None:
    onlooker = access.Onlooker(COUNTY)
    assert access.may_see(onlooker, WILLOW)
    assert not any(access.can(onlooker, action, unit) for action in access.Action for unit in (COUNTY, EAST, WILLOW))


def test_it_is_kept_by_nobody_and_says_where_from_to_nobody(busy: Campaign, cast: Cast) -> None:
    response = Client().get(wall(busy, give(busy, cast["ada"])))
    assert unsafe(response, logged_in=True) == []
    assert not response.cookies


# --- how long ------------------------------------------------------------------------------------------------------


def test_a_revoked_pass_shows_nothing_from_that_moment(busy: Campaign, cast: Cast, as_: As) -> None:
    address = wall(busy, give(busy, cast["ada"]))
    first = Client().get(address)
    tag = {"If-None-Match": first["ETag"], "Readiness-Follows": "1"}
    assert Client().get(address, headers=tag).status_code == 304
    revoke = f"/campaigns/{busy.pk}/passes/{WallPass.objects.get().pk}/revoke/"
    for _ in range(2):  # once more does no harm
        assert as_("ada").post(revoke).status_code == 302
        assert Client().get(address, headers=tag).status_code == 404
    assert Change.objects.filter(fields={"wall_pass": ["三楼大厅", ""]}, by=cast["ada"]).count() == 1


def test_all_that_does_not_fit_is_answered_alike(busy: Campaign, cast: Cast) -> None:
    far = factories.campaign(factories.OTHER_COUNTY)
    theirs = give(far, cast["ada"], factories.OTHER_COUNTY)
    ours, another = give(busy, cast["ada"]), factories.campaign(days=40)
    over = give(busy, cast["ada"], name="二", until=timezone.localdate())
    gone = give(busy, cast["ada"], name="三")
    passes.end(WallPass.objects.get(name="三"), by=cast["ada"])
    assert Client().get(wall(busy, over)).status_code == 200
    with days_later(1):
        answers = [
            said(Client().get(address))
            for address in (
                *(wall(busy, token) for token in (theirs, over, gone, "x", "%00", "%ff", "x" * 2000)),
                wall(another, ours),
                f"/campaigns/987654321/wall/{theirs}/",
                f"/campaigns/{10**29}/wall/{theirs}/",
            )
        ]
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)


def test_a_closed_campaign_is_shown_for_a_month(busy: Campaign, cast: Cast) -> None:
    address = wall(busy, give(busy, cast["ada"]))
    course.steer(busy, "closed", by=cast["ada"])
    assert Client().get(address).status_code == 200
    with days_later(29):
        assert Client().get(address).status_code == 200
    with days_later(31):
        assert Client().get(address).status_code == 404


def test_a_thousand_wrong_tries(
    busy: Campaign, cast: Cast, caplog: pytest.LogCaptureFixture, tell: Callable[[str], None]
) -> None:
    """All refused, each for one look into an index; the pass goes on; the log says it once, without the token."""
    token = give(busy, cast["ada"])
    client, before = Client(), fingerprint()
    logging.getLogger("django.request").filters[0].told_at = -1e9  # type: ignore[union-attr]
    began = perf_counter()
    with caplog.at_level(logging.INFO), CaptureQueriesContext(connection) as queries:
        tries = {client.get(wall(busy, f"{token[:-4]}{n:04}")).status_code for n in range(1000)}
    took = (perf_counter() - began) / 1000
    tell(f"a wrong wall pass: refused in {1000 * took:.1f} ms")
    assert tries == {404}
    assert len(queries) == 1000
    assert took < 0.2  # no slow hash is made of it
    assert client.get(wall(busy, token)).status_code == 200
    assert fingerprint() == before
    said_ = [record.getMessage() for record in caplog.records if "/wall/" in record.getMessage()]
    assert said_ == [f"Not Found: /campaigns/{busy.pk}/wall/…/"]


def test_the_log_keeps_other_lines() -> None:
    keeps = logs.SecretAddresses()
    line = logging.LogRecord("django.request", logging.WARNING, "", 0, "Not Found: %s", ("/campaigns/1/tasks/",), None)
    assert all(keeps.filter(line) for _ in range(3))
    assert line.getMessage() == "Not Found: /campaigns/1/tasks/"


# --- following -----------------------------------------------------------------------------------------------------


def test_nothing_changed_costs_two_queries_and_no_bytes(
    busy: Campaign, cast: Cast, django_assert_num_queries: Any
) -> None:
    address = wall(busy, give(busy, cast["ada"]))
    tag = {"If-None-Match": Client().get(address)["ETag"]}
    with django_assert_num_queries(2):
        same = Client().get(address, headers=tag)
    assert (same.status_code, same.content) == (304, b"")
    assert "no-store" in same["Cache-Control"]
    bring(busy, "v-1", WILLOW, "done", cast["lan"])
    assert Client().get(address, headers=tag).status_code == 200


def test_after_midnight_it_is_another_day(busy: Campaign, cast: Cast) -> None:
    address = wall(busy, give(busy, cast["ada"]))
    first = Client().get(address)
    with days_later(1):
        later = Client().get(address, headers={"If-None-Match": first["ETag"]})
        assert f"{timezone.localdate().day}日" in re.findall(r'id="today".*?>(.*?)<', text(later))[0]
    assert "29" in re.findall(r'class="days">.*?<b>(\d+)</b>', text(later), re.DOTALL)


# --- making passes -------------------------------------------------------------------------------------------------


def test_whoever_runs_the_campaign_makes_a_pass_and_sees_its_address_once(busy: Campaign, cast: Cast, as_: As) -> None:
    page, client = f"/campaigns/{busy.pk}/passes/", as_("ada")
    made = text(client.post(page, {"name": "三楼大厅", "unit": EAST}))
    (address,) = re.findall(r'value="http://testserver(/campaigns/\d+/wall/[\w-]{43}/)"', made)
    assert set(names(text(Client().get(address)))) == {"本级", "柳村", "枫村"}
    one = WallPass.objects.get()
    assert (one.name, one.unit_id, one.made_by) == ("三楼大厅", EAST, cast["ada"])
    token = address.split("/")[-2]
    assert token not in str(vars(one))
    assert token not in text(client.get(page))
    assert "三楼大厅" in text(client.get(page))
    assert Change.objects.filter(fields={"wall_pass": ["", "三楼大厅"]}, by=cast["ada"], unit=EAST).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "长" * 41},
        {"name": "大\x00厅"},
        {"unit": WILLOW},
        {"unit": factories.OTHER_TOWNSHIP},
        {"unit": "\x00"},
        {"unit": "5" * 30},
        {"until": "2020-01-01"},
        {"until": "soon"},
        {"until": "0000-00-00"},
        {"name": "门厅"},
    ],
    ids=repr,
)
def test_what_is_wrong_is_said_and_kept(busy: Campaign, cast: Cast, as_: As, wrong: dict[str, str]) -> None:
    give(busy, cast["ada"], name="门厅")
    client, before = as_("ada"), fingerprint()
    answer = client.post(f"/campaigns/{busy.pk}/passes/", {"name": "三楼大厅", "unit": EAST, "until": ""} | wrong)
    assert answer.status_code == 422
    assert 'class="complaint"' in answer.content.decode()
    assert fingerprint() == before


def test_a_board_leads_to_a_pass_for_its_unit(busy: Campaign, as_: As) -> None:
    page = text(as_("ada").get(f"/campaigns/{busy.pk}/?unit={EAST}"))
    assert f'href="/campaigns/{busy.pk}/wall/?unit={EAST}"' in page
    assert f'href="/campaigns/{busy.pk}/passes/?unit={EAST}"' in page
    assert f'<option value="{EAST}" selected>' in text(as_("ada").get(f"/campaigns/{busy.pk}/passes/?unit={EAST}"))
    assert f"/campaigns/{busy.pk}/passes/" not in text(as_("mei").get(f"/campaigns/{busy.pk}/"))
    for odd in ("%00", "x", "5" * 30, factories.OTHER_COUNTY):
        assert as_("ada").get(f"/campaigns/{busy.pk}/passes/?unit={odd}").status_code == 200


def test_a_draft_has_no_wall_until_it_is_launched(cast: Cast, campaign: Campaign) -> None:
    address = wall(campaign, give(campaign, cast["ada"]))
    Campaign.objects.filter(pk=campaign.pk).update(status="draft")
    assert Client().get(address).status_code == 404
    Campaign.objects.filter(pk=campaign.pk).update(status="active")
    assert Client().get(address).status_code == 200
