"""Two admins save the next version of a template at the same moment: both get one, none is lost."""

from datetime import timedelta

from django.utils import timezone

from checklists import copying, launch
from checklists.models import Template
from tests import factories
from tests.checklists.conftest import Elsewhere
from tests.factories import COUNTY
from villages.models import Unit


def test_two_versions_saved_at_once_get_a_number_each(elsewhere: Elsewhere) -> None:
    factories.units()
    ada = factories.cast()["ada"]
    today = timezone.localdate()
    county = Unit.objects.get(pk=COUNTY)
    campaign = launch.draft(factories.template(), county, inspects_on=today + timedelta(days=40), on=today)
    first = copying.save_as(campaign, title="模板", by=ada)
    elsewhere.run("SELECT 1 FROM checklists_template WHERE slug = %s FOR UPDATE", first.slug)
    saving = [
        elsewhere.start(lambda: copying.save_as(campaign, title="模板", newer_of=first, by=ada)) for _number in "ab"
    ]
    elsewhere.wait_for_waiting(2)
    elsewhere.commit()
    assert sorted(saved.result().version for saved in saving) == [2, 3]
    assert Template.objects.filter(slug=first.slug).count() == 3
