"""The measures of a campaign: what is proposed, applied, declined, lifted; deciding, objecting, answering."""

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from checklists import ladder
from checklists.ladder import Rung, State
from checklists.models import Campaign, Measure, Tally
from checklists.models.measure import MeasureQuerySet
from readiness.boards import csv, figures
from readiness.boards.light import Counts
from villages import access
from villages.http import CadreRequest, back
from villages.models import CODE_PATTERN, Cadre, code_of
from villages.residents import Words

PER_PAGE = 30
OBJECTED = "objected"  # beside the states: applied, and an objection waits for another leader
TYPED = ("reason", "objection", "answer")  # what people write, shown again where it was not taken


class MeasureFilter(forms.Form):
    """Which measures to show."""

    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        choices=[("", gettext_lazy("All")), *State.choices, (OBJECTED, gettext_lazy("objection unanswered"))],
        required=False,
    )
    rung = forms.TypedChoiceField(
        label=pgettext_lazy("ladder", "Measure"),
        choices=[("", gettext_lazy("All")), *((str(rung), label) for rung, label in Rung.choices)],
        coerce=int,
        empty_value=None,
        required=False,
    )
    unit = forms.RegexField(f"^(?:0|{CODE_PATTERN})$", max_length=24, required=False, widget=forms.HiddenInput)


def _words(longest: int, missing: Any) -> forms.CharField:
    return Words(
        max_length=longest,
        error_messages={
            "required": missing,
            "max_length": gettext_lazy("Write at most %(limit_value)d characters; these are %(show_value)d."),
        },
    )


class DecisionForm(forms.Form):
    """Whether a measure is applied, and why."""

    to = forms.ChoiceField(
        choices=[(State.APPLIED, ""), (State.DECLINED, "")],
        error_messages=dict.fromkeys(("required", "invalid_choice"), gettext_lazy("Say whether it is applied.")),
    )
    reason = _words(400, gettext_lazy("Give a reason: it stays in the history."))


class ObjectionForm(forms.Form):
    """What speaks against a measure."""

    objection = _words(400, gettext_lazy("Say what speaks against it: it stays in the history."))


class AnswerForm(forms.Form):
    """Whether an objection is upheld, and why."""

    upheld = forms.TypedChoiceField(
        choices=[("yes", ""), ("no", "")],
        coerce=lambda said: said == "yes",
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), gettext_lazy("Say whether the measure stays or is lifted.")
        ),
    )
    answer = _words(400, gettext_lazy("Write an answer: it stays in the history."))


