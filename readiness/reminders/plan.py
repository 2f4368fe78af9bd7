"""Who is owed which words, as of a day. Reads, decides, writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from django.db.models import Count, F, Min, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists.models import Campaign, Responsibility, Task
from checklists.models.campaign import where_held
from villages.models import Post

# How many days ahead a deadline is announced.
AHEAD = 3
DIGEST = "digest"


@dataclass(frozen=True)
class Digest:
    """What one cadre still owes on one day, over all campaigns."""

    cadre_id: int
    email: str
    overdue: int
    soon: int  # due today or within AHEAD days
    first_due: date

    @property
    def subject(self) -> str:
        parts = []
        if self.overdue:
            parts.append(ngettext("%(n)d task overdue", "%(n)d tasks overdue", self.overdue) % {"n": self.overdue})
        if self.soon:
            parts.append(ngettext("%(n)d task due soon", "%(n)d tasks due soon", self.soon) % {"n": self.soon})
        return _("Inspection readiness: %(what)s") % {"what": _(", ").join(parts)}

    @property
    def body(self) -> str:
        return _("%(overdue)d overdue, %(soon)d due within %(ahead)d days; the earliest deadline is %(day)s.") % {
            "overdue": self.overdue,
            "soon": self.soon,
            "ahead": AHEAD,
            "day": self.first_due.isoformat(),
        }


def digests(on: date) -> Iterator[Digest]:
    """One for each cadre who answers first, directly or as linked cadre for a task that is overdue or due soon.

    Only those who are still in office: nobody is reminded of what they cannot see. Three plain queries, put together
    here: joined, tasks × answers × posts would hang on the planner's guesses. Whoever answers twice for a unit counts
    it once.
    """
    due = _due(on)
    held = set(Post.objects.current(on).values_list("cadre_id", "unit_id"))
    answers = (
        Responsibility.objects.exclude(kind=Responsibility.Kind.LEAD)
        .filter(campaign__status=Campaign.Status.ACTIVE)
        .order_by("cadre_id")
        .reaching()
        .annotate(above=F("looks_above"))
        .values_list("cadre_id", "cadre__email", "campaign_id", "unit_id", "unit__parent_id", "by_hand", "above")
    )
    for (cadre_id, email), rows in groupby(answers, key=lambda row: row[:2]):
        places = set()
        for _id, _email, campaign, unit, parent, by_hand, looks_above in rows:
            at = where_held(unit, parent, by_hand=by_hand, looks_above=looks_above)
            if any((cadre_id, place) in held for place in at):
                places.add((campaign, unit))
        found = [due[place] for place in places if place in due]
        if found:
            late, near, first = zip(*found, strict=True)
            yield Digest(cadre_id, email, sum(late), sum(near), min(first))


def _due(on: date) -> dict[tuple[int, str], tuple[int, int, date]]:
    """Campaign and unit -> tasks overdue, tasks due within AHEAD days, the earliest deadline; where there are any."""
    late, last = Q(due_on__lt=on), on + timedelta(days=AHEAD)
    rows = (
        Task.objects.running()
        .still_owed()
        .filter(due_on__lte=last)
        .values_list("campaign_id", "unit_id")
        .annotate(overdue=Count("pk", filter=late), near=Count("pk", filter=~late), first=Min("due_on"))
        .order_by()
    )
    return {(campaign, unit): (overdue, near, first) for campaign, unit, overdue, near, first in rows}
