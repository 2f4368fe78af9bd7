"""Asks an address outside: only one that the operator listed, all of it within five seconds, and believes little.

No redirects, no second try, no proxy from the environment. The name is looked up once and the connection goes to the
very address that was checked, so that a name that changes its mind in between changes nothing.
"""

import functools
import ipaddress
import logging
import queue
import re
import socket
import ssl
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from readiness.reminders.channels.answers import Later, Refused, Unclear

# It writes whole addresses, tokens and all, into the log when an answer is broken; we tell of that ourselves.
logging.getLogger("urllib3.connection").setLevel(logging.CRITICAL)

SECONDS = 5.0  # for everything: name, connection, question and answer
MOST = 64 * 1024  # bytes of an answer that are read
LONGEST_WAIT = 3600.0  # seconds that a platform may ask us to wait
PORTS = {"https": 443, "http": 80}
# Where clouds tell a machine its own secrets; besides the link-local one, which is refused as such.
METADATA = ipaddress.ip_address("100.100.100.200")


@dataclass(frozen=True)
class Address:
    """An address on the operator's list, in its parts."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)  # with what follows it; may hold secrets
    query: dict[str, str] = field(repr=False)

    @property
    def base(self) -> str:
        """As in Gateway.host: https://host, with the port unless it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")

    @property
    def route(self) -> str:
        """The path without the question mark and what follows."""
        return self.path.partition("?")[0]


@dataclass(frozen=True)
class Reply:
    """What came back: a status of 200 to 299 or 400 to 499, and no page for people."""

    status: int
    body: bytes  # at most MOST, as sent: nothing is unpacked


def cleaned(url: str) -> Address:
    """An address as people paste it, checked against OUTGOING_HOSTS. Looks up no name.

    Raises:
        ValueError: with words for people, which hold nothing of the secret part.
    """
    url = url.strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url):
        raise ValueError(_("This is not a whole address: paste all of it, from https:// on."))
    if not re.match(r"https?:", url, re.IGNORECASE):
        raise ValueError(_("Only addresses that begin with https:// can be used."))
    address = None if re.search(r"[\s\x00-\x1f\x7f\\]", url) else _split(url)
    if address is None:
        raise ValueError(_("The address is broken by blanks, lines or other signs: paste it again in one piece."))
    if address.base not in _listed():
        raise ValueError(
            _("Nothing may be sent to %(address)s: it is not on the operator's list (OUTGOING_HOSTS).")
            % {"address": address.base}
        )
    if not url.isascii():
        raise ValueError(_("The address is broken by blanks, lines or other signs: paste it again in one piece."))
    return address