@require_safe
def measures(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """All measures against units in the reader's sight, what waits for a decision first."""
    seen = Campaign.objects.visible_to(request.user).select_related("ladder_by", "decided_by")
    campaign = get_object_or_404(seen, pk=campaign_id)
    return _page(request, campaign)


@require_safe
def table(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The same measures as a file for a spreadsheet."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    form = MeasureFilter(request.GET)
    header = [_("Unit"), _("Code"), pgettext("ladder", "Measure"), _("State"), _("Proposed"), _("Grounds"),
              _("Decided by"), _("Decided"), _("Reason"), _("Objection"), _("Answer"), _("Answered by")]  # fmt: skip
    rows = [
        [
            one.unit.name,
            one.unit_id,
            one.get_rung_display(),
            one.get_state_display(),
            timezone.localdate(one.proposed_at),
            " ".join(ladder.words(one)),
            one.decided_by.name if one.decided_by else None,
            timezone.localdate(one.decided_at) if one.decided_at else None,
            one.reason,
            one.objection,
            one.answer,
            one.answered_by.name if one.answered_by else None,
        ]
        for one in _chosen(campaign, request.user, form)
    ]
    return csv.answer(f"{campaign} {_('Measures')}", header, rows)


@require_POST
def decide(request: CadreRequest, measure_id: int) -> HttpResponse:
    """Applies or declines a measure."""
    measure = get_object_or_404(Measure.objects.visible_to(request.user).with_leaders(), pk=measure_id)
    access.require(access.may_decide(request.user, measure.unit_id))
    said = _("Decided. The unit may object within %(n)d working days.") % {"n": ladder.OBJECTION}
    if request.POST.get("to") == State.DECLINED:
        said = _("Declined.")
    return _take(request, measure, DecisionForm(request.POST), ladder.decide, said)


@require_POST
def object_to(request: CadreRequest, measure_id: int) -> HttpResponse:
    """Objects to a measure, for the unit that it is about."""
    measure = get_object_or_404(Measure.objects.visible_to(request.user).with_leaders(), pk=measure_id)
    access.require(access.may_object(request.user, measure.unit_id))
    said = _("Your objection is there; another leader than the one who decided answers it.")
    objects = partial(ladder.object_to, on=timezone.localdate())
    return _take(request, measure, ObjectionForm(request.POST), objects, said)


@require_POST
def answer(request: CadreRequest, measure_id: int) -> HttpResponse:
    """Answers an objection: the measure stays or is lifted."""
    measure = get_object_or_404(Measure.objects.visible_to(request.user).with_leaders(), pk=measure_id)
    hands = ladder.hands_of(request.user, [measure])
    access.require(ladder.may_answer(request.user, measure, hands=hands))
    return _take(request, measure, AnswerForm(request.POST), ladder.answer, _("Answered."))


def _take(
    request: CadreRequest, measure: Measure, form: forms.Form, verb: Callable[..., bool], said: str
) -> HttpResponse:
    """What a form says about a measure; what is not taken stands at its measure, with what was typed."""
    if not form.is_valid():
        return _page(request, measure.campaign, wrong=(measure.pk, form), status=422)
    try:
        verb(measure, by=request.user, **form.cleaned_data)
    except ladder.Refused as refused:
        return _page(request, measure.campaign, wrong=(measure.pk, form), conflict=str(refused), status=409)
    messages.success(request, said)
    return back(request, otherwise=reverse("measures", args=[measure.campaign_id]) + f"#measure-{measure.pk}")


def shown(found: Iterable[Measure], user: Cadre, *, campaign: Campaign, on: date) -> list[dict[str, Any]]:
    """Measures of one campaign with their grounds in words and what the reader can do about each, or why not.

    One query if an objection waits.
    """
    found = list(found)
    hands = ladder.hands_of(user, [one for one in found if one.waits_for_an_answer])
    rows = []
    for one in found:
        decides = bool(access.may_decide(user, one.unit_id))
        answers = ladder.may_answer(user, one, hands=hands) if one.waits_for_an_answer else None
        rows.append(
            {
                "measure": one,
                "grounds": ladder.words(one),
                "decides": one.is_waiting and decides and not campaign.is_closed,
                "is_void": one.is_waiting and campaign.is_closed,
                "until": ladder.objections_until(one) if one.state == State.APPLIED else None,
                "objects": one.state == State.APPLIED
                and not one.objection
                and bool(access.may_object(user, one.unit_id))
                and on <= ladder.objections_until(one),
                "answers": bool(answers),
                "answers_not": answers.reason if answers is not None and decides and not answers else "",
            }
        )
    return rows


def _chosen(campaign: Campaign, user: Cadre, form: MeasureFilter) -> MeasureQuerySet:
    """As the filter says; one that makes no sense shows all."""
    chosen = form.cleaned_data if form.is_valid() else {}
    found = Measure.objects.visible_to(user).filter(campaign=campaign)
    if chosen.get("state") == OBJECTED:
        found, chosen = found.objected(), chosen | {"state": ""}
    for name in ("state", "rung"):
        if chosen.get(name) not in (None, ""):
            found = found.filter(**{name: chosen[name]})
    if chosen.get("unit"):
        found = found.filter(access.under("unit__code", code_of(chosen["unit"])))
    return found.select_related("unit", "decided_by", "objected_by", "answered_by").waiting_first()


def _page(
    request: CadreRequest,
    campaign: Campaign,
    *,
    wrong: tuple[int, forms.Form] | None = None,
    conflict: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page; with a form that was sent and not taken, at its measure, which then stands alone if it must."""
    today, user = timezone.localdate(), request.user
    form = MeasureFilter(request.GET)
    found = _chosen(campaign, user, form)
    if wrong:
        found = found.filter(pk=wrong[0])
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    rows = shown(page.object_list, user, campaign=campaign, on=today)
    tallies = Tally.objects.visible_to(user).filter(campaign=campaign, unit__in={one.unit_id for one in page})
    adds = figures.sums(today)
    vetoed = ladder.vetoed(ladder.standing(campaign, user, on=today))
    vetoes = figures.counting(campaign, user, vetoed, on=today)
    now = {
        code: figures.decided_below(Counts(*numbers), code, vetoes)
        for code, *numbers in tallies.values_list("unit").annotate(**adds).order_by()
    }
    for row in rows:
        row["counts"] = now.get(row["measure"].unit_id, Counts())
        row["light"] = figures.light_of(campaign, row["counts"], today)
        row["form"] = wrong[1] if wrong else None
    return render(
        request,
        "boards/measures.html",
        {
            "campaign": campaign,
            "form": form,
            "page": page,
            "rows": rows,
            "conflict": conflict,
            "typed": [wrong[1].data[name] for name in TYPED if wrong[1].data.get(name)] if conflict and wrong else [],
            "csv_url": f"{reverse('measures_table', args=[campaign.pk])}?{request.GET.urlencode()}",
            "still": ladder.STILL,
            "objection": ladder.OBJECTION,
        },
        status=status,
    )
