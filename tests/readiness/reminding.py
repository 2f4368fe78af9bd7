"""What tests of reminders share: tasks as they stand, a campaign in which nothing is due, runs of a moment."""

from datetime import date, datetime, timedelta

from django.utils import timezone

from checklists.models import Campaign, Task
from readiness.models import Notice
from readiness.reminders import outbox
from tests import factories
from tests.factories import TODAY
from villages.models import Cadre


def quiet_campaign() -> Campaign:
    """A campaign of the county in which nothing is due for long."""
    campaign = factories.campaign(days=100)
    Task.objects.filter(campaign=campaign).update(due_on=TODAY + timedelta(days=90))
    return campaign


def campaign_without_vacancies() -> Campaign:
    """The same, and of its vacancies has been told."""
    campaign = quiet_campaign()
    write(TODAY - timedelta(days=30))
    return campaign


def put(task: Task, *, due_on: date | None = None, state: str = "open", by: Cadre | None = None) -> None:
    """A task as it stands, without the way there."""
    now = timezone.now()
    done = state in ("done", "verified")
    Task.objects.filter(pk=task.pk).update(
        due_on=due_on or task.due_on,
        state=state,
        done_by=by if done else None,
        done_at=now if done else None,
        verified_by=Cadre.objects.get(username="su") if state == "verified" else None,
        verified_at=now if state == "verified" else None,
    )


def owing(campaign: Campaign, unit: str, *days: int) -> None:
    """The unit's tasks in this campaign are due so many days after TODAY; what is left over is due much later."""
    tasks = campaign.tasks.filter(unit_id=unit).order_by("item__position")
    for task, day in zip(tasks, [*days, *[90] * 9], strict=False):
        put(task, due_on=TODAY + timedelta(days=day))


def write(on: date = TODAY, at: str = "09:00") -> int:
    """A run on a day at a time of that day."""
    return outbox.write(on, moment(on, at))


def moment(on: date = TODAY, at: str = "09:00") -> datetime:
    return timezone.make_aware(datetime.fromisoformat(f"{on} {at}"))


def inbox(name: str, rule: str = "digest") -> list[Notice]:
    """What somebody has in the inbox by a rule, oldest first."""
    found = Notice.objects.filter(cadre__username=name, channel="inbox", rule__startswith=rule)
    return list(found.order_by("on", "pk"))


def hears() -> dict[str, str]:
    """Log-in name -> subject of the newest digest."""
    found = Notice.objects.filter(channel="inbox", rule="digest").order_by("on").select_related("cadre")
    return {notice.cadre.username: notice.subject for notice in found if notice.cadre}
