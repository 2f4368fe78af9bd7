"""The frame of every page, and the pages that say no."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from readiness.models import Notice
from villages import access
from villages.models import Cadre


def page(request: HttpRequest) -> dict[str, Any]:
    """What every page's frame shows: today, and how many notices are unread."""
    user = getattr(request, "user", None)
    if not isinstance(user, Cadre):
        return {"today": timezone.localdate()}
    return {
        "today": timezone.localdate(),
        "unread": lambda: Notice.objects.visible_to(user).unread().count(),
        "has_tasks": access.owes_tasks(user) or access.checks_tasks(user),
    }


def _refusal(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    """A page; under htmx the same words where the page shows its messages."""
    htmx = bool(getattr(request, "htmx", False))
    response = render(request, "refusal.html", {"htmx": htmx, "title": title, "words": words}, status=status)
    if htmx:
        response["HX-Retarget"] = "#alerts"
        response["HX-Reswap"] = "innerHTML"
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The same bytes for what never existed and for what lies out of sight."""
    return _refusal(
        request, 404, _("Not found"), _("There is nothing here, or it is not among the units of your posts (any more).")
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """In sight, but not allowed: with the reason."""
    return _refusal(request, 403, _("Not allowed"), str(exception) or _("Your posts do not allow this."))


def broken(request: HttpRequest) -> HttpResponse:
    """Something of ours failed; nothing was saved. Touches no database: that may be what failed."""
    return HttpResponse(
        "出错了,没有保存任何内容。请稍后再试。 / Something failed; nothing was saved. Please try again later.",
        status=500,
        content_type="text/plain; charset=utf-8",
    )
