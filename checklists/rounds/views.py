"""A round on the inspector's phone: what to look at, what was seen, the end of it."""

import uuid
from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, F, Q
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checklists import draws, rounds
from checklists.evidence import shown
from checklists.evidence.things import Thing
from checklists.models import Check, Relief, Round
from checklists.rounds import relief
from checklists.rounds.forms import BadBody, CheckForm, FinishForm, entries
from villages import access
from villages.http import CadreRequest, back


def counted(visits: Any) -> Any:
    """With how many checks said what."""
    said = {result: Count("checks", filter=Q(checks__result=result)) for result in Check.Result.values}
    return visits.annotate(**said)


@require_safe
def mine(request: CadreRequest) -> HttpResponse:
    """Rounds that I was sent on, the open ones first. Without a post there are none."""
    visits = Round.objects.visible_to(request.user).of(request.user)
    visits = visits if access.may_go_on_rounds(request.user) else visits.none()
    visits = counted(draws.in_force(visits)).select_related("campaign", "unit")
    visits = visits.order_by(F("finished_at").desc(nulls_first=True), F("on").asc(nulls_last=True), "-made_at", "pk")
    return render(request, "rounds/rounds.html", {"page": Paginator(visits, 50).get_page(request.GET.get("page"))})


@require_safe
def visit(request: CadreRequest, round_id: int) -> HttpResponse:
    """What to look at and what was seen so far; to the round's inspectors with three buttons for each task."""
    seen = Round.objects.visible_to(request.user).select_related("campaign", "unit", "draw", "made_by", "finished_by")
    found = get_object_or_404(seen, pk=round_id)
    access.require(access.may_go_on_rounds(request.user))
    return _page(request, found)


