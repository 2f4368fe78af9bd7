"""What the platforms' answers mean. DingTalk, WeCom and Feishu all say 200 and put a number into the body."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from readiness.reminders.channels.answers import Later, Refused, Unclear
from readiness.reminders.channels.http import Reply, ask

EXCERPT = 120  # characters of a platform's own text that are shown


@dataclass(frozen=True)
class Codes:
    """How one platform says no."""

    words: Mapping[int, "str | Promise"]  # what is wrong and what to do, for people
    code: str = "errcode"
    text: str = "errmsg"
    too_fast: frozenset[int] = frozenset()
    pause: float = 60  # seconds after which it lets us in again
    away: frozenset[int] = frozenset()  # its own trouble, which passes
    stale: frozenset[int] = frozenset()  # the access token is no longer valid
    within: Mapping[int, str] = field(default_factory=dict)  # a general code -> where the real one stands


class Stale(Later):
    """The access token is no longer valid; nothing was taken."""


def post(url: str, body: object, codes: Codes, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Sends JSON; the answer, if it is a yes.

    Raises:
        Refused, Later, Unclear: as in answers.py.
    """
    data = json.dumps(body, ensure_ascii=False).encode(errors="replace")
    return understood(ask("POST", url, data, {"Content-Type": "application/json"} | (headers or {})), codes)


def understood(reply: Reply, codes: Codes) -> dict[str, Any]:
    """The answer, if it is a yes.

    Raises:
        Refused, Later, Unclear: as in answers.py.
    """
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    code = found.get(codes.code) if isinstance(found, dict) else None
    if not isinstance(code, int):
        said = excerpt(reply.body.decode(errors="replace"))
        if reply.status >= 400:
            raise Refused(_("Refused (HTTP %(status)d): %(said)s") % {"status": reply.status, "said": said})
        raise Unclear(_("The platform's answer cannot be understood: %(said)s") % {"said": said})
    if code == 0:
        return dict(found)
    inner = str(found.get(codes.within.get(code, "")))
    if inner.isascii() and inner.isdigit():
        code = int(inner[:9])
    said = excerpt(str(found.get(codes.text) or ""))
    if words := codes.words.get(code):
        message = _("%(words)s (code %(code)d: %(said)s)") % {"words": words, "code": code, "said": said}
    else:
        message = _("The platform refuses (code %(code)d): %(said)s") % {"code": code, "said": said}
    if code in codes.too_fast:
        raise Later(message, codes.pause, limited=True)
    if code in codes.stale:
        raise Stale(message)
    if code in codes.away:
        raise Later(message)
    raise Refused(message)


def excerpt(said: str) -> str:
    """The platform's own text in one short line; whatever looks like a token is not repeated."""
    line = re.sub(r"[A-Za-z0-9_+=-]{16,}", "••••", " ".join(said.split()))
    return "".join(sign for sign in line if sign.isprintable() and sign != "\ufffd")[:EXCERPT]


# --- access tokens ---------------------------------------------------------------------------------

EARLY = 300  # seconds before its end at which a token is fetched anew
T = TypeVar("T")
_tokens: dict[tuple[str, ...], tuple[str, float]] = {}  # host and secrets -> token, until when (monotonic)


def with_token(key: tuple[str, ...], fetch: Callable[[], tuple[object, object]], use: Callable[[str], T]) -> T:
    """What `use` answers to an access token, which is kept in this process until shortly before its end.

    Args:
        key: host and secrets, so that changed ones never meet an old token.
        fetch: token and seconds that it is valid.
        use: raises Stale where the platform no longer knows the token; it is then fetched once more.

    Raises:
        Refused, Later, Unclear: as in answers.py.
    """
    kept = _tokens.get(key)
    if kept and kept[1] > monotonic():
        try:
            return use(kept[0])
        except Stale:
            _tokens.pop(key, None)
    try:
        token, seconds = fetch()
    except Unclear as problem:  # about the token; the message is still here
        raise Later(str(problem)) from None
    if not isinstance(token, str) or not isinstance(seconds, int) or not re.fullmatch(r"[!-~]+", token):
        raise Later(_("The platform gives no access token."))
    _tokens[key] = (token, monotonic() + max(seconds - EARLY, seconds / 2))
    return use(token)
