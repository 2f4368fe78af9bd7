"""One finding: look at it, do something to it, enter a new one. The ledger: readiness/boards/ledger.py."""

import re
import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checklists import findings
from checklists.evidence.shown import seen, shown
from checklists.evidence.things import Thing
from checklists.findings import history, ledger, verbs
from checklists.findings.forms import FORMS, FindingForm, StepForm, VerbForm
from checklists.models import Campaign, Check, Finding, FindingEvent, HelpRequest, Responsibility, Task
from villages import access
from villages.http import CadreRequest, back
from villages.models import CODE_PATTERN, Cadre, Post, Unit, code_of

What = FindingEvent.What
UNITS_SHOWN = 60
# What a page says of its finding.
SHOWN = (
    *("campaign", "unit", "item__campaign", "task", "help_request"),
    *("responsible", "found_by", "fixed_by", "confirmed_by", "disputed_by", "asked_by", "answered_by"),
)
UNIT = re.compile(CODE_PATTERN, re.ASCII)
# Where the doing side's and the looking side's next step stands open; everything else is folded.
OPEN_AT_ONCE = (What.FIXED, What.CONFIRMED, What.SENT_BACK)


@require_safe
def finding_page(request: CadreRequest, finding_id: int) -> HttpResponse:
    """What, who, until when; its steps and history; what the reader may do."""
    there = Finding.objects.visible_to(request.user).select_related(*SHOWN).with_step_takers()
    return _page(request, get_object_or_404(there, pk=finding_id))


@require_POST
def finding_verb(request: CadreRequest, finding_id: int, verb: str) -> HttpResponse:
    """Every verb on a finding."""
    there = Finding.objects.visible_to(request.user).select_related(*SHOWN).with_step_takers()
    found, today = get_object_or_404(there, pk=finding_id), timezone.localdate()
    if verb not in FORMS:
        raise Http404
    access.require(verbs.may(request.user, found, verb, hands=verbs.hands_of(request.user, found, on=today)))
    takers = findings.takers(found, request.user, on=today) if verb == What.HANDED_OVER else []
    form = FORMS[verb](request.POST, finding=found, takers=takers)
    if not form.is_valid():
        return _page(request, found, form=form, status=422)
    try:
        outcome = verbs.record(found, verb, by=request.user, **form.cleaned_data)
    except findings.Unfit as unfit:
        form.add_error(unfit.field if unfit.field in form.fields else None, str(unfit.message))
        return _page(request, found, form=form, status=422)
    except findings.Conflict as conflict:
        return _page(request, there.get(pk=found.pk), form=form, conflict=str(conflict.message), status=409)
    messages.success(
        request, _("Saved: %(what)s") % {"what": f"{outcome.finding.called} {outcome.event.get_what_display()}"}
    )
    return back(request, otherwise=found.get_absolute_url())


