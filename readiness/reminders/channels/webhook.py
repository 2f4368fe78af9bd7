"""A plain webhook, e.g. of an office's SMS gateway; what it gets and how it is signed: docs/channels.md."""

import hashlib
import hmac
import json
import time

from django.utils.translation import gettext as _

from readiness.reminders.channels.answers import Accepted, Message, Refused
from readiness.reminders.channels.codes import excerpt
from readiness.reminders.channels.http import Address, ask


def pasted(address: Address) -> dict[str, str]:
    """The part of an address that is kept as a secret."""
    return {"path": address.path}


def webhook(message: Message) -> Accepted:
    """To whoever stands behind it. Any 2xx is a yes. Raises as in answers.py."""
    content = {"to": message.to, "text": message.text, "id": message.key}
    body = json.dumps(content, ensure_ascii=False).encode(errors="replace")
    now = str(int(time.time()))
    signature = hmac.new(message.secrets["secret"].encode(), now.encode() + b"\n" + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "X-Readiness-Timestamp": now,
        "X-Readiness-Signature": signature.hexdigest(),
    }
    reply = ask("POST", message.host + message.secrets["path"], body, headers)
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        answer = None
    found = answer if isinstance(answer, dict) else {}
    if reply.status >= 400 or found.get("error"):
        said = excerpt(str(found.get("error") or reply.body.decode(errors="replace")))
        raise Refused(_("Refused (HTTP %(status)d): %(said)s") % {"status": reply.status, "said": said})
    return Accepted(platform_id=str(found.get("id") or "")[:100])
