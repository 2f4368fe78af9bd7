"""The inbox: the channel that always works."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from readiness.models import Notice
from villages.http import CadreRequest

PER_PAGE = 30
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass
class Day:
    """Notices of one day under one heading."""

    on: date
    is_unread: bool
    notices: list[Notice] = field(default_factory=list)


@require_safe
def inbox(request: CadreRequest) -> HttpResponse:
    """My notices: the unread first, then by day, the newest first; with what became of each outside."""
    mine = Notice.objects.visible_to(request.user).unread_first()
    page = Paginator(mine, PER_PAGE).get_page(request.GET.get("page"))
    notices = list(page)
    beside = defaultdict(list)
    for other in Notice.objects.outside(request.user, days={notice.on for notice in notices}):
        beside[_same(other)].append(other)
    days: list[Day] = []
    for notice in notices:
        if not days or (days[-1].on, days[-1].is_unread) != (notice.on, notice.read_at is None):
            days.append(Day(notice.on, notice.read_at is None))
        notice.beside = beside[_same(notice)]  # type: ignore[attr-defined]
        days[-1].notices.append(notice)
    return render(request, "reminders/inbox.html", {"page": page, "days": days})


def _same(notice: Notice) -> tuple[object, ...]:
    """What one and the same message has in common on all channels."""
    return notice.campaign_id, notice.rule, notice.on


@require_POST
def read(request: CadreRequest) -> HttpResponse:
    """Marks one of my notices as read, and opens its page if asked to; all of them if none is named."""
    mine = Notice.objects.visible_to(request.user)
    chosen = request.POST.get("notice", "")
    if not chosen:
        mine.unread().update(read_at=timezone.now())
        return redirect("inbox")
    notice = mine.filter(pk=int(chosen)).first() if NUMBER.fullmatch(chosen) else None
    if notice is None:
        return redirect("inbox")
    mine.unread().filter(pk=notice.pk).update(read_at=timezone.now())
    leads_on = "open" in request.POST and url_has_allowed_host_and_scheme(notice.path, allowed_hosts=None)
    return redirect(notice.path if leads_on else "inbox")
