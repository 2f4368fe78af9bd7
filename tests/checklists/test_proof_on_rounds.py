"""Proof of what was seen on a round: the inspector adds it, also from elsewhere, and it is shown where the check is."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from checklists import findings, rounds
from checklists.models import Campaign, Check, Evidence, EvidenceUse, Finding, Round
from tests import factories, proofs
from tests.checklists.conftest import queries
from tests.checklists.test_rounds import entry, go, send, tap, task_of
from tests.factories import MAPLE, WEST, WILLOW
from villages.access import Role
from villages.models import Cadre, Post

pytestmark = pytest.mark.django_db
LogIn = Callable[[str], Client]
Cast = dict[str, Cadre]


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> None:
    """A storage of the test's own."""
    options = settings.STORAGES["proofs"]["OPTIONS"] | {"location": tmp_path}
    settings.STORAGES = settings.STORAGES | {"proofs": settings.STORAGES["proofs"] | {"OPTIONS": options}}


@pytest.fixture
def visit(campaign: Campaign, cast: Cast) -> Round:
    """Wang of another township and Su go to Willow."""
    cast["wang"] = factories.cadre("Wang", Role.TOWNSHIP_LEADER, WEST)
    return go(campaign, cast["su"], cast["wang"], cast["su"])


def photo(client: Client, address: str, **fields: Any) -> Any:
    return client.post(address, proofs.form(proofs.sent(proofs.photo())) | fields)


def saw(visit: Round, client: Client, number: str = "v-1", result: str = "holds") -> str:
    """As a phone says it; where photos of it are sent."""
    (answer,) = send(client, visit, entry(visit, result, number))
    return str(answer["proofs"])


def test_an_inspector_from_elsewhere_adds_to_their_own_check_and_sees_no_other(
    visit: Round, cast: Cast, as_: LogIn
) -> None:
    wang, su = as_("wang"), as_("su")
    assert photo(wang, saw(visit, wang)).status_code == 302
    assert photo(su, saw(visit, su, "v-2")).status_code == 302
    task = proofs.kept(task_of(visit), cast["lan"])
    mine, other = (EvidenceUse.objects.get(check_seen__by=cast[who]).evidence for who in ("wang", "su"))
    page = wang.get(visit.get_absolute_url()).text
    assert f"/proofs/{mine.pk}/" in page
    assert f"/proofs/{other.pk}/" not in page
    assert b"".join(wang.get(f"/proofs/{mine.pk}/thumbnail/").streaming_content)
    for one in (other, task):
        assert wang.get(f"/proofs/{one.pk}/").status_code == wang.get(f"/proofs/{one.pk}/thumbnail/").status_code == 404
    hers = Check.objects.get(by=cast["su"])
    assert photo(wang, f"/checks/{hers.pk}/proofs/").status_code == 404
    # Nor is what lies at the unit theirs to use.
    check = Check.objects.get(by=cast["wang"])
    wang.post(f"/checks/{check.pk}/proofs/", {"attach": [str(task.pk)]})
    assert check.proofs.count() == 1
    page = su.get(visit.get_absolute_url()).text  # who sees the unit sees all
    assert f"/proofs/{mine.pk}/" in page
    assert f"/proofs/{other.pk}/" in page


def test_after_the_post_has_ended_ones_own_photos_are_gone_too(visit: Round, cast: Cast, as_: LogIn) -> None:
    wang = as_("wang")
    address = saw(visit, wang)
    photo(wang, address)
    one = Evidence.objects.get()
    Post.objects.filter(cadre=cast["wang"]).update(until=timezone.localdate())
    assert wang.get(f"/proofs/{one.pk}/").status_code == 404
    assert photo(wang, address).status_code == 404


def test_a_wrong_photo_is_taken_back_on_the_rounds_page(visit: Round, as_: LogIn) -> None:
    wang = as_("wang")
    photo(wang, saw(visit, wang))
    one = Evidence.objects.get()
    action = f"/proofs/{one.pk}/take-back/"
    assert action in wang.get(visit.get_absolute_url()).text
    assert action not in as_("su").get(visit.get_absolute_url()).text
    answer = wang.post(action)
    assert answer["Location"] == f"{visit.get_absolute_url()}#task-{task_of(visit).pk}"
    assert f"/proofs/{one.pk}/" not in wang.get(visit.get_absolute_url()).text


