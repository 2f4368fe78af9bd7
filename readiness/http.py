"""The frame of every page, and the pages that say no."""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from readiness.reminders.state import alarm, framed
from villages import access
from villages.models import Cadre


def page(request: HttpRequest) -> dict[str, Any]:
    """What every page's frame shows: today, how many notices are unread, and why reminders do not go out, if so."""
    user = getattr(request, "user", None)
    if not isinstance(user, Cadre):
        return {"today": timezone.localdate()}
    frame = cache(lambda: framed(user))
    return {
        "today": timezone.localdate(),
        "unread": lambda: frame().unread,
        "has_rounds": lambda: frame().has_rounds,
        "has_tasks": access.owes_tasks(user) or access.checks_tasks(user),
        "verifies": access.checks_tasks(user),
        "watches": access.watches(user),
        "alarm": lambda: alarm(user),
        "may_see_state": access.runs_campaigns(user),
    }


class Refusals:
    """Says no in our own words on a laptop too, where Django would show its insides; a busy database is no crash."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if settings.DEBUG and response.status_code == 404:
            return not_found(request, Http404())
        return response

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        """Reads what was sent before anything else does, so that too much of it is refused in our words."""
        try:
            with suppress(UnreadablePostError):  # the sender is gone
                request.POST  # noqa: B018
        except (RequestDataTooBig, TooManyFieldsSent):
            return too_much(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return broken(request) if isinstance(exception, OperationalError) else None


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The same bytes for what never existed and for what lies out of sight."""
    return _refusal(
        request, 404, _("Not found"), _("There is nothing here, or it is not among the units of your posts (any more).")
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """In sight, but not allowed: with the reason."""
    return _refusal(request, 403, _("Not allowed"), str(exception) or _("Your posts do not allow this."))


def too_much(request: HttpRequest) -> HttpResponse:
    """Larger than the server reads in one go; nothing of it was looked at."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE >> 20
    return _refusal(
        request,
        413,
        _("Too much at once"),
        _("This is more than %(n)d MB or has too many fields; nothing was saved. Go back and send it in parts.")
        % {"n": most},
    )


def broken(request: HttpRequest) -> HttpResponse:
    """503 while the database is busy or away, else 500; nothing was saved. Touches no database."""
    if isinstance(sys.exc_info()[1], OperationalError):
        response = _refusal(
            request, 503, _("Busy"), _("The server is busy or restarting; nothing was saved. Try again in a moment.")
        )
        response["Retry-After"] = "3"
        return response
    return _refusal(
        request, 500, _("Something failed"), _("This should not happen; nothing was saved. Please tell your admin.")
    )


def _refusal(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    """A page; under htmx the same words where the page shows its messages."""
    htmx = bool(getattr(request, "htmx", False))
    page = render_to_string("refusal.html", {"htmx": htmx, "title": title, "words": words})
    response = HttpResponse(page, status=status)
    if htmx:
        response["HX-Retarget"] = "#alerts"
        response["HX-Reswap"] = "innerHTML"
    return response