def ask(method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
    """Asks once.

    Raises:
        Refused: the address may not be used, or answers with a redirect.
        Later: the question certainly was not taken: no connection, 5xx, a page for people, too fast.
        Unclear: the question was handed over and no whole answer came.
    """
    try:
        address = cleaned(url)
    except ValueError as error:
        raise Refused(str(error)) from None
    until = time.monotonic() + SECONDS
    try:
        line = socket.create_connection((str(_looked_up(address, until)), address.port), timeout=_left(until))
    except OSError as error:
        raise Later(_("%(address)s cannot be reached: %(why)s") % _why(address, error)) from None
    with _Watch(line, until) as watch:
        connection = _connection(address, line)
        try:
            try:
                connection.connect()
                told = {"User-Agent": "Readiness", "Accept-Encoding": "identity", "Connection": "close"}
                connection.request(
                    method, address.path, body or None, told | (headers or {}), preload_content=False,
                    decode_content=False,
                )  # fmt: skip
            # Not handed over to the last byte, so that nobody can have acted on it. ValueError: no header can hold it.
            except (OSError, HTTPException, HTTPError, ValueError) as error:
                why = _why(address, TimeoutError() if watch.over else error)
                raise Later(_("%(address)s cannot be reached: %(why)s") % why) from None
            return _reply(address, connection, watch)
        finally:
            connection.close()


def _reply(address: Address, connection: HTTPConnection, watch: "_Watch") -> Reply:
    here = {"address": address.base}
    try:
        response = connection.getresponse()
    except (OSError, HTTPException, HTTPError, ValueError):
        raise Unclear(_("%(address)s took the message and gave no answer.") % here) from None
    with closing(response):
        return _read(response, watch, here)


def _read(response: HTTPResponse, watch: "_Watch", here: dict[str, str]) -> Reply:
    status = response.status
    here["status"] = str(status)
    if status == 429:
        raise Later(_("%(address)s says: too many messages in a short time.") % here, _wait(response), limited=True)
    if status >= 500:
        raise Later(_("%(address)s is out of order (HTTP %(status)s).") % here, _wait(response))
    if not 200 <= status < 300 and status < 400:
        raise Refused(
            _("%(address)s sends us elsewhere (HTTP %(status)s), which is not followed: correct the address.") % here
        )
    content = b""
    try:
        # Until nothing comes: only then does urllib3 tell that there is less than was announced.
        while len(content) < MOST and (piece := response.read(MOST - len(content), decode_content=False)):
            content += piece
        whole = not watch.over
    except (OSError, HTTPException, HTTPError, ValueError):
        whole = False
    if not whole and status < 400:
        raise Unclear(_("%(address)s took the message and broke off in the middle of its answer.") % here)
    if content.lstrip()[:1] == b"<" or "html" in response.headers.get("Content-Type", ""):
        raise Later(_("%(address)s answers with a web page: another server stands in between.") % here)
    return Reply(status, content)


def _wait(response: HTTPResponse) -> float | None:
    """Seconds that the platform asks for; the form with a date is left alone."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT) if asked.isascii() and asked.isdigit() else None


# --- to whom ---------------------------------------------------------------------------------------


def _split(url: str) -> Address | None:
    """The parts of an address; None if it is none, or names a person before an @."""
    try:
        parts: SplitResult = urlsplit(url)
        port = PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None
    if not parts.hostname or "@" in parts.netloc:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, parts.hostname, port, path, dict(parse_qsl(parts.query)))


def _listed() -> set[str]:
    """Bases that messages may go to. An entry is host, host:port, or with http:// before it for a plain one."""
    entries = [entry if "://" in entry else f"https://{entry}" for entry in settings.OUTGOING_HOSTS]
    return {address.base for entry in entries if (address := _split(entry))}


IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def _looked_up(address: Address, until: float) -> IP:
    """The one address behind the name that will be used.

    Raises:
        Later: the name is not known or nobody answers in time.
        Refused: it lies where no platform can be.
    """
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look() -> None:
        try:
            answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            found.put([str(answer[4][0]) for answer in answers])
        except (OSError, UnicodeError) as error:  # UnicodeError: a label too long
            found.put(OSError(str(error)))

    # Looking up a name knows no time limit of its own.
    threading.Thread(target=look, daemon=True).start()
    try:
        answer = found.get(timeout=_left(until))
    except queue.Empty:
        answer = OSError()
    if isinstance(answer, OSError) or not answer:
        raise Later(_("The name %(host)s is not known here: is there a way out to it?") % {"host": address.host})
    ip = ipaddress.ip_address(answer[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if not _acceptable(ip, address.host):
        raise Refused(
            _("%(host)s leads to %(ip)s, where no platform can be: nothing was sent.")
            % {"host": address.host, "ip": ip}
        )
    return ip


def _acceptable(ip: IP, host: str) -> bool:
    """Private addresses are fine, in a government's network all are; this very machine only if listed as such."""
    if ip.is_loopback:
        return str(ip) == host
    nowhere = ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved or ip == METADATA
    return not nowhere and not (ip.version == 4 and int(ip) < 2**24)  # 0.0.0.0/8: this network


# --- the line --------------------------------------------------------------------------------------


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.001)


class _Plain(HTTPConnection):
    """Over a line that is there already."""

    line: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.line


class _Safe(HTTPSConnection):
    """The same with TLS; host name and certificate are checked as ever."""

    line: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.line


def _connection(address: Address, line: socket.socket) -> HTTPConnection:
    connection: _Plain | _Safe
    if address.scheme == "http":
        connection = _Plain(address.host, address.port, timeout=SECONDS)
    else:
        connection = _Safe(address.host, address.port, timeout=SECONDS, ssl_context=_trust())
    connection.line = line
    return connection


@functools.cache
def _trust() -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE: an office's network may have its own."""
    return ssl.create_default_context()


class _Watch:
    """Cuts a line when its time is up: a byte a second never is a time-out to a socket."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self.over = False
        self._line = line.dup()  # TLS takes the first one over
        self._timer = threading.Timer(_left(until), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._line.close()

    def _cut(self) -> None:
        self.over = True
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)


# OpenSSL's numbers (X509_V_ERR_…) for what people can do something about.
NOT_YET, EXPIRED, OTHER_NAME = 9, 10, 62


def _why(address: Address, error: Exception) -> dict[str, str]:
    """In plain words why there is no connection; the error's own never get out, they could hold the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = {
            NOT_YET: _("its certificate is not valid yet"),
            EXPIRED: _("its certificate has expired"),
            OTHER_NAME: _("its certificate is for another name"),
        }.get(error.verify_code, _("its certificate comes from an authority unknown here"))
    elif isinstance(error, ssl.SSLError):
        why = _("it does not speak TLS as it should")
    elif isinstance(error, TimeoutError):
        why = _("no answer within %(n)d seconds") % {"n": SECONDS}
    elif isinstance(error, ConnectionRefusedError):
        why = _("nobody listens there")
    else:
        why = _("the connection breaks off")
    return {"address": address.base, "why": why}
