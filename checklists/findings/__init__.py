"""问题、整改、销号: the verbs on a finding."""

import uuid
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Coalesce
from django.utils import timezone

from checklists.models import Campaign, Check, Finding, FindingEvent, HelpRequest, Item, Task
from villages.models import Cadre, Unit

USUAL_TIME = timedelta(days=7)  # to put something right, unless somebody says otherwise


def open_finding(
    *,
    by: Cadre,
    event: uuid.UUID,
    campaign: Campaign,
    unit: Unit,
    source: str,
    what: str,
    severity: int = Finding.Severity.MINOR,
    task: Task | None = None,
    item: Item | None = None,
    check: Check | None = None,
    help_request: HelpRequest | None = None,
    responsible: Cadre | None = None,
    found_on: date | None = None,
    due_on: date | None = None,
) -> Finding:
    """Enters a finding under the campaign's next number; inside a longer transaction too.

    Args:
        event: the sender's own id; the same one twice is one finding.
        found_on: None is today.
        due_on: None is a week after it was found.
    """
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        earlier = FindingEvent.objects.filter(pk=event).select_related("finding").first()
        if earlier is not None:
            return earlier.finding
        found = found_on or timezone.localdate()
        last = Finding.objects.filter(campaign=campaign).aggregate(last=Coalesce(Max("number"), 0))["last"]
        finding = Finding.objects.create(
            campaign=campaign,
            number=last + 1,
            source=source,
            severity=severity,
            unit=unit,
            task=task,
            item=item or (task.item if task else None),
            check_seen=check,
            help_request=help_request,
            what=what,
            responsible=responsible,
            found_on=found,
            found_by=by,
            due_on=due_on or found + USUAL_TIME,
        )
        FindingEvent.objects.create(id=event, finding=finding, by=by, what=FindingEvent.What.OPENED, note=what)
        return finding
