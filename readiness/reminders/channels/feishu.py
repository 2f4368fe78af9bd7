"""Feishu (飞书): robots of groups (自定义机器人) and messages of an app. The host may be a private one's, or Lark's.

Robot: POST /open-apis/bot/v2/hook/…, signed with HMAC-SHA256 over nothing, under timestamp and secret. App: POST
/open-apis/im/v1/messages, whose `uuid` makes that the same message within an hour is shown once. As documented on
open.feishu.cn (自定义机器人使用指南, 发送消息, 通用错误码).
"""

import base64
import hashlib
import hmac
import json
import time
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readiness.reminders.channels.answers import Accepted, Message
from readiness.reminders.channels.codes import Codes, post, with_token
from readiness.reminders.channels.http import Address

HOOK = "/open-apis/bot/v2/hook/"
TOO_FAST = gettext_lazy("Feishu says: too many messages in a short time")
SECRET = gettext_lazy("App id or app secret is wrong: copy both from the app's page again")
NOBODY = gettext_lazy("Feishu does not know this person's account: correct it")
CODES = Codes(
    code="code",
    text="msg",
    words={
        9499: gettext_lazy("Feishu does not understand the request"),
        10003: SECRET,
        10014: SECRET,
        10015: SECRET,
        11232: TOO_FAST,
        11233: TOO_FAST,
        11247: TOO_FAST,
        19001: gettext_lazy("The robot's address is wrong or it was removed from the group: copy its address again"),
        19021: gettext_lazy("The signing secret is wrong, or this server's clock is: copy the secret again"),
        19022: gettext_lazy("This server's IP is not on the robot's list: add it there"),
        19024: gettext_lazy("The robot's keyword is not in the text: set it to a word that every reminder has"),
        230001: NOBODY,
        230006: gettext_lazy("The app has no robot: switch it on on the app's page"),
        230013: gettext_lazy("This person is outside what the app may reach: widen it on the app's page"),
        230020: TOO_FAST,
        230022: gettext_lazy("Feishu finds the text unfit"),
        230025: gettext_lazy("The text is too long for Feishu"),
        230027: gettext_lazy("The app lacks the right to send: grant it on the app's page"),
        99991400: TOO_FAST,
        99991401: gettext_lazy("This server's IP is not on the app's list: add it there"),
        99991672: gettext_lazy("The app lacks the right to send: grant it on the app's page"),
        99992351: NOBODY,
        99992360: NOBODY,
        99992361: gettext_lazy("This account belongs to another app: take the open_id from this one, or the user id"),
        99992364: NOBODY,
    },
    too_fast=frozenset({11232, 11233, 11247, 230020, 99991400}),
    stale=frozenset({99991661, 99991663, 99991664, 99991668}),
)


def pasted(address: Address) -> dict[str, str]:
    """The secret in a robot's address as Feishu shows it.

    Raises:
        ValueError: it is not one.
    """
    token = address.route.removeprefix(HOOK)
    if not address.route.startswith(HOOK) or not token or "/" in token:
        raise ValueError(_("A Feishu robot's address ends with /open-apis/bot/v2/hook/…"))
    return {"token": token}


def robot(message: Message) -> Accepted:
    """To a group. Raises as in answers.py."""
    body: dict[str, object] = {"msg_type": "text", "content": {"text": message.text}}
    if secret := message.secrets.get("secret"):
        now = str(int(time.time()))
        digest = hmac.new(f"{now}\n{secret}".encode(), b"", hashlib.sha256).digest()
        body |= {"timestamp": now, "sign": base64.b64encode(digest).decode()}
    post(message.host + HOOK + quote(message.secrets["token"], safe=""), body, CODES)
    return Accepted()


def app(message: Message) -> Accepted:
    """To one person of the organisation. Raises as in answers.py."""
    host, credentials = message.host, {name: message.secrets[name] for name in ("app_id", "app_secret")}
    body = {
        "receive_id": message.to,
        "msg_type": "text",
        "content": json.dumps({"text": message.text}, ensure_ascii=False),
        "uuid": message.key,
    }

    def fetch() -> tuple[object, object]:
        found = post(f"{host}/open-apis/auth/v3/tenant_access_token/internal", credentials, CODES)
        return found.get("tenant_access_token"), found.get("expire", 7200)

    def use(token: str) -> Accepted:
        url = f"{host}/open-apis/im/v1/messages?receive_id_type={_kind(message.to)}"
        data = post(url, body, CODES, {"Authorization": f"Bearer {token}"}).get("data")
        return Accepted(platform_id=str(data.get("message_id", ""))[:100] if isinstance(data, dict) else "")

    return with_token((host, *credentials.values()), fetch, use)


def _kind(account: str) -> str:
    """Which of Feishu's names an account is."""
    if "@" in account:
        return "email"
    return {"ou_": "open_id", "on_": "union_id"}.get(account[:3], "user_id")
