"""How a notice leaves the house: one function for all channels, and what each of them can do."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import quote, quote_plus

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from readiness.models import Channel, Gateway, Notice
from readiness.models.channel import PERSONAL
from readiness.reminders import sealed, words
from readiness.reminders.channels import dingtalk, feishu, webhook, wecom
from readiness.reminders.channels.answers import Accepted, Later, Message, NotSent, Refused, Unclear
from readiness.reminders.channels.http import Address, cleaned
from readiness.reminders.channels.mail import mail
from villages.models import Cadre

__all__ = [
    "Accepted",
    "Later",
    "NotSent",
    "Refused",
    "Unclear",
    "account",
    "cleaned",
    "confirm",
    "pasted",
    "send",
    "test",
    "tried",
]

SENDERS: dict[str, Callable[[Message], Accepted]] = {
    Channel.MAIL: mail,
    Channel.DINGTALK: dingtalk.work_notice,
    Channel.DINGTALK_ROBOT: dingtalk.robot,
    Channel.WECOM: wecom.app,
    Channel.WECOM_ROBOT: wecom.robot,
    Channel.FEISHU: feishu.app,
    Channel.FEISHU_ROBOT: feishu.robot,
    Channel.WEBHOOK: webhook.webhook,
}
PASTED: dict[str, Callable[[Address], dict[str, str]]] = {
    Channel.DINGTALK_ROBOT: dingtalk.pasted,
    Channel.WECOM_ROBOT: wecom.pasted,
    Channel.FEISHU_ROBOT: feishu.pasted,
    Channel.WEBHOOK: webhook.pasted,
}
# Those that know a repeat: the same message again is shown once.
DEDUPLICATES = frozenset({Channel.WECOM, Channel.FEISHU})
# Those that only take a message and can be asked afterwards what became of it.
CONFIRMS = frozenset({Channel.DINGTALK})
# Bytes of UTF-8 of a whole text. DingTalk counts the JSON around a work notice too, up to 2048.
LONGEST: dict[str, int] = {
    Channel.MAIL: 20_000,
    Channel.DINGTALK: 1_980,
    Channel.DINGTALK_ROBOT: 20_000,
    Channel.WECOM: 2_048,
    Channel.WECOM_ROBOT: 2_048,
    Channel.FEISHU: 20_000,
    Channel.FEISHU_ROBOT: 20_000,
    Channel.WEBHOOK: 1_500,
}


def send(notice: Notice) -> Accepted:
    """Hands a notice to its platform, once. Reads the gateway, the cadre and the cadre's account.

    Raises:
        Refused, Later, Unclear: as in answers.py; without any secret in their words.
    """
    gateway = notice.gateway
    if notice.channel != Channel.MAIL and (gateway is None or gateway.removed_at):
        raise Refused(_("The gateway was removed."))
    text = _text(notice.channel, notice.subject, notice.body, notice.path, notice.worded_at)
    to = account(notice.channel, notice.cadre) if notice.cadre else ""
    return _sent(notice.channel, gateway, to, notice.subject, text, f"notice-{notice.pk}")


def confirm(notice: Notice) -> bool | None:
    """Whether what a platform took was shown: True, or None while it does not know, or cannot be asked.

    Raises:
        Refused: it was not shown, and why.
        Later, Unclear: the platform cannot be asked just now.
    """
    if notice.channel not in CONFIRMS or notice.gateway is None or not notice.platform_id:
        return None
    with _opened(notice.gateway) as secrets:
        return dingtalk.confirm(notice.gateway.host, secrets, notice.platform_id)


def tried(gateway: Gateway | None, to: str = "") -> Accepted:
    """Sends one test message now; without a gateway, by mail.

    Args:
        to: an account on the platform, for the webhook a telephone number; a robot needs none. See `account`.

    Raises:
        Refused, Later, Unclear: as in answers.py; without any secret in their words.
    """
    channel = gateway.channel if gateway else Channel.MAIL
    now = timezone.now()
    with translation.override("zh-hans"):  # as every notice
        subject = _("Inspection readiness: %(what)s") % {"what": _("a test")}
        body = _("This is a test message, sent at %(time)s. There is nothing to do.") % {
            "time": f"{timezone.localtime(now):%H:%M:%S}"  # the same words twice would not be shown twice
        }
        text = _text(channel, subject, body, "/", now)
    return _sent(channel, gateway, to, subject, text, f"test-{uuid.uuid4()}")


def test(gateway: Gateway | None, to: str = "") -> str:
    """As `tried`: what came of it, in words for people."""
    try:
        accepted = tried(gateway, to)
    except NotSent as problem:
        return str(problem)
    if accepted.platform_id:
        return _("The platform took the message (number %(id)s).") % {"id": accepted.platform_id}
    return _("The platform took the message.")


def pasted(channel: str, url: str) -> tuple[str, dict[str, str]]:
    """What a robot's or webhook's whole address holds: Gateway.host and the secrets in it.

    Raises:
        ValueError: with words for people, which hold nothing of the secret part.
    """
    address = cleaned(url)
    return address.base, PASTED[channel](address)


def account(channel: str, cadre: Cadre) -> str:
    """Under which a channel reaches a person: mail address, account on the platform, or telephone number.

    Raises:
        Refused: there is none (any more).
    """
    if channel == Channel.MAIL:
        to: str | None = cadre.email
    elif channel in PERSONAL:
        # `all`, so that a sender can read the accounts of many cadres along.
        to = next((known.name for known in cadre.accounts.all() if known.channel == channel), None)
    else:
        to = cadre.phone
    if not to:
        raise Refused(
            _("%(channel)s: no account, address or number of this person is known (any more).")
            % {"channel": Channel(channel).label}
        )
    return to


def _sent(channel: str, gateway: Gateway | None, to: str, subject: str, text: str, key: str) -> Accepted:
    if gateway is None:
        return SENDERS[channel](Message(to, subject, text, key))
    # To the platforms "a,b" or "a|b" are two people, and "@all" is everybody.
    if channel in PERSONAL and not re.fullmatch(r"[^@\s,;|][^\s,;|]*", to):
        raise Refused(_("This is not the account of one person: correct it."))
    with _opened(gateway) as secrets:
        return SENDERS[channel](Message(to, subject, text, key, gateway.host, secrets))


@contextmanager
def _opened(gateway: Gateway) -> Iterator[dict[str, str]]:
    """A gateway's secrets; none of them leaves with an exception."""
    try:
        secrets = sealed.unseal(gateway.sealed)
    except sealed.Unreadable:
        raise Refused(_("The gateway's secrets cannot be read with this server's key: enter them again.")) from None
    try:
        yield secrets
    except NotSent as problem:
        hidden = [word for name, word in secrets.items() if name != "agent_id" and len(word) > 5]
        raise problem.hiding({form for word in hidden for form in (word, quote(word), quote_plus(word))}) from None


def _text(channel: str, subject: str, body: str, path: str, when: datetime) -> str:
    """The whole text, the same at every try. It ends with its time, so that platforms do not take it for a repeat."""
    link = settings.SITE_URL + path if settings.SITE_URL else ""
    if channel == Channel.MAIL:
        head, tail = "", f"\n\n{link}" if link else ""
    else:
        head = f"{subject}\n"
        tail = (f"\n{link}" if link else "") + f"\n{timezone.localtime(when):%m-%d %H:%M}"
    left = LONGEST[channel] - len((head + tail).encode())
    return head + words.cut(body, left) + tail
