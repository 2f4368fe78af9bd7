"""The people of one unit: who holds which post, who stands in, and what becomes of the work of those who leave."""

import unicodedata
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from checklists import handover
from checklists.days import DayField
from villages import access, posts
from villages.http import CadreRequest
from villages.models import KINDS_OF_ROLE, Cadre, Post, PostQuerySet, Unit
from villages.residents import Words

FOUND = 20  # people or units that a search shows
PAST = 50  # posts that are over, the latest


def roles_at(unit: Unit) -> list[tuple[str, Any]]:
    """The roles that can be held at a unit of this kind."""
    return [
        (role, label) for role, label in Post._meta.get_field("role").flatchoices if unit.kind in KINDS_OF_ROLE[role]
    ]


class PhoneField(forms.CharField):
    """A mobile number as people write it: 138 1234 5678, +86 138-1234-5678, full-width digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=30, widget=forms.TextInput(attrs={"type": "tel", "inputmode": "tel"}), **kwargs)

    def clean(self, value: Any) -> str:
        """Its eleven digits, or nothing."""
        raw = unicodedata.normalize("NFKC", super().clean(value))
        digits = raw.replace(" ", "").replace("-", "").removeprefix("+86")
        if digits:
            phone: Any = Cadre._meta.get_field("phone")
            phone.run_validators(digits)
        return digits


def refuse(form: forms.Form, wrong: ValidationError) -> None:
    """Puts what a verb says beside its field; above the form if the form has no such field."""
    for field, said in (wrong.message_dict if hasattr(wrong, "error_dict") else {"": wrong.messages}).items():
        form.add_error(field if field in form.fields else None, said)


class PostForm(forms.Form):
    """A post at a unit: in which role, under which title, answering first or not."""

    role = forms.ChoiceField(label=gettext_lazy("Role"))
    title = Words(
        label=gettext_lazy("Title of the post"),
        max_length=40,
        required=False,
        help_text=gettext_lazy("Such as 村支书 or 专干."),
    )
    principal = forms.BooleanField(label=gettext_lazy("Answers first for the unit"), required=False)

    def __init__(self, *args: Any, unit: Unit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role: Any = self.fields["role"]
        role.choices = roles_at(unit)


class AppointForm(PostForm):
    """Somebody of the roster (`cadre`), or a new person by name and number."""

    cadre = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    name = Words(label=gettext_lazy("Name"), max_length=40, required=False)
    phone = PhoneField(label=gettext_lazy("Mobile number"), required=False)
    since = DayField(label=gettext_lazy("Since"))
    field_order = ("cadre", "name", "phone", "role", "title", "principal", "since")

    def clean(self) -> dict[str, Any]:
        """A name is enough; without one it must be somebody known."""
        data = super().clean() or {}
        if not data.get("cadre") and not data.get("name") and "name" not in self.errors:
            self.add_error("name", _("Enter the person's name."))
        return data


class EndForm(forms.Form):
    """From when on the post is no longer held, and who takes over what its holder answers for."""

    on = DayField(label=gettext_lazy("No longer held from"))
    successor = forms.ChoiceField(label=gettext_lazy("Who takes over"))

    def __init__(self, *args: Any, successors: list[tuple[Cadre, Post]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(cadre.pk): cadre for cadre, _held in successors}
        successor: Any = self.fields["successor"]
        successor.choices = [
            (handover.RULE, _("whoever the campaign's rule names")),
            (handover.NOBODY, _("nobody for now: vacant")),
            *((str(cadre.pk), f"{cadre.name} · {held.title or held.get_role_display()} · {held.unit.short_name}")
              for cadre, held in successors),
        ]  # fmt: skip

    @property
    def heir(self) -> Cadre | str:
        """A person, or one of handover.RULE and handover.NOBODY."""
        chosen: str = self.cleaned_data["successor"]
        return self.people.get(chosen, chosen)


class MoveForm(EndForm, PostForm):
    """The same, with the post at the other unit."""

    field_order = ("on", "role", "title", "principal", "successor")


class StandInForm(forms.Form):
    """Who does the work of a post for a while."""

    cadre = forms.ChoiceField(label=gettext_lazy("Who stands in"))
    since = DayField(label=gettext_lazy("Since"))
    until = DayField(label=gettext_lazy("Back on"), help_text=gettext_lazy("The first day on which nobody stands in."))

    def __init__(self, *args: Any, people: list[tuple[Cadre, Post]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(cadre.pk): cadre for cadre, _held in people}
        cadre: Any = self.fields["cadre"]
        cadre.choices = [("", "—")] + [
            (str(one.pk), f"{one.name} · {held.title or held.get_role_display()} · {held.unit.short_name}")
            for one, held in people
        ]


def _sent(request: CadreRequest) -> Any:
    """What a form was sent with; None when the page is only looked at."""
    return request.POST if request.method == "POST" else None


def _words(request: CadreRequest, name: str = "q") -> str:
    """What was searched for."""
    return request.GET.get(name, "").replace("\0", "").strip()[:60]


@require_http_methods(["GET", "HEAD", "POST"])
def people(request: CadreRequest, code: str) -> HttpResponse:
    """Who holds a post here now, who stands in, who did before; POST appoints somebody."""
    unit = get_object_or_404(Unit.objects.visible_to(request.user), pk=code)
    access.require(access.may_staff(request.user, unit.code))
    if request.method != "POST":
        chosen = request.GET.get("cadre", "")
        fits = chosen.isascii() and chosen.isdecimal() and len(chosen) < 19
        known = Cadre.objects.visible_to(request.user).filter(pk=chosen).first() if fits else None
        start = {"since": timezone.localdate(), "cadre": known.pk if known else None}
        return _people(request, unit, AppointForm(unit=unit, initial=start), known=known)
    form = AppointForm(request.POST, unit=unit)
    known = same = None
    if form.is_valid():
        given = dict(form.cleaned_data)
        number = given.pop("cadre")
        try:
            with transaction.atomic():
                if number:
                    known = _somebody(request, number, phone=given["phone"], name=given["name"])
                post = posts.appoint(unit, cadre=known, by=request.user, **given)
        except posts.SamePerson as offered:
            same = offered.cadre
            refuse(form, offered)
        except ValidationError as wrong:
            refuse(form, wrong)
        else:
            first = Post.objects.filter(unit=unit, principal=True).current(timezone.localdate()).select_related("cadre")
            names = [held.cadre.name for held in first]
            messages.success(request, _("Appointed: %(post)s") % {"post": post})
            if post.principal and len(names) > 1:
                messages.info(request, _("Several now answer first here: %(names)s.") % {"names": _(", ").join(names)})
            return redirect("people", unit.code)
    return _people(request, unit, form, known=known, same=same, status=422)


def _somebody(request: CadreRequest, number: int, *, name: str, phone: str) -> Cadre:
    """A person of the roster in sight; out of sight only for who knows both name and number.

    Raises:
        ValidationError: there is no such person.
    """
    known = Cadre.objects.visible_to(request.user).filter(pk=number).first()
    known = known or Cadre.objects.filter(pk=number, phone=phone or "-", name=name).first()
    if known is None:
        raise ValidationError(_("This person is not on your roster. Search again, or enter name and number."))
    return known


def _people(
    request: CadreRequest,
    unit: Unit,
    form: AppointForm,
    *,
    known: Cadre | None = None,
    same: Cadre | None = None,
    told: tuple[Cadre, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    today, words = timezone.localdate(), _words(request)
    here = Post.objects.visible_to(request.user).filter(unit=unit)
    here = here.select_related("cadre", "stands_in_for__cadre", "made_by", "ended_by")
    roster = Cadre.objects.visible_to(request.user)
    found = list(roster.called(words).order_by("name", "pk")[:FOUND]) if words else []
    elsewhere = Post.objects.visible_to(request.user).not_over(today).filter(cadre__in=found).select_related("unit")
    context = {
        "unit": unit,
        "today": today,
        "posts": here.not_over(today),
        "past": here.filter(until__lte=today).order_by("-until", "pk")[:PAST],
        "form": form,
        "known": known,
        "same": same,
        "told": told,
        "q": words,
        "found": [(cadre, [post for post in elsewhere if post.cadre_id == cadre.pk]) for cadre in found],
    }
    return render(request, "checklists/people/people.html", context, status=status)


@require_POST
def first_password(request: CadreRequest, post_id: int) -> HttpResponse:
    """Gives somebody without a log-in their first password, shown this once; only where all their posts are ours."""
    post = _post(request, Post.objects.visible_to(request.user), post_id)
    for held in post.cadre.posts.not_over(timezone.localdate()):
        access.require(access.may_staff(request.user, held.unit_id))
    password = posts.first_password(post.cadre)
    if not password:
        messages.info(request, _("%(name)s has a log-in already.") % {"name": post.cadre.name})
        return redirect("people", post.unit_id)
    form = AppointForm(unit=post.unit, initial={"since": timezone.localdate()})
    return _people(request, post.unit, form, told=(post.cadre, password))


def _post(request: CadreRequest, seen: PostQuerySet, post_id: int) -> Post:
    """One of the posts in sight, if the asker may end, move or have it filled for a while.

    Raises:
        Http404: out of sight.
        PermissionDenied: in sight, but somebody else's to decide.
    """
    post = get_object_or_404(seen.select_related("cadre", "unit"), pk=post_id)
    access.require(access.may_staff(request.user, post.unit_id))
    return post


@require_http_methods(["GET", "HEAD", "POST"])
def end(request: CadreRequest, post_id: int) -> HttpResponse:
    """Asks what becomes of the open work, then ends the post."""
    post, today = _post(request, Post.objects.visible_to(request.user), post_id), timezone.localdate()
    heirs = handover.successors(post, user=request.user, on=today)
    resting = handover.leaves(post, user=request.user, on=today)
    form = EndForm(_sent(request), successors=heirs, initial={"on": today})
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                passed = [answer.pk for answer in resting]
                posts.end(post, form.cleaned_data["on"], by=request.user)
                handover.pass_on(post, passed, form.heir, by=request.user)
        except ValidationError as wrong:
            refuse(form, wrong)
        else:
            return _left(request, post, passed)
    return _leaving(request, "end", post, resting, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: CadreRequest, post_id: int) -> HttpResponse:
    """Asks where to, and what becomes of the open work, then moves the post's holder to the other unit."""
    post, today = _post(request, Post.objects.visible_to(request.user), post_id), timezone.localdate()
    mine = Unit.objects.visible_to(request.user).filter(access.staffed_by("code", request.user))
    words, code = _words(request), _words(request, "to")
    if not code:
        found = mine.named(words).exclude(pk=post.unit_id).order_by("code")[:FOUND] if words else []
        status = 422 if request.method == "POST" else 200
        return render(
            request, "checklists/people/move_to.html", {"post": post, "q": words, "found": found}, status=status
        )
    to = get_object_or_404(mine, pk=code)
    heirs = handover.successors(post, user=request.user, on=today)
    resting = handover.leaves(post, user=request.user, on=today, goes_to=to.code)
    start = {"on": today, "role": post.role, "title": post.title}
    form = MoveForm(_sent(request), unit=to, successors=heirs, initial=start)
    if request.method == "POST" and form.is_valid():
        chosen = {name: form.cleaned_data[name] for name in ("on", "role", "title", "principal")}
        try:
            with transaction.atomic():
                passed = [answer.pk for answer in resting]
                posts.move(post, to, by=request.user, **chosen)
                handover.pass_on(post, passed, form.heir, by=request.user)
        except ValidationError as wrong:
            refuse(form, wrong)
        else:
            return _left(request, post, passed)
    return _leaving(request, "move", post, resting, form=form, to=to)


