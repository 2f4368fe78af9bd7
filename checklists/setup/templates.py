"""Templates: looking at one, and saving a campaign as one of the host's own."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from checklists import catalog, copying, newer
from checklists.models import Campaign, Item, Template
from checklists.models.campaign import in_language
from checklists.setup import page
from villages import access
from villages.access import Height
from villages.http import CadreRequest
from villages.models import Kind
from villages.residents import Words

NAMED = {"due": "due_on", "target": "metric", "measure": "metric", "id": "number"}  # in a template -> on an item
LEVELS = {kind.value: kind.label for kind in (Kind.PROVINCE, Kind.CITY, Kind.COUNTY, Kind.TOWNSHIP)}


class SaveForm(forms.Form):
    """What the template is called, and whether it is the next version of one that is there."""

    title = Words(label=pgettext_lazy("campaign", "Title"), max_length=120)
    newer_of = forms.ModelChoiceField(
        Template.objects.none(),
        label=gettext_lazy("A new version of"),
        required=False,
        empty_label=gettext_lazy("none: a new template"),
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        own = Template.objects.filter(owner=campaign.host).newest().defer("body").order_by("title")
        mine = next((one for one in own if campaign.template and one.slug == campaign.template.slug), None)
        super().__init__(*args, **kwargs)
        self.initial = {"title": mine.title if mine else campaign.title, "newer_of": mine}
        choices: Any = self.fields["newer_of"]
        choices.queryset = own
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout("title", "newer_of")


@require_http_methods(["GET", "HEAD", "POST"])
def save(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """Saves the campaign, also a closed one, as a template of its host."""
    seen = Campaign.objects.visible_to(request.user).select_related("host", "template")
    campaign = get_object_or_404(seen, pk=campaign_id)
    access.require(access.may_run(request.user, campaign.host_id))
    if request.method != "POST":
        return page.show(request, campaign, "setup", part="template", form=SaveForm(campaign=campaign))
    form = SaveForm(request.POST, campaign=campaign)
    if form.is_valid():
        try:
            saved = copying.save_as(campaign, **form.cleaned_data, by=request.user)
        except catalog.BadTemplate as error:
            form.add_error(None, _complaint(campaign, error))
        else:
            said = _("Saved as “%(title)s”, version %(number)d. It stands among the templates of a new campaign.")
            messages.success(request, said % {"title": saved, "number": saved.version})
            return redirect("template", saved.pk)
    return page.show(request, campaign, "setup", part="template", form=form, status=422)


def _complaint(campaign: Campaign, error: catalog.BadTemplate) -> str:
    """Which item does not fit into a template, as its admin knows it."""
    match error.path:
        case ("items", int(place), str(field), *_rest):
            item = campaign.items.filter(struck=False)[place]
            label = newer.FIELDS[NAMED.get(field, field)][1] if NAMED.get(field, field) in newer.FIELDS else field
            return _("“%(item)s” does not fit into a template: look at %(field)s, it may be too long.") % {
                "item": item.name,
                "field": label,
            }
    return str(error)


@require_safe
def template(request: CadreRequest, template_id: int) -> HttpResponse:
    """What is in a template: items by section, phases, rules, what was left out and why, problems."""
    visible = Template.objects.visible_to(request.user)
    found = get_object_or_404(visible.select_related("owner"), pk=template_id)
    newest = visible.newest().filter(slug=found.slug).defer("body").first()
    body = found.body
    phases = {phase["key"]: _said(phase, "title") for phase in body["phases"]}
    sections: dict[str, list[dict[str, Any]]] = {}
    for line in body["items"]:
        sections.setdefault(line["section"], []).append(_item(line, phases))
    context = {
        "template": found,
        "later": newest if newest and newest.pk != found.pk else None,
        "level": LEVELS.get(body.get("level", ""), ""),
        "about": [_said(body, name) for name in ("occasion", "inspection", "note") if name in body],
        "items": len(body["items"]),
        "hollow": found.owner is None and not catalog.core(body),
        "sections": sections,
        "phases": [(_said(phase, "title"), _days(phase), _said(phase, "tasks")) for phase in body["phases"]],
        "roles": [(_said(role, "title"), _said(role, "for")) for role in body.get("roles", [])],
        "rules": [_said(rule, "text") for rule in body.get("rules", [])],
        "left_out": [(_said(line, "what"), _said(line, "why")) for line in body.get("left_out", [])],
        "problems": [_said(problem, "text") for problem in body.get("problems", [])],
    }
    return render(request, "setup/preview.html", context)


def _said(line: dict[str, Any], name: str) -> str:
    """A text of the template in the reader's language."""
    return in_language(line.get(name, ""), line.get(f"{name}_en", ""))


def _item(line: dict[str, Any], phases: dict[str, str]) -> dict[str, Any]:
    return {
        "title": _said(line, "title"),
        "standard": _said(line, "standard"),
        "owed_by": [Kind(kind).label for kind in line["owed_by"]],
        "responsible": line.get("responsible", ""),
        "due": " · ".join(filter(None, [_due(line.get("due", {}), phases), line.get("vague", "")])),
        "target": _target(line.get("target", {})),
        "gate": line.get("gate", False),
        "veto": line.get("veto", False),
        "height": Height[line["looked_at_by"].upper()].label if "looked_at_by" in line else "",
        "borderline": line.get("certainty") == "borderline",
    }


def _due(due: dict[str, Any], phases: dict[str, str]) -> str:
    """The deadline in the speech's words, and as days."""
    day = ""
    if "before" in due or "after" in due:
        day = _day(due["after"] if "after" in due else -due["before"])
    elif "phase" in due:
        words = _("when “%(phase)s” begins") if due["edge"] == "start" else _("when “%(phase)s” ends")
        day = words % {"phase": phases[due["phase"]]}
    elif "every" in due:
        day = str(Item.Rhythm(due["every"]).label)
    return " · ".join(filter(None, [due.get("says", ""), day]))


def _day(days: int) -> str:
    """A day as it lies to the inspection day."""
    if days == 0:
        return _("on the inspection day")
    if days < 0:
        return ngettext("%(n)d day before", "%(n)d days before", -days) % {"n": -days}
    return ngettext("%(n)d day after", "%(n)d days after", days) % {"n": days}


def _days(phase: dict[str, Any]) -> str:
    return " – ".join(dict.fromkeys([_day(phase["starts"]), _day(phase["ends"])]))


def _target(target: dict[str, Any]) -> str:
    if not target:
        return ""
    sign = Item.Operator(target["operator"]).label
    return f"{_said(target, 'metric')} {sign} {target['value']} {_said(target, 'unit')}"
