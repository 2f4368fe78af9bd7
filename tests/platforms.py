"""A stand-in for DingTalk, WeCom, Feishu and an office's own webhook, on loopback; in every mood of theirs.

    with Platform() as platform:
        platform.mood = "error:310000"
        ...
        assert [arrival.text for arrival in platform.arrivals] == [...]

As a process, appending what arrived to a file, a line of JSON each, before it answers:

    python -m tests.platforms --port 8801 --out arrived.jsonl --mood ok --mood hang:30@some-token

A mood holds for all messages, or with `@part` for those requests whose address contains that part:

    ok             takes it                     hang:30     takes it, answers only after so many seconds
    error:310000   says no, with that code      slow:0.004  takes it, answers after so many seconds, well
    limited        says: too fast               cut         takes it, and the line is cut before an answer
    500            as a broken server           head, body  takes it, and the answer trickles, a byte a second
    html           200 and a page               huge, bomb  takes it, and answers 10 MB, or 1 GB behind gzip
    redirect       to loopback                  refusing    cuts the line before it has read anything

Signatures are checked with `secret`, if there is one; so is `keyword`. What has a key (Feishu's uuid, WeCom's check for
duplicates, DingTalk's same words to the same person on a day) is shown once, unless `forgets` is set.
"""

import argparse
import base64
import gzip
import hashlib
import hmac
import json
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOO_FAST = {"dingtalk": 130101, "wecom": 45009, "feishu": 11232, "webhook": 429}
HOUR = 3600


@dataclass(frozen=True)
class Arrival:
    """One message that was taken."""

    channel: str  # as in readiness.models.Channel
    to: str  # whom, or which group
    text: str
    key: str  # by which a repeat is known; empty: there is none
    shown: bool  # False: known as a repeat
    at: float  # seconds since 1970


class Platform(ThreadingHTTPServer):
    """All platforms at one address. Give it a `tls` context and it speaks TLS."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self, port: int = 0, *, secret: str = "", out: Path | None = None, tls: Any = None) -> None:
        super().__init__(("127.0.0.1", port), Desk)
        self.mood = "ok"
        self.moods: dict[str, str] = {}  # part of an address -> mood
        self.secret, self.keyword, self.forgets = secret, "", False
        self.echoes = ""  # what a refusal repeats, as some platforms do with what was sent
        self.arrivals: list[Arrival] = []
        self.requests: list[str] = []  # method and address of each, taken or not
        self.tokens: set[str] = set()
        self.lifetime = 7200  # of a token, in seconds
        self.lock = threading.Lock()
        self.out = out
        self.tls: ssl.SSLContext | None = tls
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def host(self) -> str:
        """As in Gateway.host and in OUTGOING_HOSTS."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def shown(self) -> list[str]:
        """What people got to read."""
        return [arrival.text for arrival in self.arrivals if arrival.shown]

    def __enter__(self) -> "Platform":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def get_request(self) -> tuple[Any, Any]:
        line, address = super().get_request()
        if self.tls:  # shakes hands in the thread of the request
            line = self.tls.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
        return line, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # whoever asked is gone
            super().handle_error(request, client_address)

    def mood_at(self, address: str) -> str:
        found = [mood for part, mood in self.moods.items() if part in address]
        return found[0] if found else "ok" if "oken" in urlsplit(address).path else self.mood

    def take(self, channel: str, to: str, text: str, key: str) -> Arrival:
        with self.lock:
            seen = not self.forgets and any(
                (one.channel, one.key) == (channel, key) and one.at > time.time() - HOUR for one in self.arrivals
            )
            arrival = Arrival(channel, to, text, key, shown=not (key and seen), at=time.time())
            self.arrivals.append(arrival)
            if self.out:
                with self.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(arrival), ensure_ascii=False) + "\n")
        return arrival


class No(Exception):
    """The platform refuses, with a code."""


