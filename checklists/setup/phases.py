"""Step 3: phases and deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from checklists import phases as verbs
from checklists import workdays
from checklists.days import DayField
from checklists.models import Campaign, Change, Item, Phase
from checklists.setup import page, timeline
from checklists.setup.rules import leaders
from checklists.setup.seen import SeenForm
from villages.http import CadreRequest
from villages.models import Cadre
from villages.residents import Words

FAR = 3 * 366  # days from the inspection; a phase further away is a slip in the year


class PhaseForm(SeenForm):
    """What a phase is called, when it begins and ends."""

    starts_on = DayField(label=_("from"))
    ends_on = DayField(label=_("to"))

    class Meta:
        model = Phase
        fields = ["title", "title_en", "starts_on", "ends_on"]
        labels = {"title": pgettext_lazy("campaign", "Title"), "title_en": _("Title in English")}

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        kwargs["prefix"] = f"phase-{kwargs['instance'].pk}" if kwargs.get("instance") else "phase-new"
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.was = self.instance.title
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            Row(
                Column("title", css_class="col-md-4"),
                Column("title_en", css_class="col-md-4"),
                Column("starts_on", css_class="col-6 col-md-2"),
                Column("ends_on", css_class="col-6 col-md-2"),
            )
        )

    def clean(self) -> dict[str, Any]:
        """The end is not before the beginning, and neither is years away."""
        data = super().clean()
        for name in ("starts_on", "ends_on"):
            if data.get(name) and abs((data[name] - self.campaign.inspects_on).days) > FAR:
                self.add_error(name, _("This is more than three years from the inspection. Is the year right?"))
        if data.get("starts_on") and data.get("ends_on") and data["ends_on"] < data["starts_on"]:
            self.add_error("ends_on", _("A phase ends on or after its first day."))
        return data

    def history(self) -> QuerySet[Change]:
        """Changes of this phase, by the name it had then."""
        return super().history().filter(fields__phase__1=self.was)

    def changes(self) -> dict[str, list[str]]:
        """The history says which phase it was."""
        found = super().changes()
        return {"phase": [self.was, self.instance.title]} | found if found else {}


class GatesForm(forms.Form):
    """Which items of a phase are its gates."""

    gates = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("One of these items has meanwhile left this phase. Look again, and save.")},
    )

    def __init__(self, data: Any = None, *, phase: Phase, items: Iterable[Item]) -> None:
        super().__init__(data, prefix=f"gates-{phase.pk}")
        self.phase = phase
        self.items = list(items)
        gates: Any = self.fields["gates"]
        gates.choices = [(str(item.pk), item.name) for item in self.items]
        gates.initial = self.seen = [str(item.pk) for item in self.items if item.gate]


class ReopenForm(forms.Form):
    """Why a closed phase opens again."""

    reason = Words(
        max_length=400,
        error_messages={
            "required": _("Give a reason: it stays in the history."),
            "max_length": _("A reason has at most %(limit_value)d characters; this one has %(show_value)d."),
        },
    )


class CloseForm(forms.Form):
    """Who has decided that a phase closes although gate items are owed, and why; or neither."""

    despite = Words(label=_("Reason"), max_length=400, required=False)
    leader = forms.ModelChoiceField(Cadre.objects.none(), label=_("Leader who decided it"), required=False)

    def __init__(self, data: Any = None, *, campaign: Campaign) -> None:
        super().__init__(data, auto_id="close-%s")
        chosen: Any = self.fields["leader"]
        chosen.queryset = leaders(campaign)
        chosen.widget.attrs["class"] = "form-select"
        self.fields["despite"].widget.attrs["class"] = "form-control"

    def clean(self) -> dict[str, Any]:
        """A reason and a leader, or neither."""
        data = super().clean() or {}
        for name, other, words in (
            ("leader", "despite", _("Name the leader who decided it.")),
            ("despite", "leader", _("Give a reason: it stays in the history.")),
        ):
            if data.get(other) and not data.get(name) and name not in self.errors:
                self.add_error(name, words)
        return data


class PlacesForm(forms.Form):
    """Which items go into which phase."""

    items = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Choose at least one item."),
            "invalid_choice": _("One of these items is not in this checklist (any more)."),
        },
    )
    phase = forms.ChoiceField(
        label=_("Phase"), required=False, widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={"invalid_choice": _("This phase does not exist (any more).")},
    )  # fmt: skip

    def __init__(self, data: Any = None, *, phases: Iterable[Phase], items: Iterable[Item]) -> None:
        super().__init__(data, prefix="places")
        choices: Any = self.fields["items"]
        choices.choices = [(str(item.pk), f"{item.name} ({item.phase})" if item.phase else item.name) for item in items]
        phase: Any = self.fields["phase"]
        phase.choices = [("", gettext("no phase")), *((str(phase.pk), str(phase)) for phase in phases)]


@dataclass
class Wrong:
    """A form that was refused, or the words why a phase cannot be removed."""

    form: PhaseForm | GatesForm | PlacesForm | None = None
    phase: Phase | None = None
    words: str = ""
    close: CloseForm | None = None


@dataclass
class Line:
    """A phase on the page."""

    phase: Phase
    form: PhaseForm
    gates: GatesForm
    working_days: int
    faults: list[str]
    is_used: bool
    words: str = ""
    close: CloseForm | None = None  # where it was refused because of its gates


@dataclass
class Day:
    """A day on which something is due."""

    day: date
    items: list[Item] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What sort of day, in the reader's language; empty for a working day like any other."""
        name = workdays.name_of(self.day)
        return {
            "": "",
            "weekend": gettext("weekend"),
            "holiday": name,
            "made-up": gettext("working day to make up for %(holiday)s") % {"holiday": name},
        }[timeline.kind_of(self.day)]

    @property
    def workday_before(self) -> date | None:
        """If nobody works on this day: the last day before on which people do."""
        return None if workdays.is_workday(self.day) else workdays.workday_before(self.day)


