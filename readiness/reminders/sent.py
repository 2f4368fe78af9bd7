"""What a campaign told: to whom, when, by which way, and what became of it. What got lost is sent again from here."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from checklists.models import Campaign, Change
from checklists.setup import page
from readiness.models import Channel, Notice
from readiness.models.notice import NoticeQuerySet
from readiness.reminders import sender, tasks
from readiness.reminders.ways import Unreachable, unreachable
from villages import access
from villages.http import CadreRequest
from villages.models import Cadre, Post

PER_PAGE = 50
SHOWN = 50  # who cannot be reached, before "and others"
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


class NoticeFilter(forms.Form):
    """Which notices of a campaign to show."""

    state = forms.ChoiceField(choices=[("", ""), *Notice.Status.choices], required=False, widget=forms.HiddenInput)
    channel = forms.ChoiceField(
        label=gettext_lazy("Channel"), choices=[("", gettext_lazy("Every channel")), *Channel.choices], required=False
    )
    day = forms.DateField(
        label=gettext_lazy("Date"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}, format="%Y-%m-%d"),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"class": "form-control", "type": "search"}),
    )

    def asked(self, notices: NoticeQuerySet) -> NoticeQuerySet:
        """Those of the channel, day and name; what makes no sense leaves nothing out."""
        self.is_valid()
        chosen = self.cleaned_data
        if chosen.get("channel"):
            notices = notices.filter(channel=chosen["channel"])
        if chosen.get("day"):
            notices = notices.filter(on=chosen["day"])
        if chosen.get("name"):
            name = chosen["name"]
            notices = notices.filter(Q(cadre__name__contains=name) | Q(gateway__name__contains=name, cadre=None))
        return notices


@dataclass(frozen=True)
class Line:
    """One notice as its reader may see it."""

    notice: Notice
    units: str
    is_open: bool  # the reader may see what it says
    is_lost: bool  # can be sent again


@require_safe
def notices(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Everything that was sent about a campaign, with a count of each state that opens its list."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user).select_related("host"), pk=campaign_id)
    access.require(access.may_see_notices(request.user, campaign.host_id))
    return _list(request, campaign)


@require_POST
def resend(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Puts notices that got lost, or may have, back into the queue: the one whose button it was, else all chosen."""
    campaign = page.planned(request, campaign_id)
    sent = request.POST.getlist("only") or request.POST.getlist("notice")
    chosen = [int(number) for number in sent[:PER_PAGE] if NUMBER.fullmatch(number)]
    if not chosen:
        return _list(request, campaign, complaint=_("Choose at least one notice to send again."))
    with transaction.atomic():
        again = sender.resend(Notice.objects.of_campaign(campaign).filter(pk__in=chosen), by=request.user)
        if again:
            note = {"resent": ["", str(again)]}
            Change.objects.create(campaign=campaign, by=request.user, what=Change.What.EDITED, fields=note)
            transaction.on_commit(tasks.wake)
    said = ngettext("%(n)d notice goes out again.", "%(n)d notices go out again.", again) % {"n": again}
    if again < len(chosen):
        said += " " + _("The others are on their way by now, or were not lost.")
    messages.success(request, said)
    query = request.GET.urlencode()
    return redirect(reverse("notices", args=[campaign.pk]) + (f"?{query}" if query else ""))


def _list(request: CadreRequest, campaign: Campaign, complaint: str = "") -> HttpResponse:
    form = NoticeFilter(request.GET)
    asked = form.asked(Notice.objects.of_campaign(campaign))
    counts = dict(asked.values_list("status").annotate(n=Count("pk")).order_by())
    state = form.cleaned_data.get("state")
    paginator = Paginator(asked.filter(status=state) if state else asked, PER_PAGE)
    paginator.count = counts.get(state, 0) if state else sum(counts.values())  # counted already
    shown = paginator.get_page(request.GET.get("page"))
    may_run = bool(access.may_run(request.user, campaign.host_id)) and not campaign.is_closed
    lines = _lines(shown, request.user, may_resend=may_run)
    return render(
        request,
        "reminders/notices.html",
        {
            "campaign": campaign,
            "form": form,
            "page": shown,
            "lines": lines,
            "counts": [
                (status, status.label, counts[status], _in_state(request, status))
                for status in Notice.Status
                if counts.get(status)
            ],
            "everything": (sum(counts.values()), _in_state(request, "")),
            "chosen": state,
            "may_run": may_run,
            "some_lost": any(line.is_lost for line in lines),
            "complaint": complaint,
            # Asked where nothing else is.
            "unreached": _unreached(campaign, request.user) if not request.GET else None,
        },
        status=422 if complaint else 200,
    )


def _in_state(request: CadreRequest, state: str) -> str:
    """The query of the same list in one state only."""
    query = request.GET.copy()
    query.pop("page", None)
    query["state"] = state
    return query.urlencode()


def _lines(shown: Page[Notice], reader: Cadre, *, may_resend: bool) -> list[Line]:
    """Three queries."""
    found = list(shown.object_list.select_related("cadre", "gateway__unit"))  # type: ignore[attr-defined]
    units = _units({notice.cadre_id for notice in found if notice.cadre_id}, reader)
    open_to = _watched(reader, {campaign for notice in found for campaign in notice.about})
    return [
        Line(
            notice,
            units.get(notice.cadre_id, "") if notice.cadre_id else notice.gateway.unit.short_name,
            is_open=open_to.issuperset(notice.about),
            is_lost=may_resend and notice.status in sender.AGAIN,
        )
        for notice in found
    ]


def _units(cadres: Collection[int], reader: Cadre) -> dict[int, str]:
    """Cadre -> the units in the reader's sight where they sit, named."""
    posts = Post.objects.visible_to(reader).current(timezone.localdate()).filter(cadre__in=cadres)
    names: dict[int, dict[str, None]] = defaultdict(dict)
    for post in posts.select_related("unit"):
        names[post.cadre_id][post.unit.short_name] = None
    return {cadre: "、".join(known) for cadre, known in names.items()}


def _watched(reader: Cadre, campaigns: Collection[int]) -> set[int]:
    """Those of the campaigns whose notices the reader may see.

    A digest about two campaigns is one text: it is shown to whoever may see the notices of both.
    """
    seen = Campaign.objects.visible_to(reader).filter(pk__in=campaigns).values_list("pk", "host_id")
    return {campaign for campaign, host in seen if access.may_see_notices(reader, host)}


@dataclass(frozen=True)
class Unreached:
    """Who answers in a campaign and hears of it by nothing but the inbox, if at all."""

    people: list[tuple[Unreachable, str]]  # with their units; as many as are shown
    count: int


def _unreached(campaign: Campaign, reader: Cadre) -> Unreached:
    found = unreachable(campaign, timezone.localdate())
    units = _units([one.cadre for one in found[:SHOWN]], reader)
    return Unreached([(one, units.get(one.cadre, "")) for one in found[:SHOWN]], len(found))
