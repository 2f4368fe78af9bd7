"""待核实: all claims that wait for the reader's look, over all campaigns; one tap for one of them, or many at once."""

import re
import uuid
from collections.abc import Container
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count
from django.db.models.functions import Left
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from checklists import looks
from checklists.evidence.shown import with_proof
from checklists.forms import EventForm
from checklists.models import Campaign, State, Task
from checklists.models.task import TaskQuerySet
from villages import access
from villages.http import CadreRequest
from villages.models import Unit
from villages.residents import Words

PER_PAGE = 30
MOST = 200  # at once
NAMED = 8  # of those left as they are
KEY = re.compile(r"([0-9]{1,18})\.([0-9]{1,10})")
OWN = re.compile(r"why-([0-9]{1,18})")
TOWNSHIP = access.TOWNSHIP_PLACES


class QueueFilter(forms.Form):
    """Which of the waiting claims to show: those of a campaign, a township, a section of the speech."""

    campaign = forms.TypedChoiceField(label=gettext_lazy("Campaign"), coerce=int, empty_value=None, required=False)
    place = forms.ChoiceField(label=gettext_lazy("Township"), required=False)
    section = forms.ChoiceField(label=gettext_lazy("Section"), required=False)

    def __init__(self, data: Any, *, campaigns: list[Campaign], places: list[Unit], sections: list[str]) -> None:
        super().__init__(data)
        for name, everything, choices in (
            ("campaign", _("All campaigns"), [(str(one.pk), str(one)) for one in campaigns]),
            ("place", _("All townships"), [(one.code, one.short_name) for one in places]),
            ("section", _("All sections"), [(one, one) for one in sections]),
        ):
            field: Any = self.fields[name]
            field.choices = [("", everything), *choices]

    def narrow(self, tasks: TaskQuerySet) -> TaskQuerySet:
        """The tasks that are asked for; a filter that makes no sense asks for all."""
        chosen = self.cleaned_data if self.is_valid() else {}
        if chosen.get("campaign"):
            tasks = tasks.filter(campaign=chosen["campaign"])
        if place := chosen.get("place"):
            tasks = tasks.under(place) if len(place) == TOWNSHIP else tasks.beside(place)
        if chosen.get("section"):
            tasks = tasks.filter(item__section=chosen["section"])
        return tasks