@require_http_methods(["GET", "HEAD", "POST"])
def phases(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The timeline, all phases with their dates and gates, all deadlines; POST adds a phase."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return _list(request, campaign)
    form = PhaseForm(request.POST, instance=None, campaign=campaign)
    if not form.is_valid():
        return _list(request, campaign, Wrong(form))
    added = verbs.add(campaign, form.save(commit=False), by=request.user)
    return page.saved(request, campaign, "setup_phases", at=f"phase-{added.pk}")


@require_POST
def phase(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Renames a phase, or moves its dates."""
    campaign = page.planned(request, campaign_id)
    with transaction.atomic():
        found = get_object_or_404(campaign.phases.select_for_update(no_key=True), pk=phase_id)
        form = PhaseForm(request.POST, instance=found, campaign=campaign)
        if form.is_valid():
            form.record(by=request.user, campaign=campaign)
            return page.saved(request, campaign, "setup_phases", at=f"phase-{found.pk}")
    return _list(request, campaign, Wrong(form))


@require_POST
def remove_phase(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Removes a phase that no item uses."""
    campaign = page.planned(request, campaign_id)
    found = get_object_or_404(campaign.phases.all(), pk=phase_id)
    try:
        verbs.remove(found, by=request.user)
    except verbs.CannotChange as error:
        return _list(request, campaign, Wrong(phase=found, words=str(error)))
    return page.saved(request, campaign, "setup_phases", at="phases", said=gettext("The phase is removed."))


@require_POST
def close_phase(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Closes a phase; while gates count, once its gate items are done everywhere or a leader has decided otherwise."""
    campaign = page.planned(request, campaign_id)
    found = get_object_or_404(campaign.phases.all(), pk=phase_id)
    form = CloseForm(request.POST, campaign=campaign)
    if not form.is_valid():
        words = " ".join(str(message) for messages in form.errors.values() for message in messages)
        return _list(request, campaign, Wrong(phase=found, words=words, close=form))
    try:
        verbs.close(found, by=request.user, **form.cleaned_data)
    except verbs.GatesOwed as error:
        return _list(request, campaign, Wrong(phase=found, words=str(error), close=form))
    except verbs.CannotChange as error:
        return _list(request, campaign, Wrong(phase=found, words=str(error)))
    said = gettext("The phase is closed.")
    return page.saved(request, campaign, "setup_phases", at=f"phase-{found.pk}", said=said)


@require_POST
def reopen_phase(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Opens a closed phase again; the reason stays in the history."""
    campaign = page.planned(request, campaign_id)
    found = get_object_or_404(campaign.phases.all(), pk=phase_id)
    form = ReopenForm(request.POST)
    if not form.is_valid():
        return _list(request, campaign, Wrong(phase=found, words=str(form.errors["reason"][0])))
    verbs.reopen(found, by=request.user, **form.cleaned_data)
    said = gettext("The phase is open again.")
    return page.saved(request, campaign, "setup_phases", at=f"phase-{found.pk}", said=said)


@require_POST
def gates(request: CadreRequest, campaign_id: int, phase_id: int) -> HttpResponse:
    """Chooses which items of a phase are its gates."""
    campaign = page.planned(request, campaign_id)
    found = get_object_or_404(campaign.phases.all(), pk=phase_id)
    form = GatesForm(request.POST, phase=found, items=found.items.filter(struck=False))
    if not form.is_valid():
        return _list(request, campaign, Wrong(form))
    seen = [int(pk) for pk in request.POST.getlist("seen") if pk.isdecimal()]
    verbs.choose_gates(found, wanted=map(int, form.cleaned_data["gates"]), seen=seen, by=request.user)
    return page.saved(request, campaign, "setup_phases", at=f"phase-{found.pk}")


@require_POST
def places(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Puts items into a phase, or into none."""
    campaign = page.planned(request, campaign_id)
    known = {str(phase.pk): phase for phase in campaign.phases.all()}
    form = PlacesForm(request.POST, phases=known.values(), items=campaign.items.select_related("phase"))
    if form.is_valid():
        into = known.get(form.cleaned_data["phase"])
        try:
            verbs.put_items(campaign, map(int, form.cleaned_data["items"]), into, by=request.user)
        except verbs.CannotChange as error:
            form.add_error("items", str(error))
        else:
            return page.saved(request, campaign, "setup_phases", at=f"phase-{into.pk}" if into else "places")
    return _list(request, campaign, Wrong(form))


def _list(request: CadreRequest, campaign: Campaign, wrong: Wrong | None = None) -> HttpResponse:
    """All of it; what was refused stands in its place, with what was typed."""
    wrong = wrong or Wrong()
    found = list(campaign.phases.select_related("closed_by", "despite_by"))
    items = list(campaign.items.select_related("phase"))
    asked = [item for item in items if not item.struck]
    due: dict[date, Day] = {}
    for item in sorted(asked, key=lambda item: item.due_on):
        due.setdefault(item.due_on, Day(item.due_on)).items.append(item)
    drawn = timeline.draw(
        found,
        {day: len(those.items) for day, those in due.items()},
        starts_on=campaign.starts_on,
        inspects=(campaign.inspects_on, campaign.last_day),
        today=timezone.localdate(),
    )
    unknown = [year for year in range(drawn.first.year, drawn.last.year + 1) if not workdays.knows(year)]
    form = wrong.form
    places = form if isinstance(form, PlacesForm) else PlacesForm(phases=found, items=asked)
    new = form if isinstance(form, PhaseForm) and form.instance.pk is None else None
    return page.show(
        request,
        campaign,
        "setup_phases",
        status=422 if form or wrong.words else 200,
        timeline=drawn,
        unknown_years=unknown,
        phases=[_line(campaign, phase, found, items, wrong) for phase in found],
        new_phase=new or PhaseForm(instance=None, campaign=campaign),
        places=places if items else None,
        days=due.values(),
        off=sum(day.workday_before is not None for day in due.values()),
    )


def _line(campaign: Campaign, phase: Phase, phases: list[Phase], items: list[Item], wrong: Wrong) -> Line:
    mine = [item for item in items if item.phase_id == phase.pk]
    asked = [item for item in mine if not item.struck]
    refused = wrong.form
    return Line(
        phase,
        refused
        if isinstance(refused, PhaseForm) and refused.instance.pk == phase.pk
        else PhaseForm(instance=phase, campaign=campaign),
        refused
        if isinstance(refused, GatesForm) and refused.phase.pk == phase.pk
        else GatesForm(phase=phase, items=asked),
        len(workdays.working_days(phase.starts_on, phase.ends_on)),
        list(_faults(campaign, phase, phases, asked)),
        bool(mine),
        wrong.words if wrong.phase == phase else "",
        wrong.close if wrong.phase == phase else None,
    )


def _faults(campaign: Campaign, phase: Phase, phases: list[Phase], items: list[Item]) -> Iterable[str]:
    """What looks odd about a phase; none of it is forbidden."""
    if phase.starts_on > campaign.last_day:
        yield gettext("It lies wholly after the inspection.")
    if phase.ends_on < campaign.starts_on:
        yield gettext("It was over before the campaign began.")
    others = [other for other in phases if other != phase and _overlap(phase, other)]
    if others:
        yield gettext("It overlaps with: %(phases)s.") % {"phases": "; ".join(map(str, others))}
    outside = sum(not phase.starts_on <= item.due_on <= phase.ends_on for item in items)
    if outside:
        words = ngettext("%(n)d item is due outside it.", "%(n)d items are due outside it.", outside)
        yield words % {"n": outside}


def _overlap(one: Phase, other: Phase) -> bool:
    """Whether both run at the same time; that one ends on the day on which the other begins is usual."""
    if (one.starts_on, one.ends_on) == (other.starts_on, other.ends_on):
        return True
    return one.starts_on < other.ends_on and other.starts_on < one.ends_on
