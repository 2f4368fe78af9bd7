"""The parent's side of decoding.py: every file is looked at in a process of its own, one at a time per web process.

Started by exec, never by a bare fork: the web process has threads.
"""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import PIL
from django.utils import timezone

from checklists.evidence.refusals import BUSY, WORDS, Refused

CHILD = Path(__file__).with_name("decoding.py")
SITE_PACKAGES = str(Path(PIL.__file__).parent.parent)
WAIT = 20  # seconds for the one before
LONGEST = 30  # seconds by the clock; its second of a processor may take long on a busy machine

_one_at_a_time = threading.BoundedSemaphore()


@dataclass(frozen=True)
class Looked:
    """What a file is."""

    kind: str
    taken_at: datetime | None = None
    photo: bytes = b""  # written anew; empty: the file is kept as it came
    thumbnail: bytes = b""


def looked_at(file: IO[bytes], name: str) -> Looked:
    """What the file is, and what is kept of it.

    Args:
        file: a file of the system's, not one in memory; read from its beginning.
        name: made harmless.

    Raises:
        Refused: it is nothing that is taken, or takes more than it may.
    """
    if not _one_at_a_time.acquire(timeout=WAIT):
        raise Refused(BUSY, 503)
    try:
        file.flush()
        file.seek(0)
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(CHILD), SITE_PACKAGES, name],
            stdin=file,
            capture_output=True,
            env={},
            cwd="/",
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(WORDS["heavy"]) from None
    finally:
        _one_at_a_time.release()
    line, _, rest = child.stdout.partition(b"\n")
    if child.returncode or not line:
        raise Refused(WORDS["heavy" if child.returncode < 0 else "broken"])
    said = json.loads(line)
    if word := said.get("refused"):
        raise Refused(WORDS[word])
    photo, thumbnail = (rest[: said["sizes"][0]], rest[said["sizes"][0] :]) if said["sizes"] else (b"", b"")
    return Looked(said["kind"], _moment(said.get("taken", "")), photo, thumbnail)


def _moment(taken: str) -> datetime | None:
    """`2026:11:29 10:00:00`, maybe with an offset from UTC, as cameras write it; without one, our own time."""
    for form in ("%Y:%m:%d %H:%M:%S%z", "%Y:%m:%d %H:%M:%S"):
        try:
            moment = datetime.strptime(taken, form)
        except ValueError:
            continue
        moment = moment if moment.tzinfo else timezone.make_aware(moment)
        return moment if moment.year >= 2000 else None
    return None