def _leaving(
    request: CadreRequest, way: str, post: Post, resting: Any, *, form: EndForm, to: Unit | None = None
) -> HttpResponse:
    today = timezone.localdate()
    work = handover.work(post, resting, user=request.user, on=today)
    context = {"post": post, "to": to, "form": form, "work": work, "answers": any(one.answers for one in work)}
    status = 422 if form.is_bound else 200
    return render(request, f"checklists/people/{way}.html", context, status=status)


def _left(request: CadreRequest, post: Post, passed: list[int]) -> HttpResponse:
    said = _("%(name)s no longer holds this post. Passed on: %(n)d responsibilities. Open tasks stay with the unit.")
    messages.success(request, said % {"name": post.cadre.name, "n": len(passed)})
    return redirect("people", post.unit_id)


@require_http_methods(["GET", "HEAD", "POST"])
def stand_in(request: CadreRequest, post_id: int) -> HttpResponse:
    """Names who does the work of a post for a while."""
    post, today = _post(request, Post.objects.visible_to(request.user), post_id), timezone.localdate()
    near = handover.successors(post, user=request.user, on=today, beside=True)
    form = StandInForm(_sent(request), people=near, initial={"since": today})
    if request.method == "POST" and form.is_valid():
        days = {name: form.cleaned_data[name] for name in ("since", "until")}
        try:
            posts.stand_in(post, form.people[form.cleaned_data["cadre"]], by=request.user, **days)
        except ValidationError as wrong:
            refuse(form, wrong)
        else:
            messages.success(request, _("Saved."))
            return redirect("people", post.unit_id)
    context = {"post": post, "form": form, "standing_in": post.stand_ins.not_over(today).select_related("cadre")}
    return render(request, "checklists/people/stand_in.html", context, status=422 if form.is_bound else 200)
