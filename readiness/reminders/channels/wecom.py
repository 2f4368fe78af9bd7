"""WeCom (企业微信): robots of groups (群机器人) and messages of an app (应用消息). The host may be a private one's.

Robot: POST /cgi-bin/webhook/send. App: POST /cgi-bin/message/send with its check for duplicates, which knows the same
content to the same person again within four hours; so a text carries its time and is the same at every try. As
documented on developer.work.weixin.qq.com (群机器人配置说明, 发送应用消息, 全局错误码).
"""

from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readiness.reminders.channels.answers import Accepted, Message, Refused
from readiness.reminders.channels.codes import Codes, post, understood, with_token
from readiness.reminders.channels.http import Address, ask

FOUR_HOURS = 4 * 60 * 60  # the longest that WeCom looks back for a duplicate, in seconds
SECRET = gettext_lazy("Corp id or the app's secret is wrong: copy both from the admin pages again")
NOBODY = gettext_lazy("WeCom does not know this person's account, or the app may not reach it: correct one of them")
CODES = Codes(
    words={
        -1: gettext_lazy("WeCom is busy just now"),
        40001: SECRET,
        40003: NOBODY,
        40013: SECRET,
        40056: gettext_lazy("The agent id is wrong: copy it from the app's page again"),
        40058: gettext_lazy("WeCom does not understand the request"),
        45002: gettext_lazy("The text is too long for WeCom"),
        45009: gettext_lazy("WeCom says: too many messages in a short time"),
        45033: gettext_lazy("WeCom says: too many messages in a short time"),
        48002: gettext_lazy("The app lacks the right to send: grant it on the app's page"),
        60011: gettext_lazy("The app lacks the right to send: grant it on the app's page"),
        60020: gettext_lazy("This server's IP is not on the app's list: add it there"),
        60111: NOBODY,
        81013: NOBODY,
        93000: gettext_lazy("The robot's key is wrong or it was removed from the group: copy its address again"),
        93004: gettext_lazy("The robot is switched off in the group: switch it on there"),
        93008: gettext_lazy("The robot is no longer in the group: add one and enter its address"),
        301002: gettext_lazy("The agent id is wrong: copy it from the app's page again"),
    },
    too_fast=frozenset({45009, 45033}),
    away=frozenset({-1}),
    stale=frozenset({40014, 41001, 42001}),
)


def pasted(address: Address) -> dict[str, str]:
    """The secret in a robot's address as WeCom shows it.

    Raises:
        ValueError: it is not one.
    """
    key = address.query.get("key")
    if address.route != "/cgi-bin/webhook/send" or not key:
        raise ValueError(_("A WeCom robot's address ends with /cgi-bin/webhook/send?key=…"))
    return {"key": key}


def robot(message: Message) -> Accepted:
    """To a group. Raises as in answers.py."""
    query = urlencode({"key": message.secrets["key"]})
    post(f"{message.host}/cgi-bin/webhook/send?{query}", _text(message), CODES)
    return Accepted()


def app(message: Message) -> Accepted:
    """To one person of the organisation. Raises as in answers.py."""
    host, secrets = message.host, message.secrets
    credentials = {"corpid": secrets["corp_id"], "corpsecret": secrets["secret"]}
    agent = secrets["agent_id"]
    body = {
        "touser": message.to,
        "agentid": int(agent) if agent.isdecimal() else agent,
        **_text(message),
        "enable_duplicate_check": 1,
        "duplicate_check_interval": FOUR_HOURS,
    }

    def fetch() -> tuple[object, object]:
        found = understood(ask("GET", f"{host}/cgi-bin/gettoken?{urlencode(credentials)}"), CODES)
        return found.get("access_token"), found.get("expires_in", 7200)

    def use(token: str) -> Accepted:
        url = f"{host}/cgi-bin/message/send?{urlencode({'access_token': token})}"
        found = post(url, body, CODES)
        if found.get("invaliduser"):
            raise Refused(str(NOBODY))
        return Accepted(platform_id=str(found.get("msgid", ""))[:100])

    return with_token((host, *credentials.values()), fetch, use)


def _text(message: Message) -> dict[str, object]:
    return {"msgtype": "text", "text": {"content": message.text}}
