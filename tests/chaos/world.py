"""Many people who owe something each."""

from datetime import time, timedelta

from django.db import transaction
from django.utils import timezone

from checklists.models import Campaign, Task
from readiness.models import Account, Channel, Gateway, Rules, Wishes
from readiness.reminders.sealed import seal
from tests import factories
from tests.factories import COUNTY
from villages.access import Role
from villages.models import Cadre, Post, Unit

IN_A_TOWNSHIP = 100


@transaction.atomic
def owed_by(many: int) -> Campaign:
    """So many villages with a cadre and an overdue task each. They want to hear of it at any hour of the day."""
    factories.units()
    today = timezone.localdate()
    townships = [f"{COUNTY}{200 + n}" for n in range(-(-many // IN_A_TOWNSHIP))]
    villages = [f"{townships[n // IN_A_TOWNSHIP]}{200 + n % IN_A_TOWNSHIP}" for n in range(many)]
    Unit.objects.bulk_create([Unit(code=code, name=f"{code[6:]}镇", parent_id=COUNTY) for code in townships])
    Unit.objects.bulk_create([Unit(code=code, name=f"{code[6:]}村", parent_id=code[:9]) for code in villages])
    people = Cadre.objects.bulk_create(
        [Cadre(username=name(n), name=name(n), phone=f"100{10**7 + n}") for n in range(many)]
    )
    Wishes.objects.bulk_create([Wishes(cadre=person, quiet_from=time(0), quiet_until=time(0)) for person in people])
    Post.objects.bulk_create(
        [
            Post(cadre=person, unit_id=code, role=Role.VILLAGE_CADRE, principal=True, since=today - timedelta(days=99))
            for person, code in zip(people, villages, strict=True)
        ]
    )
    campaign = factories.campaign(of=factories.template(items=[factories.line("v-1")]), on=today)
    Rules.objects.create(campaign=campaign, at=time(0))
    Task.objects.update(due_on=today - timedelta(days=1))
    return campaign


def name(number: int) -> str:
    """Of a cadre: log-in, mail and account alike, so that one sees who heard what."""
    return f"p{number:04}"


SECRETS: dict[str, dict[str, str]] = {
    Channel.WEBHOOK: {"path": "/sms", "secret": "willow"},
    Channel.WECOM: {"corp_id": "c", "secret": "willow", "agent_id": "1"},
    Channel.FEISHU: {"app_id": "a", "app_secret": "willow"},
    Channel.DINGTALK: {"app_key": "k", "app_secret": "willow", "agent_id": "1"},
    Channel.DINGTALK_ROBOT: {"token": "dingtalk-group", "secret": "willow"},
    Channel.WECOM_ROBOT: {"key": "wecom-group"},
    Channel.FEISHU_ROBOT: {"token": "feishu-group", "secret": "willow"},
}


def gateway(
    channel: Channel, host: str, unit: str = COUNTY, campaign: Campaign | None = None, **secrets: str
) -> Gateway:
    """A way out for everybody below the unit."""
    return Gateway.objects.create(
        channel=channel,
        unit_id=unit,
        campaign=campaign,
        name=channel.value,
        host=host,
        sealed=seal(SECRETS[channel] | secrets),
        made_by=Cadre.objects.earliest("pk"),
    )


def accounts(channel: Channel) -> None:
    """Everybody has one, under the log-in name."""
    Account.objects.bulk_create(
        [Account(cadre=person, channel=channel, name=person.username) for person in Cadre.objects.all()]
    )
