"""Files that are taken back, or arrive, while somebody closes what they belong to."""

import uuid
from concurrent.futures import Future
from typing import Any

import pytest
from django.utils import timezone

from checklists import evidence
from checklists.evidence.refusals import Refused
from checklists.evidence.things import Thing
from checklists.models import Campaign, Evidence, EvidenceUse, Finding
from checklists.models.finding import FindingQuerySet
from tests import factories, proofs
from tests.checklists.conftest import Elsewhere
from villages.models import Cadre


@pytest.fixture
def kept(elsewhere: Elsewhere) -> Evidence:
    """A file of a task, and of a finding that waits for a look."""
    factories.units()
    people = factories.cast()
    task = factories.task(factories.campaign(on=timezone.localdate()))
    one = proofs.kept(task, people["lan"], at=timezone.now())
    finding = proofs.found(task, people["su"])
    Finding.objects.filter(pk=finding.pk).update(state="fixed", fixed_by=people["lan"], fixed_at=timezone.now())
    EvidenceUse.objects.create(evidence=one, finding=finding, by=people["lan"])
    return one


def taken_back_while_closing(elsewhere: Elsewhere, kept: Evidence) -> Future[Any]:
    """The finding is being confirmed when the file is taken back; what becomes of the latter."""
    su = Cadre.objects.get(username="su")
    elsewhere.run("UPDATE checklists_finding SET state = 'closed', confirmed_by_id = %s, confirmed_at = now()", su.pk)
    return elsewhere.start(lambda: evidence.take_back(kept, by=kept.by, now=timezone.now()))


def test_a_file_stays_with_the_finding_that_is_being_closed_with_it(elsewhere: Elsewhere, kept: Evidence) -> None:
    taking = taken_back_while_closing(elsewhere, kept)
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert isinstance(taking.exception(30), Refused)
    assert Evidence.objects.there().exists()


def test_without_holding_the_finding_it_would_go(
    elsewhere: Elsewhere, kept: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FindingQuerySet, "select_for_update", lambda self, **_: self)
    assert taken_back_while_closing(elsewhere, kept).exception(30) is None
    elsewhere.commit()
    assert not Evidence.objects.there().exists()


def attached_while_closing(elsewhere: Elsewhere, kept: Evidence) -> Future[Any]:
    """The campaign is being closed when a file is attached to another of its tasks."""
    campaign = Campaign.objects.get()
    thing = Thing(factories.task(campaign, "v-2"))
    elsewhere.run("UPDATE checklists_campaign SET status = 'closed', closed_at = now(), closed_by_id = %s", kept.by_id)
    return elsewhere.start(lambda: evidence.attach(thing, [kept.pk, uuid.uuid4()], by=kept.by))


def test_a_campaign_that_is_being_closed_takes_no_file(elsewhere: Elsewhere, kept: Evidence) -> None:
    attaching = attached_while_closing(elsewhere, kept)
    elsewhere.wait_for_waiting()
    elsewhere.commit()
    assert isinstance(attaching.exception(30), Refused)
    assert EvidenceUse.objects.count() == 2


def test_without_a_share_of_the_campaign_it_would(
    elsewhere: Elsewhere, kept: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Thing, "held", lambda self: self)
    assert attached_while_closing(elsewhere, kept).exception(30) is None
    elsewhere.commit()
    assert EvidenceUse.objects.count() == 3
