"""All files of one unit in a campaign as one ZIP, written while it is sent: nothing lies in memory or on disk whole."""

import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from django.db.models import QuerySet
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from checklists.evidence import keeping, names
from checklists.evidence.refusals import Refused
from checklists.models import Evidence

MOST_FILES = 500
MOST_BYTES = 1 << 30


def within_bounds(files: QuerySet[Evidence]) -> list[Evidence]:
    """Oldest first.

    Raises:
        Refused: there are more than one download should hold.
    """
    found = list(files[: MOST_FILES + 1])
    if len(found) > MOST_FILES or sum(one.size for one in found) > MOST_BYTES:
        raise Refused(_("This is too much for one download. Take the files along one by one."), 413)
    return found


class _Sink:
    """What zipfile writes to; it cannot go back, so zipfile does not try."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to close."""

    def drain(self) -> Iterator[bytes]:
        yield from self.pieces
        self.pieces.clear()


def pieces(files: list[Evidence]) -> Iterator[bytes]:
    """The ZIP. A file that cannot be read is left out and named in a note at the end."""
    sink, taken, missing = _Sink(), set[str](), []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as packed:
        for one in files:
            name = _once(f"{localtime(one.at):%Y%m%d-%H%M} {names.for_download(one)}", taken)
            try:
                source = keeping.open_(one.stored)
            except Refused:
                missing.append(name)
                continue
            told = zipfile.ZipInfo(name, localtime(one.at).timetuple()[:6])
            with source, packed.open(told, "w", force_zip64=True) as entry:
                while piece := source.read(keeping.PIECE):
                    entry.write(piece)
                    yield from sink.drain()
            yield from sink.drain()
        if missing:
            packed.writestr("!.txt", _("Not in the storage:") + "\n" + "\n".join(missing))
    yield from sink.drain()


def _once(name: str, taken: set[str]) -> str:
    path, n, found = PurePosixPath(name), 2, name
    while found in taken:
        found, n = f"{path.stem} ({n}){path.suffix}", n + 1
    taken.add(found)
    return found
