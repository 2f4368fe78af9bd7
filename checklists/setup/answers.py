"""Step 5: who answers for which unit. The rule, what it finds, and who is named by hand."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from checklists import answers as who
from checklists.models import Campaign, Change, Responsibility
from checklists.models.campaign import POSTS
from checklists.people import PhoneField, refuse, roles_at
from checklists.setup import page
from villages import access, posts
from villages.http import CadreRequest
from villages.models import Cadre, Post, Unit
from villages.residents import Words

PER_PAGE = 60
# Choices that a rule offers, one after the other; more if it has more already.
CHOICES = 4
KINDS = Responsibility.Kind


def names(rule: list[str]) -> str:
    """A rule as the history keeps it."""
    return " → ".join(str(POSTS[post].label) for post in rule)


class RuleForm(forms.Form):
    """For each responsibility whose posts it follows, in order of choice."""

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found = who.finds(campaign)
        units = _("%(post)s (%(n)d)")
        choices = [("", "—")] + [
            (name, units % {"post": post.label, "n": self.found[name]}) for name, post in POSTS.items()
        ]
        self.lines: list[tuple[str, list[str], list[str]]] = []
        for kind in KINDS:
            rule = campaign.answers.get(kind, [])
            fields = [f"{kind}-{n}" for n in range(max(CHOICES, len(rule)))]
            for n, name in enumerate(fields):
                self.fields[name] = forms.ChoiceField(
                    label=_("%(kind)s: choice %(n)d") % {"kind": kind.label, "n": n + 1},
                    choices=choices,
                    required=False,
                    initial=rule[n] if n < len(rule) else "",
                    widget=forms.Select(attrs={"class": "form-select"}),
                )
            self.lines.append(
                (str(kind.label), fields, [str(POSTS[post].label) for post in rule if not self.found[post]])
            )

    @property
    def rows(self) -> list[tuple[str, list[Any], list[str]]]:
        """Label, fields, and the chosen posts that nobody holds."""
        return [(label, [self[name] for name in fields], idle) for label, fields, idle in self.lines]

    @property
    def rule(self) -> dict[str, list[str]]:
        """What was chosen, without gaps and repeats."""
        return {
            kind.value: list(dict.fromkeys(filter(None, (self.cleaned_data[name] for name in fields))))
            for kind, (_label, fields, _idle) in zip(KINDS, self.lines, strict=True)
        }


@require_http_methods(["GET", "HEAD", "POST"])
def answers(request: CadreRequest, campaign_id: int) -> HttpResponse:
    """The rule, and unit by unit whom it names, vacancies first; POST saves the rule."""
    campaign = page.planned(request, campaign_id)
    if request.method != "POST":
        return _step(request, campaign, RuleForm(campaign=campaign))
    with transaction.atomic():
        held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        form = RuleForm(request.POST, campaign=held)
        if not form.is_valid():
            return _step(request, campaign, form)
        before, held.answers = held.answers, form.rule
        changed = {
            kind.value: [names(before.get(kind, [])), names(held.answers[kind])]
            for kind in KINDS
            if before.get(kind, []) != held.answers[kind]
        }
        if changed:
            held.save(update_fields=["answers"])
            Change.objects.create(campaign=held, by=request.user, what=Change.What.EDITED, fields=changed)
    return page.saved(request, campaign, "setup_answers")


def _step(request: CadreRequest, campaign: Campaign, form: RuleForm) -> HttpResponse:
    words = request.GET.get("q", "").replace("\0", "").strip()[:60]
    preview = who.Preview(campaign, words=words)
    return page.show(
        request,
        campaign,
        "setup_answers",
        status=422 if form.is_bound else 200,
        form=form,
        idle=[(POSTS[post].label, n) for post, n in form.found.items()],
        kinds=[kind.label for kind in KINDS],
        vacant=preview.vacant,
        q=words,
        page=Paginator(preview, PER_PAGE).get_page(request.GET.get("page")),
    )


class NameForm(forms.Form):
    """Who answers in one way: somebody near the unit, or whoever the rule names."""

    RULE = "rule"

    kind = forms.ChoiceField(choices=KINDS.choices)
    cadre = forms.ChoiceField(label=gettext_lazy("Who answers"), widget=forms.Select(attrs={"class": "form-select"}))

    def __init__(self, *args: Any, people: dict[str, tuple[Cadre, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = people
        cadre: Any = self.fields["cadre"]
        cadre.choices = [(self.RULE, _("by the rule")), *((pk, label) for pk, (_cadre, label) in people.items())]


class NewcomerForm(forms.Form):
    """A new person with a post at this unit, who answers at once."""

    name = Words(label=gettext_lazy("Name"), max_length=40)
    phone = PhoneField(label=gettext_lazy("Mobile number"), required=False)
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    title = Words(label=gettext_lazy("Title of the post"), max_length=40, required=False)
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Answers as"), choices=KINDS.choices, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, unit: Unit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role: Any = self.fields["role"]
        role.choices = roles_at(unit)


def near(unit: Unit, user: Cadre) -> dict[str, tuple[Cadre, str]]:
    """Who can be named for a unit: whoever has a post there or above it, the nearest first, with a label."""
    held = Post.objects.visible_to(user).current(timezone.localdate()).filter(unit__in=access.above(unit.code))
    found: dict[str, tuple[Cadre, str]] = {}
    for post in held.select_related("cadre", "unit").order_by("-unit", "-principal", "role", "pk"):
        label = f"{post.cadre.name} · {post.title or post.get_role_display()} · {post.unit.short_name}"
        found.setdefault(str(post.cadre_id), (post.cadre, label))
    return found


@require_http_methods(["GET", "HEAD", "POST"])
def answers_of(request: CadreRequest, campaign_id: int, code: str) -> HttpResponse:
    """One unit: names somebody by hand, takes that back, or adds a new person who answers at once."""
    campaign = page.planned(request, campaign_id)
    unit = get_object_or_404(Unit.objects.visible_to(request.user).under(campaign.host_id), pk=code)
    if request.method != "POST":
        return _unit(request, campaign, unit)
    if "kind" in request.POST:
        return _name(request, campaign, unit)
    return _newcomer(request, campaign, unit)


def _name(request: CadreRequest, campaign: Campaign, unit: Unit) -> HttpResponse:
    form = NameForm(request.POST, people=near(unit, request.user))
    if not form.is_valid():
        return _unit(request, campaign, unit, wrong=form)
    kind, chosen = form.cleaned_data["kind"], form.cleaned_data["cadre"]
    if chosen == form.RULE:
        who.follow_rule(campaign, unit, kind, by=request.user)
        return redirect("setup_answers_of", campaign.pk, unit.code)
    try:
        who.name(campaign, unit, kind, form.people[chosen][0], by=request.user)
    except ValidationError as wrong:
        form.add_error("cadre", wrong)
        return _unit(request, campaign, unit, wrong=form)
    return redirect("setup_answers_of", campaign.pk, unit.code)


def _newcomer(request: CadreRequest, campaign: Campaign, unit: Unit) -> HttpResponse:
    access.require(access.may_staff(request.user, unit.code))
    form = NewcomerForm(request.POST, unit=unit)
    if not form.is_valid():
        return _unit(request, campaign, unit, newcomer=form)
    given = {name: form.cleaned_data[name] for name in ("role", "title", "name", "phone")}
    try:
        with transaction.atomic():
            post = posts.appoint(unit, since=timezone.localdate(), by=request.user, **given)
            for kind in form.cleaned_data["kinds"]:
                who.name(campaign, unit, kind, post.cadre, by=request.user)
    except posts.SamePerson as known:
        form.add_error("phone", _("%(name)s is on the roster already: appoint them on the page “People”.")
                       % {"name": known.cadre.name})  # fmt: skip
    except ValidationError as wrong:
        refuse(form, wrong)
    if form.errors:
        return _unit(request, campaign, unit, newcomer=form)
    return redirect("setup_answers_of", campaign.pk, unit.code)


def _unit(
    request: CadreRequest,
    campaign: Campaign,
    unit: Unit,
    *,
    wrong: NameForm | None = None,
    newcomer: NewcomerForm | None = None,
) -> HttpResponse:
    row, people = who.of_unit(campaign, unit.code), near(unit, request.user)
    lines = []
    for kind in KINDS:
        named = row.answers[kind] if row else None
        start = {"cadre": named.cadre.pk if named and named.by_hand else NameForm.RULE, "kind": kind.value}
        typed = wrong if wrong and wrong.data.get("kind") == kind else None
        lines.append((kind, named, typed or NameForm(people=people, initial=start, auto_id=f"{kind}-%s")))
    return page.show(
        request,
        campaign,
        "setup_answers",
        part="answers_unit",
        status=422 if wrong or newcomer else 200,
        unit=unit,
        row=row,
        lines=lines,
        complaints=wrong.errors.get("kind", []) if wrong else [],
        newcomer=newcomer or NewcomerForm(unit=unit, initial={"kinds": row.missing if row else []}),
    )
