"""Step 7: what will be created, what is missing, one button; while it runs, the same for what has changed since."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from checklists import answers, course, launch, scope, sync
from checklists.models import Campaign, Change
from checklists.setup import page
from villages.http import CadreRequest
from villages.residents import Words

SAID = {
    Change.What.PAUSED: gettext_lazy("The campaign is paused: nobody is reminded, nothing can be ticked."),
    Change.What.RESUMED: gettext_lazy("The campaign goes on."),
    Change.What.CLOSED: gettext_lazy("The campaign is closed. Its figures stay as they are."),
    Change.What.REOPENED: gettext_lazy("The campaign is open again."),
}


class CourseForm(forms.Form):
    """Pause, resume, close or reopen."""

    what = forms.ChoiceField(choices=[(what, Change.What(what).label) for what in course.WAYS])
    note = Words(label=gettext_lazy("Reason"), max_length=400, required=False)

    def clean(self) -> dict[str, Any]:
        """Pausing, closing and reopening give a reason: it stays in the history."""
        data = super().clean() or {}
        if data.get("what") in course.NEEDS_REASON and not data.get("note"):
            self.add_error("note", _("Give a reason: it stays in the history."))
        return data


@require_http_methods(["GET", "HEAD", "POST"])
def launching(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The preview; POST makes exactly what it shows. A closed campaign shows its history and how to reopen it."""
    campaign = page.planned(request, campaign_id, closed_too=request.method != "POST")
    if request.method == "POST" and campaign.is_draft:
        return _go_live(request, campaign)
    if request.method == "POST":
        done = sync.sync(campaign, by=request.user)
        said = _("Everything was up to date.") if done.is_empty else _("The tasks are up to date.")
        return page.saved(request, campaign, "setup_launch", said=said)
    return _preview(request, campaign)


def _preview(request: CadreRequest, campaign: Campaign, *, wrong: CourseForm | None = None) -> HttpResponse:
    made = scope.tasks_by_item(campaign)
    ways = [what for what, (starts, _end) in course.WAYS.items() if campaign.status in starts]
    left = course.left_open(campaign) if Change.What.CLOSED in ways else None
    return page.show(
        request,
        campaign,
        "setup_launch",
        status=422 if wrong else 200,
        made=made,
        units=sum(scope.units_by_kind(campaign).values()),
        items=len(made),
        vacant=len(answers.vacancies(campaign, on=timezone.localdate())),
        plan=None if campaign.is_draft or campaign.is_closed else sync.plan(campaign),
        changes=campaign.changes.select_related("by", "item", "unit")[:50],
        course=wrong or CourseForm(),
        ways=[what for what in ways if what != Change.What.CLOSED],
        left=left,
        is_done=left is not None and not any(left.values()),
    )


def _go_live(request: CadreRequest, campaign: Campaign) -> HttpResponse:
    if not scope.tasks_by_item(campaign):
        messages.info(request, _("No unit would owe anything. Add items, or units that owe them."))
        return redirect("setup_launch", campaign.pk)
    try:
        launched = launch.go_live(campaign, on=timezone.localdate(), by=request.user)
    except launch.CannotLaunch as error:
        messages.info(request, str(error))
        return redirect("setup_launch", campaign.pk)
    messages.success(
        request,
        ngettext("Launched: %(n)d task.", "Launched: %(n)d tasks.", launched.tasks) % {"n": launched.tasks},
    )
    return redirect("board", campaign.pk)


@require_POST
def steer(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Pauses, resumes, closes or reopens the campaign."""
    campaign = page.planned(request, campaign_id, closed_too=True)
    form = CourseForm(request.POST)
    if not form.is_valid():
        return _preview(request, campaign, wrong=form)
    if course.steer(campaign, form.cleaned_data["what"], by=request.user, note=form.cleaned_data["note"]):
        messages.success(request, SAID[form.cleaned_data["what"]])
    return redirect("board" if campaign.is_closed else "setup_launch", campaign.pk)