def test_the_form_needs_no_script_and_leads_back_to_the_check(visit: Round, as_: LogIn) -> None:
    wang = as_("wang")
    tap(wang, visit, entry(visit))
    check = Check.objects.get()
    page = wang.get(visit.get_absolute_url()).text
    assert f'action="/checks/{check.pk}/proofs/"' in page
    here = f"{visit.get_absolute_url()}#task-{check.task_id}"
    assert f'name="next" value="{here}"' in page
    answer = photo(wang, f"/checks/{check.pk}/proofs/", next=here)
    assert answer["Location"] == here
    assert f'action="/checks/{check.pk}/proofs/"' not in as_("su").get(visit.get_absolute_url()).text


def test_a_finished_round_takes_no_photos(visit: Round, cast: Cast, as_: LogIn) -> None:
    wang = as_("wang")
    address = saw(visit, wang)
    rounds.finish(visit, by=cast["su"], left=2)
    answer = wang.post(address, proofs.form(proofs.sent(proofs.photo())), follow=True)
    assert "已结束" in answer.text
    assert not Evidence.objects.exists()
    assert "data-uploads" not in wang.get(visit.get_absolute_url()).text


def test_what_was_seen_is_shown_with_its_photo_at_the_task_the_unit_and_the_finding(visit: Round, as_: LogIn) -> None:
    wang, lan = as_("wang"), as_("lan")
    photo(wang, saw(visit, wang, result="fails"))
    one, finding = Evidence.objects.get(), Finding.objects.get()
    unit = f"/campaigns/{visit.campaign_id}/units/{WILLOW}/"
    for page in (task_of(visit).get_absolute_url(), unit, finding.get_absolute_url()):
        assert f'src="/proofs/{one.pk}/thumbnail/"' in lan.get(page).text, page
    assert "take-back" not in lan.get(unit).text


def test_whoever_puts_a_finding_right_shows_it_also_after_the_campaigns_end(
    visit: Round, cast: Cast, as_: LogIn
) -> None:
    wang = as_("wang")
    saw(visit, wang, result="fails")
    finding = Finding.objects.get()
    assert "data-uploads" in as_("lan").get(finding.get_absolute_url()).text
    assert "data-uploads" not in as_("mei").get(finding.get_absolute_url()).text
    Campaign.objects.update(status="closed", closed_at=timezone.now(), closed_by=cast["ada"])
    assert photo(as_("lan"), f"/findings/{finding.pk}/proofs/").status_code == 302
    assert EvidenceUse.objects.get().finding == finding
    # A leader who is named responsible, and otherwise neither ticks nor checks there.
    Finding.objects.update(responsible=cast["mei"])
    assert photo(as_("mei"), f"/findings/{finding.pk}/proofs/").status_code == 302


def test_who_verifies_a_task_sees_where_else_its_file_serves(visit: Round, cast: Cast, as_: LogIn) -> None:
    campaign, body = visit.campaign, proofs.photo()
    for number, unit, who in (("v-1", WILLOW, "lan"), ("v-1", MAPLE, "hong")):
        task = factories.task(campaign, number, unit)
        assert as_(who).post(f"/tasks/{task.pk}/proofs/", proofs.form(proofs.sent(body))).status_code == 302
    here = factories.task(campaign, "v-1", WILLOW)
    there = factories.task(campaign, "v-1", MAPLE)
    assert f"{there.get_absolute_url()}#proofs" in as_("lin").get(here.get_absolute_url()).text
    assert f"{there.get_absolute_url()}#proofs" not in as_("lan").get(here.get_absolute_url()).text  # out of her sight


def test_pages_with_photos_cost_as_much_as_without(visit: Round, cast: Cast, as_: LogIn) -> None:
    su = as_("su")
    address = saw(visit, su, result="fails")
    event = {"by": cast["su"], "campaign": visit.campaign, "unit": visit.unit, "source": "check", "what": "x"}
    findings.open_finding(event=factories.uuid.uuid4(), **event)
    pages = [
        *(visit.get_absolute_url(), task_of(visit).get_absolute_url()),
        f"/campaigns/{visit.campaign_id}/units/{WILLOW}/",
        *(one.get_absolute_url() for one in Finding.objects.order_by("pk")),
    ]
    few = queries(su, pages)
    for _ in range(3):
        photo(su, address)
    saw(visit, su, "v-2")
    assert queries(su, pages) == few
    assert max(few) <= 12, few


def test_an_old_photo_is_not_offered_back(visit: Round, as_: LogIn) -> None:
    wang = as_("wang")
    photo(wang, saw(visit, wang))
    Evidence.objects.update(at=timezone.now() - timedelta(hours=25))
    assert "take-back" not in wang.get(visit.get_absolute_url()).text
