"""Who is owed which words, as of a day. Reads, decides, writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Exists, F, Min, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checklists.models import Responsibility
from checklists.models.task import OWED
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

    Only those who still hold a post at that very unit: nobody is reminded of what they cannot see.
    """
    in_office = Post.objects.current(on).filter(cadre=OuterRef("cadre"), unit=OuterRef("unit"))
    owing = Q(campaign__status="active", campaign__tasks__unit=F("unit"), campaign__tasks__state__in=OWED)
    late = Q(campaign__tasks__due_on__lt=on)
    near = Q(campaign__tasks__due_on__gte=on, campaign__tasks__due_on__lte=on + timedelta(days=AHEAD))
    rows = (
        Responsibility.objects.filter(Exists(in_office), cadre__is_active=True)
        .exclude(kind=Responsibility.Kind.LEAD)
        .filter(owing & (late | near))
        .values("cadre_id", "cadre__email")
        .annotate(
            overdue=Count("campaign__tasks", filter=late, distinct=True),
            soon=Count("campaign__tasks", filter=near, distinct=True),
            first_due=Min("campaign__tasks__due_on"),
        )
        .order_by("cadre_id")
    )
    for row in rows.iterator():
        yield Digest(row["cadre_id"], row["cadre__email"], row["overdue"], row["soon"], row["first_due"])
