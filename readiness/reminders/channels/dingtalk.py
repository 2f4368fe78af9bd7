"""DingTalk (钉钉): robots of groups (自定义机器人) and work notices (工作通知). Any host that speaks this interface.

Robot: POST /robot/send, signed with HMAC-SHA256 over timestamp and secret. Work notice: POST
/topapi/message/corpconversation/asyncsend_v2, which only takes it; what became of it must be asked for. DingTalk
silently drops the same words to the same person on the same day, so a text carries its time. Both as documented on
open.dingtalk.com (自定义机器人接入, 工作通知 and 全局错误码).
"""

import base64
import hashlib
import hmac
import time
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readiness.reminders.channels.answers import Accepted, Message, Refused
from readiness.reminders.channels.codes import Codes, post, understood, with_token
from readiness.reminders.channels.http import Address, ask

TOO_FAST = gettext_lazy("DingTalk says: too many messages in a short time")
ROBOT = Codes(
    words={
        -1: gettext_lazy("DingTalk is busy just now"),
        130101: TOO_FAST,
        410100: TOO_FAST,
        300001: gettext_lazy("The robot's access token is wrong: copy the address from the robot's settings again"),
        300005: gettext_lazy("The robot's access token is wrong: copy the address from the robot's settings again"),
        310000: gettext_lazy(
            "The robot's security settings do not fit: the keyword is not in the text, the signing secret (SEC…)"
            " is wrong, or this server's IP is not on its list"
        ),
        400013: gettext_lazy("The group was dissolved: remove this robot"),
        400101: gettext_lazy("The robot's access token is wrong: copy the address from the robot's settings again"),
        400102: gettext_lazy("The robot is switched off in the group: switch it on there"),
        400106: gettext_lazy("The robot no longer exists: add one to the group and enter its address"),
        430101: gettext_lazy("DingTalk finds a link in the text unsafe"),
        430102: gettext_lazy("DingTalk finds the text unfit"),
        430104: gettext_lazy("DingTalk finds the text unfit"),
    },
    too_fast=frozenset({130101, 410100}),
    pause=600,  # so long a robot is silenced
    away=frozenset({-1}),
)
NOBODY = gettext_lazy("DingTalk does not know this person's account: correct it")
SECRET = gettext_lazy("App key or app secret is wrong: copy both from the app's page again")
APP = Codes(
    words={
        -1: gettext_lazy("DingTalk is busy just now"),
        88: gettext_lazy("DingTalk refuses the app: look at its rights and at the list of IPs"),
        33012: NOBODY,
        40001: SECRET,
        40035: gettext_lazy("DingTalk lacks something in the request"),
        40056: gettext_lazy("The agent id is wrong: copy it from the app's page again"),
        40068: gettext_lazy("The agent id is wrong: copy it from the app's page again"),
        40078: SECRET,
        40089: SECRET,
        40096: SECRET,
        50002: gettext_lazy("This person is outside what the app may reach: widen it on the app's page"),
        60011: gettext_lazy("The app lacks the right to send: grant it on the app's page"),
        60020: gettext_lazy("This server's IP is not on the app's list: add it there"),
        60121: NOBODY,
        90002: TOO_FAST,
        90004: TOO_FAST,
        90005: TOO_FAST,
        90006: TOO_FAST,
        90018: TOO_FAST,
        90019: TOO_FAST,
        400002: gettext_lazy("DingTalk does not understand the request: look at account and agent id"),
    },
    too_fast=frozenset({90002, 90004, 90005, 90006, 90018, 90019}),
    away=frozenset({-1}),
    stale=frozenset({40014, 41001, 42001}),
    within={88: "sub_code"},
)
# Why a work notice that was taken did not reach the person.
DROPPED = {
    "143105": gettext_lazy("more messages a day than DingTalk allows for one person"),
    "143106": gettext_lazy("the person got the same words today already"),
}


def pasted(address: Address) -> dict[str, str]:
    """The secret in a robot's address as DingTalk shows it.

    Raises:
        ValueError: it is not one.
    """
    token = address.query.get("access_token")
    if address.route != "/robot/send" or not token:
        raise ValueError(_("A DingTalk robot's address ends with /robot/send?access_token=…"))
    return {"token": token}


def robot(message: Message) -> Accepted:
    """To a group. Raises as in answers.py."""
    query = {"access_token": message.secrets["token"]}
    if secret := message.secrets.get("secret"):
        now = str(round(time.time() * 1000))
        digest = hmac.new(secret.encode(), f"{now}\n{secret}".encode(), hashlib.sha256).digest()
        query |= {"timestamp": now, "sign": base64.b64encode(digest).decode()}
    post(f"{message.host}/robot/send?{urlencode(query)}", _text(message), ROBOT)
    return Accepted()


def work_notice(message: Message) -> Accepted:
    """To one person of the organisation. Raises as in answers.py."""
    found = _asked(
        message.host,
        message.secrets,
        "asyncsend_v2",
        {"userid_list": message.to, "msg": _text(message)},
    )
    return Accepted(platform_id=str(found.get("task_id", ""))[:100])


def confirm(host: str, secrets: dict[str, str], platform_id: str) -> bool | None:
    """Whether a work notice reached the person; None: not yet known.

    Raises:
        Refused: it did not, and why.
        Later, Unclear: as in answers.py.
    """
    found = _asked(host, secrets, "getsendresult", {"task_id": platform_id}).get("send_result")
    result = found if isinstance(found, dict) else {}
    if result.get("read_user_id_list") or result.get("unread_user_id_list"):
        return True
    if result.get("invalid_user_id_list"):
        raise Refused(str(NOBODY))
    if result.get("forbidden_user_id_list") or result.get("forbidden_list"):
        listed = result.get("forbidden_list")
        first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
        why = DROPPED.get(str(first.get("code")), _("the limits of DingTalk"))
        raise Refused(_("DingTalk took it and did not show it: %(why)s") % {"why": why})
    if result.get("failed_user_id_list"):
        raise Refused(_("DingTalk took it and could not deliver it"))
    return None


def _asked(host: str, secrets: dict[str, str], what: str, fields: dict[str, object]) -> dict[str, object]:
    """Asks the work notices' part of the interface something."""
    credentials = {"appkey": secrets["app_key"], "appsecret": secrets["app_secret"]}

    def fetch() -> tuple[object, object]:
        found = understood(ask("GET", f"{host}/gettoken?{urlencode(credentials)}"), APP)
        return found.get("access_token"), found.get("expires_in", 7200)

    def use(token: str) -> dict[str, object]:
        url = f"{host}/topapi/message/corpconversation/{what}?{urlencode({'access_token': token})}"
        return post(url, {"agent_id": secrets["agent_id"]} | fields, APP)

    return with_token((host, *credentials.values()), fetch, use)


def _text(message: Message) -> dict[str, object]:
    return {"msgtype": "text", "text": {"content": message.text}}
