"""The page on which an admin loads the boundaries below a unit, sees what is loaded, and removes it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, Max, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from villages import access, boundaries
from villages.http import CadreRequest
from villages.models import Boundary, Kind, Unit, UnitQuerySet

MISSING_SHOWN = 20  # names of units without a boundary


class BoundariesForm(forms.Form):
    """One GeoJSON file."""

    file = forms.FileField(
        label=gettext_lazy("GeoJSON file"),
        widget=forms.FileInput(attrs={"accept": ".geojson,.json,application/geo+json", "class": "form-control"}),
        error_messages={"required": gettext_lazy("Choose a file."), "empty": gettext_lazy("The file is empty.")},
    )

    def __init__(self, request: CadreRequest) -> None:
        posted = request.method == "POST"
        super().__init__(request.POST if posted else None, request.FILES if posted else None)
        # A file that was read past (settings.FILE_UPLOAD_HANDLERS) is not among the files.
        if int(request.META.get("CONTENT_LENGTH") or 0) > boundaries.LARGEST_FILE and not request.FILES:
            self.fields["file"].error_messages["required"] = boundaries.too_large()

    def clean_file(self) -> "UploadedFile[bytes]":
        """Large is said before anything is read."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if file.size is None or file.size > boundaries.LARGEST_FILE:
            raise ValidationError(boundaries.too_large())
        return file


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: CadreRequest, code: str) -> HttpResponse:
    """What is loaded below this unit, and the form to load more; a file that is refused answers 422."""
    unit = get_object_or_404(Unit.objects.visible_to(request.user).select_related("parent"), pk=code)
    access.require(access.may_load_boundaries(request.user, unit.code))
    form = BoundariesForm(request)
    refused: boundaries.BadBoundaries | None = None
    if form.is_valid():
        try:
            report = boundaries.load(form.cleaned_data["file"], request.user, under=unit)
        except boundaries.BadBoundaries as refusal:
            refused = refusal
        else:
            messages.success(request, _told(report))
            return redirect("boundaries", unit.code)
    return render(
        request,
        "villages/boundaries.html",
        {
            "unit": unit,
            "form": form,
            "refused": refused,
            "unsaid": refused.total - len(refused.problems) if refused else 0,
            "most": boundaries.LARGEST_FILE // 2**20,
            "levels": _levels(unit),
            "missing": _missing(unit),
            "latest": Boundary.objects.below(unit.code).select_related("loaded_by").order_by("-loaded_at").first(),
        },
        status=422 if form.is_bound else 200,
    )


@require_POST
def remove(request: CadreRequest, code: str) -> HttpResponse:
    """Takes all boundaries below this unit away."""
    unit = get_object_or_404(Unit.objects.visible_to(request.user), pk=code)
    access.require(access.may_load_boundaries(request.user, unit.code))
    n = boundaries.remove(unit)
    messages.success(request, ngettext("%(n)s boundary removed.", "%(n)s boundaries removed.", n) % {"n": n})
    return redirect("boundaries", unit.code)


def _told(report: boundaries.Report) -> str:
    said = _("Loaded: %(added)s new, %(replaced)s replaced.") % vars(report)
    if report.detail:
        said += " " + _(
            "Simplified from %(points)s points to %(kept)s; details smaller than about %(detail)s m left out."
        ) % vars(report)
    return said


def _below(unit: Unit) -> UnitQuerySet:
    return Unit.objects.under(unit.code).exclude(Q(pk=unit.pk) | Q(kind__in=[Kind.DEPARTMENT, Kind.SITE]))


def _levels(unit: Unit) -> list[dict[str, Any]]:
    """By kind, from the top: how many units lie below, how many have a boundary, and how coarse."""
    rows: Any = _below(unit).order_by().values("kind").annotate(
        n=Count("pk"), loaded=Count("boundary"), detail=Max("boundary__detail")
    )  # fmt: skip
    found: list[dict[str, Any]] = sorted(rows, key=lambda row: Kind.values.index(row["kind"]))
    return [row | {"label": Kind(row["kind"]).label} for row in found]


def _missing(unit: Unit) -> list[Unit]:
    """The first units right below without a boundary, once others have one."""
    children = _below(unit).filter(parent=unit)
    if not children.filter(boundary__isnull=False).exists():
        return []
    return list(children.filter(boundary__isnull=True).order_by("code")[:MISSING_SHOWN])
