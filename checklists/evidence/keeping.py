"""Where the bytes lie: Django's storage `proofs`, a directory or an S3-compatible store, under names of our own.

Whatever a storage throws comes out as `Refused` in words; a file half written is taken away again.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import Storage, storages

from checklists.evidence.refusals import GONE, Refused

log = logging.getLogger(__name__)
PIECE = 1 << 20  # bytes


def storage() -> Storage:
    """The one in use."""
    return storages["proofs"]


def new_name(now: datetime) -> str:
    """A name that nobody can guess, in a directory for each month."""
    return f"{now:%Y/%m}/{secrets.token_hex(16)}"


def thumbnail_of(stored: str) -> str:
    """What the thumbnail beside a file is called."""
    return f"{stored}-s"


def keep(name: str, file: IO[bytes]) -> str:
    """Writes the whole file under this very name, over what a try before may have left; its SHA-256.

    Raises:
        Refused: the storage is full or away. Nothing is left.
    """
    try:
        file.seek(0)
        took = storage().save(name, File(file, name))
        if took != name:
            raise OSError(f"the storage wrote {took} instead of {name}")
        file.seek(0)
        return digest(iter(lambda: file.read(PIECE), b""))
    except Exception as error:
        log.exception("A file could not be kept")
        forget(name)
        raise Refused(GONE, 503) from error


def open_(name: str) -> Any:
    """The file, for reading.

    Raises:
        Refused: it is not there, or the storage is away.
    """
    try:
        file = storage().open(name)
        file.size  # noqa: B018 - some storages ask only now
    except Exception as error:
        log.exception("A file could not be read")
        raise Refused(GONE, 503) from error
    return file


def forget(*names: str) -> None:
    """Takes files away. What cannot be taken away now is found by the nightly look."""
    for name in filter(None, names):
        try:
            storage().delete(name)
        except Exception:
            log.exception("A file could not be taken away")


def digest(pieces: Iterator[bytes]) -> str:
    """SHA-256, in hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
