"""One's own deadlines as a calendar that a phone subscribes to. Whoever knows its address reads it: no log-in."""

import secrets
from datetime import date, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from icalendar import Calendar, Event

from checklists.models import Campaign, Task
from readiness.models import Wishes
from villages.models import Cadre, Kind, Unit

TOKEN_BYTES = 32  # 256 random bits: no guessing finds it, and its SHA-256 is enough to know it again
REFRESH = timedelta(hours=6)  # how often a phone should look again


class Day(NamedTuple):
    """What one unit owes in one campaign on one day."""

    campaign: Campaign
    unit: Unit
    due_on: date
    tasks: int


def make(cadre: Cadre) -> str:
    """A new secret for the cadre's calendar, which nobody can find out later; the one before opens nothing any more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    Wishes.objects.update_or_create(cadre=cadre, defaults={"feed_digest": Wishes.digest_of(token)})
    return token


def end(cadre: Cadre) -> None:
    """No address opens the cadre's calendar any more; once more does no harm."""
    Wishes.objects.filter(cadre=cadre).update(feed_digest=None)


@login_not_required
@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar (RFC 5545) of whoever made this address. Wrong and switched off are the same 404."""
    known = Wishes.objects.select_related("cadre")
    found = get_object_or_404(known, feed_digest=Wishes.digest_of(token))
    start = settings.SITE_URL or request.build_absolute_uri("/").rstrip("/")
    answer = HttpResponse(calendar(days(found.cadre), start).to_ical(), content_type="text/calendar; charset=utf-8")
    answer["Cache-Control"] = "no-store, private"
    return answer


def days(cadre: Cadre) -> list[Day]:
    """What is still owed in running campaigns by the posts held today, by day. Four queries, however much it is."""
    owed = Task.objects.owed_by(cadre).running().still_owed()
    rows = list(
        owed.values_list("campaign_id", "unit_id", "due_on")
        .annotate(n=Count("pk"))
        .order_by("due_on", "unit_id", "campaign_id")
    )
    campaigns = Campaign.objects.in_bulk({row[0] for row in rows})
    units = Unit.objects.select_related("parent").in_bulk({row[1] for row in rows})
    return [Day(campaigns[campaign], units[unit], due_on, n) for campaign, unit, due_on, n in rows]


def calendar(owed: list[Day], start: str) -> Calendar:
    """One all-day event per campaign, unit and day. `start` is scheme and host of the links."""
    told = Calendar()
    told.add("prodid", "-//Readiness//Deadlines//ZH")
    told.add("version", "2.0")
    told.add("x-wr-calname", _("Inspection readiness: deadlines"))
    told.add("x-wr-timezone", settings.TIME_ZONE)
    told.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    told.add("x-published-ttl", "PT6H")
    now = timezone.now()
    for day in owed:
        event = Event()
        # The same whatever becomes of the number of tasks, so that a phone changes the event and makes no second one.
        event.add("uid", f"{day.campaign.pk}-{day.unit.written_code}-{day.due_on:%Y%m%d}@readiness")
        event.add("dtstamp", now)
        event.add("dtstart", day.due_on)
        event.add("summary", _summary(day))
        event.add("description", str(day.campaign))
        event.add("url", start + reverse("unit_tasks", args=[day.campaign.pk, day.unit.code]))
        event.add("transp", "TRANSPARENT")  # nobody is busy all day for it
        told.add_component(event)
    return told


def _summary(day: Day) -> str:
    """东镇柳村：3项到期."""
    unit, upper = day.unit, day.unit.parent
    within = upper.short_name if upper and unit.kind in (Kind.VILLAGE, Kind.SITE) else ""
    said = ngettext("%(where)s: %(n)d item due", "%(where)s: %(n)d items due", day.tasks)
    return said % {"where": within + unit.short_name, "n": day.tasks}