def _page(
    request: CadreRequest, finding: Finding, *, form: VerbForm | None = None, conflict: str = "", status: int = 200
) -> HttpResponse:
    """The page; with a form that was sent and not taken."""
    today = timezone.localdate()
    allowed = verbs.choices(request.user, finding, on=today)
    takers = findings.takers(finding, request.user, on=today) if What.HANDED_OVER in allowed else []
    if form is not None and form.verb not in allowed and form.errors:  # the page has no place for it any more
        conflict = conflict or form.complaint
    steps = [
        (step, uuid.uuid4() if What.STEPPED in allowed and step.done_by_id is None else None)
        for step in finding.steps.select_related("done_by")
    ]
    undone = sum(step.done_by_id is None for step, _event in steps)
    forms: list[tuple[VerbForm, uuid.UUID, bool]] = []
    due = [What.ANSWERED] if finding.answer_is_due else []
    due += [What.LOOKED_BACK] if finding.look_back_on and finding.look_back_on <= today else []
    for verb in sorted(allowed, key=lambda verb: verb not in due):
        if verb != What.STEPPED:
            is_sent = form is not None and form.verb == verb
            filled = form if form is not None and is_sent else FORMS[verb](finding=finding, takers=takers)
            if verb == What.CONFIRMED and undone:
                still = ngettext("%(n)d step is not done yet.", "%(n)d steps are not done yet.", undone)
                filled.beside = still % {"n": undone}
            forms.append((filled, uuid.uuid4(), verb in (*OPEN_AT_ONCE, *due) or is_sent))
    typed = [value for name, value in form.data.items() if name in ("note", "new_step", "fix_now")] if form else []
    context = {
        "history": history.lines(finding.events.select_related("by", "to")),
        "steps": steps,
        "step_title": StepForm.title,
        "forms": forms,
        **ledger.lines([finding], on=today)[0]._asdict(),
        "conflict": conflict,
        "ahead": verbs.ANSWER_FIRST if What.ANSWERED in allowed and finding.answer_is_due and not conflict else "",
        "typed": [words for words in typed if words] if conflict else [],
        "saw": seen(Check.objects.filter(pk=finding.check_seen_id), request.user, now=timezone.now())
        if finding.check_seen_id
        else [],
        "proofs": shown(Thing(finding), request.user, now=timezone.now()),
    }
    return render(request, "findings/finding.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def new_finding(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Enters a finding; first at which unit, unless the address says so."""
    there = Campaign.objects.visible_to(request.user).select_related("template")
    campaign = get_object_or_404(there, pk=campaign_id)
    here = Unit.objects.visible_to(request.user).under(campaign.host_id)
    mine = here.filter(access.finds_at("code", request.user))
    asked = _asked(request, campaign)
    if asked.get("unit") is None:
        if not mine.exists():
            access.require(access.may_find(request.user, campaign.host_id))
        return _which_unit(request, campaign, mine, asked)
    unit = get_object_or_404(here, pk=asked["unit"])
    access.require(access.may_find(request.user, unit.code))
    return _new(request, campaign, unit, asked)


def _asked(request: CadreRequest, campaign: Campaign) -> dict[str, Any]:
    """What the address says the finding is about: a unit, a task, a call for help, a line of the speech's own list.

    Raises:
        Http404: it is out of sight or of another campaign.
    """
    given = request.POST if request.method == "POST" else request.GET
    asked: dict[str, Any] = {"unit": None}
    if written := given.get("unit"):
        if not UNIT.fullmatch(code_of(written)):
            raise Http404
        asked["unit"] = code_of(written)
    tasks = Task.objects.visible_to(request.user).filter(campaign=campaign)
    if help_id := _number(given.get("help")):
        calls = HelpRequest.objects.visible_to(request.user).filter(task__campaign=campaign)
        call = get_object_or_404(calls.select_related("task"), pk=help_id)
        start = {"source": Finding.Source.HELP, "task": call.task_id, "what": call.obstacle}
        return {"call": call, "unit": call.task.unit_id, "start": start}
    if task_id := _number(given.get("about")):
        task = get_object_or_404(tasks, pk=task_id)
        start = {"source": Finding.Source.CHECK, "task": task.pk}
        last = task.events.exclude(note="").order_by("-at").first() if task.state == "returned" else None
        return {"unit": task.unit_id, "start": start | ({"what": last.note} if last else {})}
    lines = ledger.problems(campaign, request.user) if given.get("problem") else []
    line = next((line for line in lines if line["id"] == given.get("problem")), None)
    if line:
        asked |= {"problem": line["id"], "start": {"source": Finding.Source.SPEECH, "what": line["text"]}}
    return asked


def _number(raw: str | None) -> int | None:
    """A key as an address writes it; anything else names nothing."""
    if not raw:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise Http404
    return int(raw)


def _which_unit(request: CadreRequest, campaign: Campaign, mine: Any, asked: dict[str, Any]) -> HttpResponse:
    words = request.GET.get("q", "").replace("\0", "")[:40]
    found = mine.filter(name__contains=words) if words else mine
    page = Paginator(found.select_related("parent").order_by("code"), UNITS_SHOWN).get_page(request.GET.get("page"))
    context = {"campaign": campaign, "page": page, "words": words, "problem": asked.get("problem", "")}
    return render(request, "findings/which_unit.html", context, status=422 if request.method == "POST" else 200)


def _new(request: CadreRequest, campaign: Campaign, unit: Unit, asked: dict[str, Any]) -> HttpResponse:
    user, today, call = request.user, timezone.localdate(), asked.get("call")
    tasks = Task.objects.visible_to(user).asked_for().filter(campaign=campaign, unit=unit).select_related("item")
    answering = [one.cadre for one in Responsibility.objects.visible_to(user).of_unit(campaign, unit, on=today)]
    usual = findings.usual_responsible(campaign, unit, on=today)
    choices: dict[str, Any] = {
        # A campaign that takes none now says so when it is sent.
        "sources": findings.sources(campaign) or Finding.Source.values,
        "tasks": list(tasks.order_by("item__position", "pk")),
        "people": _people(user, unit, answering),
        "unit": unit,
        "usual": usual,
    }
    start = {"found_on": today, "severity": Finding.Severity.MINOR} | asked.get("start", {})
    if campaign.is_closed:
        start["source"] = Finding.Source.INSPECTION
    conflict = ""
    if request.method != "POST":
        form, status = FindingForm(initial=start, **choices), 200
    else:
        form, status = FindingForm(request.POST, **choices), 422
        if form.is_valid():
            try:
                made = findings.open_finding(
                    by=user,
                    campaign=campaign,
                    unit=unit,
                    help_request=call,
                    problem=asked.get("problem", ""),
                    **form.cleaned_data,
                )
            except findings.Unfit as unfit:
                form.add_error(unfit.field if unfit.field in form.fields else None, str(unfit.message))
            except findings.Conflict as refused:
                conflict, status = str(refused.message), 409
            else:
                messages.success(request, _("Entered as %(number)s.") % {"number": made.called})
                return redirect(made)
    context = {
        "campaign": campaign,
        "unit": unit,
        "call": call,
        "about": asked.get("start", {}).get("task", "") if call is None else "",
        "problem": asked.get("problem", ""),
        "form": form,
        "event": uuid.uuid4(),
        "conflict": conflict,
    }
    return render(request, "findings/new.html", context, status=status)


def _people(user: Cadre, unit: Unit, answering: list[Cadre]) -> list[Cadre]:
    """Who can be named responsible: who answers here, and who holds a post here in the reader's sight."""
    here = Post.objects.visible_to(user).current(timezone.localdate()).filter(unit__in=access.above(unit.code))
    posts = here.select_related("cadre").order_by("-unit", "-principal", "pk")
    return list({cadre.pk: cadre for cadre in (*answering, *(post.cadre for post in posts))}.values())
