"""Many people who owe something each."""

from datetime import timedelta

from django.db import transaction

from checklists.models import Campaign, Task
from tests import factories
from tests.factories import COUNTY, TODAY
from villages.access import Role
from villages.models import Cadre, Post, Unit

IN_A_TOWNSHIP = 100


@transaction.atomic
def owed_by(many: int) -> Campaign:
    """So many villages with a cadre and an overdue task each. Cadre n: mail p<n>@example.org, telephone 100…<n>."""
    factories.units()
    townships = [f"{COUNTY}{200 + n}" for n in range(-(-many // IN_A_TOWNSHIP))]
    villages = [f"{townships[n // IN_A_TOWNSHIP]}{200 + n % IN_A_TOWNSHIP}" for n in range(many)]
    Unit.objects.bulk_create([Unit(code=code, name=f"{code[6:]}镇", parent_id=COUNTY) for code in townships])
    Unit.objects.bulk_create([Unit(code=code, name=f"{code[6:]}村", parent_id=code[:9]) for code in villages])
    people = Cadre.objects.bulk_create(
        [
            Cadre(
                username=name(n), name=name(n), password="!", email=f"{name(n)}@example.org", phone=f"100{10**7 + n}"
            )
            for n in range(many)
        ]
    )
    Post.objects.bulk_create(
        [
            Post(cadre=person, unit_id=code, role=Role.VILLAGE_CADRE, principal=True, since=TODAY - timedelta(days=99))
            for person, code in zip(people, villages, strict=True)
        ]
    )
    campaign = factories.campaign(of=factories.template(items=[factories.line("v-1")]), on=TODAY)
    Task.objects.exclude(unit_id__in=villages).delete()
    Task.objects.update(due_on=TODAY - timedelta(days=1))
    return campaign


def name(number: int) -> str:
    """Of a cadre: log-in, mail and account alike, so that one sees who heard what."""
    return f"p{number:04}"
