"""Secrets of gateways, encrypted at rest.

Fernet (AES-128-CBC and HMAC-SHA256) under a key derived from SECRET_KEY with HKDF (RFC 5869). What was sealed under a
key that has become one of SECRET_KEY_FALLBACKS still opens; whatever is sealed anew is under today's.
"""

import base64
import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


class Unreadable(Exception):
    """Sealed under a key that this server no longer has, or not by it."""


def seal(secrets: dict[str, str]) -> bytes:
    """What `Gateway.sealed` keeps."""
    return _keys().encrypt(json.dumps(secrets).encode())


def unseal(sealed: bytes | memoryview) -> dict[str, str]:
    """The secrets again.

    Raises:
        Unreadable: none of the keys opens it.
    """
    try:
        opened: dict[str, str] = json.loads(_keys().decrypt(bytes(sealed)))
    except InvalidToken:
        raise Unreadable from None
    return opened


def _keys() -> MultiFernet:
    """The first seals, all open."""
    return MultiFernet([Fernet(_derived(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _derived(key: str | bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"secrets of gateways").derive(force_bytes(key))
    return base64.urlsafe_b64encode(derived)