@require_POST
def checks(request: CadreRequest, round_id: int) -> HttpResponse:
    """What was seen: of one task by a form, or of several by a phone that kept them, each answered by itself."""
    seen = Round.objects.visible_to(request.user).select_related("campaign", "unit", "draw", "made_by", "finished_by")
    found = get_object_or_404(seen, pk=round_id)
    if request.content_type == "application/json":
        return _several(request, found)
    access.require(rounds.may_record(request.user, found))
    form = CheckForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form=form, status=422)
    try:
        outcome = _record(request, found, form)
    except rounds.Unfit as unfit:
        form.add_error(unfit.field, unfit.message)
        return _page(request, found, form=form, status=422)
    except rounds.Refused as refused:
        return _page(request, found, form=form, conflict=refused.message, status=refused.status)
    messages.success(request, _("Saved: %(result)s") % {"result": outcome.check.get_result_display()})
    return back(request, otherwise=found.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def finish(request: CadreRequest, round_id: int) -> HttpResponse:
    """Says what nobody has looked at, and ends the round."""
    found = get_object_or_404(Round.objects.visible_to(request.user).select_related("unit"), pk=round_id)
    access.require(rounds.may_finish(request.user, found))
    if found.is_over or (request.method != "POST" and rounds.replaced_by(found)):
        return HttpResponseRedirect(found.get_absolute_url())
    form, conflict = FinishForm(request.POST), ""
    if request.method == "POST" and form.is_valid():
        try:
            rounds.finish(found, by=request.user, **form.cleaned_data)
        except rounds.Conflict as refused:
            conflict = refused.message
        else:
            messages.success(request, _("The round is finished."))
            return HttpResponseRedirect(found.get_absolute_url())
    left = list(rounds.not_looked_at(found).select_related("item").order_by("item__position", "pk"))
    unseen = found.checks.filter(result=Check.Result.UNSEEN).select_related("task__item").order_by("at")
    decided = set(found.checks.exclude(result=Check.Result.UNSEEN).values_list("task", flat=True))
    context = {
        "visit": found,
        "left": left,
        "unseen": [check for check in unseen if check.task_id not in decided],
        "conflict": conflict or (request.method == "POST" and form.errors["left"][0]),
    }
    status = 409 if conflict else 422 if request.method == "POST" else 200
    return render(request, "rounds/finish.html", context, status=status)


def _several(request: CadreRequest, found: Round) -> HttpResponse:
    """One answer for each entry: a bad one among good ones harms none of them."""
    try:
        sent = entries(request)
    except BadBody as bad:
        return JsonResponse({"said": str(bad)}, status=bad.status)
    answers = []
    for entry in sent:
        form = CheckForm(entry or {})
        answer: dict[str, Any] = {"event": (entry or {}).get("event", ""), "status": 422}
        if not form.is_valid():
            answer |= {"said": form.complaint} | ({"status": 400} if "event" in form.errors else {})
        else:
            try:
                outcome = _record(request, found, form)
                answer |= {"status": 200, "said": outcome.check.get_result_display()}
                if outcome.check.by_id == request.user.pk:  # else another inspector saw the same before
                    answer["proofs"] = Thing(outcome.check).address
            except rounds.Refused as refused:
                answer |= {"status": refused.status, "said": refused.message}
            except PermissionDenied as refused:
                answer |= {"status": 403, "said": str(refused)}
        answers.append(answer)
    return JsonResponse({"answers": answers})


def _record(request: CadreRequest, found: Round, form: CheckForm) -> rounds.Outcome:
    """Records what a form says, if whoever is logged in is the one who saw it."""
    sent = form.cleaned_data
    if sent["by"] not in (None, request.user.pk):
        raise PermissionDenied(_("Somebody else is logged in on this device now. Log in again yourself; it is kept."))
    return rounds.record(
        found,
        by=request.user,
        event=sent["event"],
        task=sent["task"],
        result=sent["result"],
        remark=sent["remark"],
        seen_at=sent["at"],
    )


def _page(
    request: CadreRequest, found: Round, *, form: CheckForm | None = None, conflict: str = "", status: int = 200
) -> HttpResponse:
    """The round; with an entry that was sent and not taken, at its task if it has a place there."""
    user = request.user
    replaced_by = rounds.replaced_by(found)
    stands = not found.is_over and replaced_by is None
    records = stands and found.campaign.is_running and bool(rounds.may_record(user, found))
    said, checks = defaultdict(list), found.checks.select_related("by").order_by("at", "pk")
    for seen in shown.seen(checks, user, now=timezone.now(), takes=records):
        said[seen.check.task_id].append(seen)
    rows = []
    for task in rounds.asked(found).select_related("item").order_by("item__position", "pk"):
        task.item.campaign = found.campaign
        decided = any(seen.check.result != Check.Result.UNSEEN for seen in said[task.pk])
        own = user.pk in task.claimants
        tried = form if form is not None and form.data.get("task") == str(task.pk) else None
        rows.append(
            {
                "task": task,
                "here": f"{found.get_absolute_url()}#task-{task.pk}",
                "seen": said[task.pk],
                "takes": records and not decided and not own and task.retired_at is None,
                "own": own,
                "form": tried,
                "event": uuid.uuid4(),
            }
        )
    inspectors = list(found.inspectors.order_by("pk"))
    relieves = stands and found.campaign.is_running and bool(access.may_inspect(user, found.unit_id))
    cannot = rounds.cannot_go(inspectors, found.unit_id, on=timezone.localdate()) if relieves else {}
    has_place = any(row["form"] is not None and row["takes"] for row in rows)
    if form is not None and not has_place:
        conflict = conflict or form.complaint
    context = {
        "visit": found,
        "rows": rows,
        "looked": sum(bool(row["seen"]) for row in rows),
        "inspectors": inspectors,
        "cannot": cannot.values(),
        "records": records,
        "reliefs": relief.told(Relief.objects.filter(round=found)).get(found.pk, ()),
        "relieves": relieves,
        "replaced_by": replaced_by,
        "finishes": stands and bool(rounds.may_finish(user, found)),
        "conflict": conflict,
        "typed": [form.data["remark"]] if form is not None and not has_place and form.data.get("remark") else [],
        "may_see_all": bool(access.may_see_rounds(user, found.campaign.host_id)),
        "sees_unit": access.may_see(user, found.unit_id),
    }
    return render(request, "rounds/round.html", context, status=status)
