"""The front door: who gets in, for how long and in which language. Small middleware, each says what it promises."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from villages.models import Cadre

Handler = Callable[[HttpRequest], HttpResponse]


class CadreRequest(HttpRequest):
    """A request of somebody who is logged in."""

    user: Cadre
    htmx: HtmxDetails


def chosen_language(get_response: Handler) -> Handler:
    """Chinese, unless the person chose otherwise: an office machine's browser language says little."""

    def middleware(request: HttpRequest) -> HttpResponse:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
        language = chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def session_limits(get_response: Handler) -> Handler:
    """Ends a session after SESSION_LONGEST in any case and after SESSION_IDLE without a request.

    The session notes the last request at most once a minute, so that reading pages does not write.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = timezone.now()
            began = _moment(request.session.get("began")) or now
            seen = _moment(request.session.get("seen")) or now
            if now - began > settings.SESSION_LONGEST or now - seen > settings.SESSION_IDLE:
                logout(request)
            elif "began" not in request.session or ((now - seen).total_seconds() > 60 and not follows(request)):
                request.session["began"] = began.isoformat()
                request.session["seen"] = now.isoformat()
        return get_response(request)

    return middleware


def follows(request: HttpRequest) -> bool:
    """Whether an open page asks by itself if something has changed; nobody need be sitting there."""
    return "Readiness-Follows" in request.headers


class LoginRequired(LoginRequiredMiddleware):
    """Every view asks for a log-in unless it says that it is public."""

    def process_view(self, request: HttpRequest, view_func: Any, *args: Any) -> HttpResponseBase | None:
        """To the log-in page and back; a form sent too late shows what was typed instead of losing it."""
        answer = super().process_view(request, view_func, *args)
        return form_too_old(request) if answer is not None and request.method not in ("GET", "HEAD") else answer


def form_too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer to a form that is older than the session or carries no valid token: 403, nothing saved.

    Shows the typed text again, so that it can be taken along. Also Django's CSRF_FAILURE_VIEW.
    """
    written = (
        *("value", "note", "obstacle", "need", "answer", "reason", "objection", "remark"),
        *("what", "fix_now", "change_for_good", "new_step"),
    )
    typed = {name: request.POST[name] for name in written if request.POST.get(name)}
    page = _next_path(request) or reverse("home")
    return render(request, "form_too_old.html", {"typed": typed, "page": page}, status=403)


def private_pages(get_response: Handler) -> Handler:
    """Pages of somebody who is logged in are not kept by browsers or proxies: Back after log-out shows nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.user.is_authenticated:
            response.headers.setdefault("Cache-Control", "no-store, private")
        return response

    return middleware


def back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """Redirects to the form's `next`, if that is a path of ours, else to `otherwise`."""
    return HttpResponseRedirect(_next_path(request) or otherwise)


def _next_path(request: HttpRequest) -> str:
    """The form's `next` if it is a path on this host, else empty. Never the name of a route, as redirect() takes it."""
    target = request.POST.get("next", "")
    return target if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None) else ""


def _moment(raw: str | None) -> datetime | None:
    return datetime.fromisoformat(raw) if raw else None