class Desk(BaseHTTPRequestHandler):
    """One request."""

    server: Platform

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.mood, _, self.detail = self.server.mood_at(self.path).partition(":")
        if self.mood == "refusing":
            return None
        self.raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append(f"{self.command} {self.path}")
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.kind = self.kind_of(url.path)
        if self.mood == "500":
            return self.say(b"Internal Server Error", status=500, kind="text/plain")
        if self.mood == "html":
            return self.say(b"<!DOCTYPE html><html><title>502</title></html>", kind="text/html")
        if self.mood == "redirect":
            return self.say(b"", status=302, location=f"http://127.0.0.1:{self.server.port}/robot/send?access_token=x")
        try:
            self.body = json.loads(self.raw) if self.raw else {}
            if self.mood == "limited":
                raise No(90018 if url.path.startswith("/topapi/") else TOO_FAST[self.kind], "too fast")
            if self.mood == "error":
                raise No(int(self.detail), f"no {self.server.echoes}".strip())
            found = self.taken(url.path)
        except (No, KeyError, ValueError) as no:
            code, text = no.args if isinstance(no, No) else (400, f"bad request: {no}")
            if self.kind == "webhook":
                return self.say(json.dumps({"error": text}).encode(), status=code)
            found = {"errcode": code, "errmsg": text}
        return self.reply(found)

    @staticmethod
    def kind_of(path: str) -> str:
        if path.startswith("/cgi-bin/"):
            return "wecom"
        if path.startswith("/open-apis/"):
            return "feishu"
        return "dingtalk" if path.startswith(("/robot/", "/topapi/", "/gettoken")) else "webhook"

    # --- what the platforms do ---------------------------------------------------------------------

    def taken(self, path: str) -> dict[str, Any]:
        """What it answers to a request that is in order."""
        body, query = self.body, self.query
        match path:
            case "/gettoken":
                return self.token(query.get("appsecret"), 40089)
            case "/cgi-bin/gettoken":
                return self.token(query.get("corpsecret"), 40001)
            case "/open-apis/auth/v3/tenant_access_token/internal":
                given = self.token(body.get("app_secret"), 10014)
                return {"tenant_access_token": given["access_token"], "expire": given["expires_in"]}
            case "/robot/send":
                self.signed_by_dingtalk_robot()
                return self.take("dingtalk_robot", query["access_token"], self.worded(body["text"]["content"], 310000))
            case "/topapi/message/corpconversation/asyncsend_v2":
                self.has(query.get("access_token"), 40014)
                to, text = body["userid_list"], body["msg"]["text"]["content"]
                self.take("dingtalk", to, text, key=f"{to} {text}")
                return {"task_id": len(self.server.arrivals)}
            case "/topapi/message/corpconversation/getsendresult":
                self.has(query.get("access_token"), 40014)
                return {"send_result": self.result(self.server.arrivals[int(body["task_id"]) - 1])}
            case "/cgi-bin/webhook/send":
                return self.take("wecom_robot", query["key"], self.worded(body["text"]["content"], 93000))
            case "/cgi-bin/message/send":
                self.has(query.get("access_token"), 40014)
                to, text = body["touser"], body["text"]["content"]
                if to.startswith("nobody"):
                    raise No(81013, "user & party & tag all invalid")
                self.take("wecom", to, text, key=f"{to} {text}" if body.get("enable_duplicate_check") else "")
                return {"msgid": f"msg-{len(self.server.arrivals)}", "invaliduser": ""}
            case "/open-apis/im/v1/messages":
                self.has((self.headers["Authorization"] or "").removeprefix("Bearer "), 99991663)
                text = json.loads(body["content"])["text"]
                self.take("feishu", body["receive_id"], text, key=body.get("uuid", ""))
                return {"data": {"message_id": f"om_{len(self.server.arrivals)}"}}
            case _ if path.startswith("/open-apis/bot/v2/hook/"):
                self.signed_by_feishu_robot()
                token = unquote(path.rpartition("/")[2])
                return self.take("feishu_robot", token, self.worded(body["content"]["text"], 19024))
            case _:
                self.signed_by_webhook()
                self.take("webhook", body["to"], body["text"], key=body["id"])
                return {"id": f"sms-{len(self.server.arrivals)}"}

    def take(self, channel: str, to: str, text: str, key: str = "") -> dict[str, Any]:
        self.server.take(channel, to, text, key)
        return {}

    def result(self, arrival: Arrival) -> dict[str, Any]:
        """DingTalk's word on what became of a work notice."""
        lists: dict[str, Any] = {
            f"{kind}_user_id_list": [] for kind in ("invalid", "forbidden", "failed", "read", "unread")
        }
        if arrival.to.startswith("nobody"):
            return lists | {"invalid_user_id_list": [arrival.to]}
        if arrival.to.startswith("slow"):
            return lists
        if not arrival.shown:
            return lists | {
                "forbidden_user_id_list": [arrival.to],
                "forbidden_list": [{"code": "143106", "count": 1, "userid": arrival.to}],
            }
        return lists | {"unread_user_id_list": [arrival.to]}

    def token(self, secret: str | None, code: int) -> dict[str, Any]:
        if self.server.secret and secret != self.server.secret:
            raise No(code, f"invalid secret {self.server.echoes}".strip())
        with self.server.lock:
            token = f"access-{len(self.server.requests)}-{time.time_ns()}"
            self.server.tokens.add(token)
        return {"access_token": token, "expires_in": self.server.lifetime}

    def has(self, token: str | None, code: int) -> None:
        if token not in self.server.tokens:
            raise No(code, f"invalid access_token {token}")

    def worded(self, text: str, code: int) -> str:
        if self.server.keyword not in text:
            raise No(code, "keywords not in content")
        return text

    def signed(self, expected: bytes, given: str | None, timestamp: str | None, code: int) -> None:
        fresh = (timestamp or "").isdigit() and abs(float(timestamp or 0) - time.time()) < HOUR
        if self.server.secret and not (fresh and hmac.compare_digest(expected, (given or "").encode())):
            raise No(code, "sign not match")

    def signed_by_dingtalk_robot(self) -> None:
        secret, timestamp = self.server.secret, self.query.get("timestamp", "")
        digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
        self.signed(base64.b64encode(digest), self.query.get("sign"), timestamp[:-3], 310000)

    def signed_by_feishu_robot(self) -> None:
        timestamp = self.body.get("timestamp", "")
        digest = hmac.new(f"{timestamp}\n{self.server.secret}".encode(), b"", hashlib.sha256).digest()
        self.signed(base64.b64encode(digest), self.body.get("sign"), timestamp, 19021)

    def signed_by_webhook(self) -> None:
        timestamp = self.headers["X-Readiness-Timestamp"] or ""
        digest = hmac.new(self.server.secret.encode(), timestamp.encode() + b"\n" + self.raw, hashlib.sha256)
        self.signed(digest.hexdigest().encode(), self.headers["X-Readiness-Signature"], timestamp, 401)

    # --- how they answer ---------------------------------------------------------------------------

    def reply(self, found: dict[str, Any]) -> None:
        if self.kind == "feishu":
            found = {"code": found.get("errcode", 0), "msg": found.get("errmsg", "success")} | found
        elif self.kind != "webhook":
            found = {"errcode": 0, "errmsg": "ok"} | found
        body = json.dumps(found).encode()
        match self.mood:
            case "cut":
                return
            case "hang" | "slow":
                time.sleep(float(self.detail))
                self.say(body)
            case "head":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                self.trickle(b"X-Slow: " + b"x" * 600)
            case "body":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
                self.trickle(body + b" " * 600)
            case "huge":
                self.say(b'{"errcode": 0, "code": 0, "x": "' + b"x" * 10_000_000 + b'"}')
            case "bomb":
                self.say(BOMB, encoding="gzip")
            case _:
                self.say(body)

    def trickle(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            time.sleep(1)

    def say(self, body: bytes, status: int = 200, kind: str = "application/json", **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header({"location": "Location", "encoding": "Content-Encoding"}[name], value)
        self.end_headers()
        self.wfile.write(body)


# Zeros, packed twice: 1 GB behind 1 MB, at little cost to whoever makes it.
BOMB = gzip.compress(b"\0" * 2**20, compresslevel=9) * 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mood", "--mode", action="append", default=[], help="mood, or mood@part of an address")
    parser.add_argument("--secret", default="")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--forgets", action="store_true", help="shows repeats again")
    chosen = parser.parse_args(arguments)
    platform = Platform(chosen.port, secret=chosen.secret, out=chosen.out)
    platform.forgets = chosen.forgets
    for mood in chosen.mood:
        kind, _, part = mood.partition("@")
        if part:
            platform.moods[part] = kind
        else:
            platform.mood = kind
    sys.stdout.write(f"{platform.host}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        platform.serve_forever(0.05)


if __name__ == "__main__":
    main()
