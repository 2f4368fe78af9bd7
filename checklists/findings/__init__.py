"""问题、整改、销号: entering a finding under its number. What becomes of it after that: verbs.py beside this."""

import uuid
from datetime import date

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from checklists.models import Campaign, Check, Finding, FindingEvent, HelpRequest, Item, Responsibility, Task
from checklists.workdays import workday_after
from villages import access
from villages.models import Cadre, Post, Unit

# Working days to put something right, unless somebody says otherwise.
USUAL_TIME = {Finding.Severity.MINOR: 10, Finding.Severity.SERIOUS: 5, Finding.Severity.GRAVE: 2}
NUMBERS = 0x5EAD  # of the advisory locks under which numbers are given, one for each campaign


class Refused(Exception):
    """A change that is not made. `message` says why and what to do, in the reader's language."""

    def __init__(self, message: "str | Promise", finding: Finding | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.finding = finding


class Conflict(Refused):
    """The finding, the campaign or the event's id is not what the sender thinks (409)."""


class Unfit(Refused):
    """Something that was sent does not fit (422). `field` names what."""

    def __init__(self, message: "str | Promise", field: str, finding: Finding | None = None) -> None:
        super().__init__(message, finding)
        self.field = field


USED_BEFORE = _("This entry's number was used before for something else. Open the page again.")


def usual_due(severity: int, on: date) -> date:
    """By when something of this severity is put right, if it was found on this day and nobody says otherwise."""
    return workday_after(on, USUAL_TIME[Finding.Severity(severity)])


def usual_responsible(campaign: Campaign, unit: Unit, *, on: date) -> Cadre | None:
    """Who puts right what is found at a unit: who answers directly, else who answers first, of those in office."""
    held = {one.kind: one.cadre for one in Responsibility.objects.of_unit(campaign, unit, on=on)}
    return held.get(Responsibility.Kind.DIRECT) or held.get(Responsibility.Kind.FIRST)


def takers(finding: Finding, user: Cadre, *, on: date) -> list[Cadre]:
    """Whom the reader can hand it over to: who holds a post here in the reader's sight, or answers here. Two queries.

    Whoever answers and has left their post is refused by the verb.
    """
    here = Post.objects.visible_to(user).current(on).filter(unit__in=access.above(finding.unit_id))
    people = [post.cadre for post in here.select_related("cadre").order_by("-unit", "-principal", "pk")]
    answers = Responsibility.objects.visible_to(user).filter(campaign=finding.campaign_id, unit=finding.unit_id)
    people += [one.cadre for one in answers.in_order()]
    return list({cadre.pk: cadre for cadre in people}.values())


def sources(campaign: Campaign) -> list[str]:
    """By which ways something can be found now: by every one while the campaign runs; once it is closed what the
    inspection itself found, which is often known only then.
    """
    if campaign.is_running:
        return Finding.Source.values
    return [Finding.Source.INSPECTION] if campaign.is_closed else []


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
    problem: str = "",
) -> Finding:
    """Enters a finding under the campaign's next number; inside a longer transaction too.

    Whether `by` may, the caller has looked up: an inspector enters what was seen on a round.

    Args:
        event: the sender's own id; the same one twice is one finding.
        responsible: None is whoever answers for the unit directly, else first.
        found_on: None is today.
        due_on: None is so many working days after it was found as its severity allows.
        problem: the line of the speech's own list that it is, by its id there.

    Raises:
        Conflict: the campaign takes none of this source now, the call for help has its finding already, or the id
            stands for another.
        Unfit: a day that cannot be, or a task that is not the unit's in this campaign.
    """
    today = timezone.localdate()
    found = found_on or today
    with transaction.atomic():
        # A share of the campaign, as a tick takes it: closing it waits for us. Then the lock under which numbers are
        # given, one after the other and without gaps. Not the campaign's row itself: whoever ticked in the same
        # transaction (a round that returns a task) holds a share of that already, and two of those would wait for
        # each other.
        held = Campaign.objects.raw("SELECT * FROM checklists_campaign WHERE id = %s FOR SHARE", [campaign.pk])[0]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [NUMBERS, campaign.pk % 2**31])
        earlier = FindingEvent.objects.filter(pk=event).select_related("finding").first()
        if earlier is not None:
            return _repeated(earlier, by=by, campaign=campaign, unit=unit, what=what)
        if source not in sources(held):
            raise Conflict(
                _("This campaign is closed: it takes only what the inspection itself found, and settles what it has.")
                if held.is_closed
                else _("This campaign does not run now: no findings are entered. Those it has are settled.")
            )
        due = due_on or usual_due(severity, found)
        if found > today:
            raise Unfit(_("This day has not come yet."), "found_on")
        if due < found:
            raise Unfit(_("It cannot be due before it was found."), "due_on")
        if not unit.code.startswith(campaign.host_id):
            raise Unfit(_("This unit is none of this campaign's."), "unit")
        if task is not None and (task.campaign_id, task.unit_id) != (campaign.pk, unit.code):
            raise Unfit(_("This task is not this unit's in this campaign."), "task")
        known = help_request is not None and Finding.objects.filter(help_request=help_request).first()
        if known:
            raise Conflict(_("This call for help has its finding already: no. %(n)d.") % {"n": known.number})
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
            problem=problem,
            what=what,
            responsible=responsible or usual_responsible(campaign, unit, on=today),
            found_on=found,
            found_by=by,
            due_on=due,
        )
        FindingEvent.objects.create(
            id=event,
            finding=finding,
            by=by,
            what=FindingEvent.What.OPENED,
            note=what,
            day=due,
            to=finding.responsible,
        )
        return finding


def _repeated(earlier: FindingEvent, *, by: Cadre, campaign: Campaign, unit: Unit, what: str) -> Finding:
    """The finding that the same event entered before."""
    finding = earlier.finding
    if (earlier.what, earlier.by_id, earlier.note) != (FindingEvent.What.OPENED, by.pk, what) or (
        finding.campaign_id,
        finding.unit_id,
    ) != (campaign.pk, unit.pk):
        raise Conflict(USED_BEFORE, finding)
    return finding