class LooksForm(EventForm):
    """What becomes of the chosen claims. `so` is the button of one line: that one is so, whatever else is chosen.

    Each may have a reason of its own, `why-` and the task's id; `note` is for those that have none.
    """

    chosen = forms.Field(required=False, widget=forms.MultipleHiddenInput)
    so = forms.CharField(required=False)
    state = forms.ChoiceField(
        choices=[(state, state) for state in (State.VERIFIED, State.RETURNED)],
        required=False,
        error_messages={"invalid_choice": gettext_lazy("There is no such state: %(value)s")},
    )
    note = Words(
        label=gettext_lazy("Reason for all the others chosen"),
        max_length=400,
        required=False,
        error_messages={
            "max_length": gettext_lazy("A reason has at most %(limit_value)d characters; this one has %(show_value)d.")
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wrong: dict[int, str] = {}  # what speaks against a task's own reason, by its id

    def clean_chosen(self) -> dict[int, int]:
        """The version of each task that was looked at, by the task's id."""
        sent: list[str] = [self.data["so"]] if self.data.get("so") else self.cleaned_data["chosen"] or []
        found = [KEY.fullmatch(key) for key in sent]
        if not sent:
            raise ValidationError(_("Choose the tasks first."))
        if len(sent) > MOST or not all(found):
            raise ValidationError(_("This choice is not valid. Open the page again and repeat."))
        return {int(key[1]): int(key[2]) for key in found if key}

    def clean(self) -> dict[str, Any]:
        """Returning needs a reason, each its own or the same for all. What is so needs none, and is told none."""
        data = super().clean() or {}
        if data.pop("so", ""):
            data["state"] = State.VERIFIED
        if not data.get("state") and "state" not in self.errors:
            self.add_error("state", _("Say what to do with the tasks."))
        needs_one = data.get("state") == State.RETURNED and not data.get("note") and "note" not in self.errors
        if data.get("state") == State.VERIFIED:
            data |= {"note": "", "reasons": {}}
        else:
            data["reasons"] = {pk: self._reason(pk, needs_one) for pk in data.get("chosen") or {}}
        if n := len(self.wrong):
            words = ngettext("%(n)d task lacks a reason; see there.", "%(n)d tasks lack a reason; see there.", n)
            self.add_error(None, words % {"n": n})
        return data

    def _reason(self, pk: int, needs_one: bool) -> str:
        """What is written for this one alone, by the rules of `note`."""
        try:
            reason = str(self.fields["note"].clean(self.typed(pk)))
        except ValidationError as wrong:
            self.wrong[pk] = wrong.messages[0]
            return ""
        if needs_one and not reason:
            self.wrong[pk] = _("Give a reason here, or one for all below.")
        return reason

    def typed(self, pk: int) -> str:
        """The reason that was sent for this one alone."""
        return str(self.data.get(f"why-{pk}", ""))

    def lost(self, here: Container[int]) -> list[str]:
        """Reasons that were sent for tasks that the page shows no more."""
        sent = [int(key[1]) for name in self.data if (key := OWN.fullmatch(name))]
        return [words for pk in sent if pk not in here and (words := self.typed(pk))]

    @property
    def ticked(self) -> list[str]:
        """The chosen ones, for the page that shows them again."""
        return list(self["chosen"].value() or []) if self.is_bound else []


@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: CadreRequest) -> HttpResponse:
    """The queue; POST verifies or returns what was chosen and says what came of it."""
    access.require(access.may_check_some(request.user))
    if request.method != "POST":
        return _queue(request, LooksForm())
    form = LooksForm(request.POST)
    if not form.is_valid():
        return _queue(request, form, status=422)
    looked = looks.several(by=request.user, **form.cleaned_data)
    _tell(request, looked, form)
    return HttpResponseRedirect(request.get_full_path())


def _queue(request: CadreRequest, form: LooksForm, status: int = 200) -> HttpResponse:
    user = request.user
    running = list(Campaign.objects.visible_to(user).running())
    mine = Task.objects.to_check_by(user).filter(campaign__in=running)
    counted = list(mine.order_by().values_list(Left("unit_id", TOWNSHIP), "item__section").annotate(n=Count("pk")))
    asked = request.GET.get("place", "")[:TOWNSHIP]
    # What lies above the townships is named by the unit that its departments and sites belong to.
    codes = {re.split("[DS]", code)[0] for code in (asked, *(code for code, _section, _n in counted))}
    places = Unit.objects.visible_to(user).filter(code__in=codes).order_by("code")
    sections = dict.fromkeys(section for _code, section, _n in sorted(counted, key=lambda row: row[1]) if section)
    if section := request.GET.get("section", "")[:60]:
        sections.setdefault(section)
    narrowed = QueueFilter(request.GET, campaigns=running, places=list(places), sections=list(sections))
    tasks = with_proof(narrowed.narrow(mine).riskiest_first(), user).select_related("item")
    page = Paginator(tasks, PER_PAGE).get_page(request.GET.get("page"))
    lines = [
        line._replace(typed=form.typed(line.task.pk), wrong=form.wrong.get(line.task.pk, ""))
        for line in looks.waiting(page.object_list, running)
    ]
    return render(
        request,
        "checklists/verify.html",
        {
            "filter": narrowed,
            "form": form,
            "page": page,
            "lines": lines,
            "lost": form.lost({line.task.pk for line in lines}),
            "all": sum(n for _code, _section, n in counted),
            "event": form.data.get("event") or uuid.uuid4(),
        },
        status=status,
    )


def _tell(request: CadreRequest, looked: looks.Looked, form: LooksForm) -> None:
    """What became of each, and of what was left who changed it or why, with the reason that was written for it."""
    n, state = len(looked.made), form.cleaned_data["state"]
    if n and state == State.VERIFIED:
        messages.success(request, ngettext("%(n)d task verified.", "%(n)d tasks verified.", n) % {"n": n})
    elif n:
        messages.success(request, ngettext("%(n)d task returned.", "%(n)d tasks returned.", n) % {"n": n})
    for task, why in looked.left[:NAMED]:
        name = {"unit": task.unit.short_name, "item": task.item.name, "why": why}
        told = [_("Left as it is: %(unit)s, %(item)s. %(why)s") % name]
        if typed := form.cleaned_data["reasons"].get(task.pk):
            told.append(f"{_('What you wrote:')} “{typed}”")
        messages.info(request, " ".join(told))
    more = len(looked.left) - NAMED
    if more > 0:
        messages.info(request, ngettext("And %(n)d more.", "And %(n)d more.", more) % {"n": more})
    if looked.gone:
        words = ngettext("%(n)d task is no longer there.", "%(n)d tasks are no longer there.", looked.gone)
        messages.info(request, words % {"n": looked.gone})
