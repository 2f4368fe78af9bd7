"""What a file is called: as its sender calls it, made harmless."""

import re
import unicodedata

from checklists.models import Evidence

LONGEST = 120
SUFFIXES = {"photo": ".jpg", "pdf": ".pdf", "word": ".docx", "sheet": ".xlsx", "text": ".txt"}
CONTENT_TYPES = {
    "photo": "image/jpeg",
    "pdf": "application/pdf",
    "word": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "sheet": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text": "text/plain",
}
# The same as in decoding.py; a name that bears it is as telling as the words inside.
MARK = re.compile(r"(?:绝\s*密|机\s*密|秘\s*密)\s*[★☆]")


def harmless(name: str) -> str:
    """One line of at most 120 characters, its ending kept: no path, no control characters, nothing that turns it round.

    NFC, so that a name typed on a Mac is the name typed elsewhere. Never empty.
    """
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    name = re.split(r"[/\\]", name)[-1]
    # Control, format (with all that changes the direction), private, unassigned, lone halves of a pair; line ends.
    name = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in name)
    name = re.sub(r'[<>:"|?*\s]+', " ", name).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if dot and stem and len(ending) <= 10:
        return f"{stem[: LONGEST - len(ending) - 1].rstrip()}.{ending}"
    return name[:LONGEST] or "file"


def for_download(evidence: Evidence) -> str:
    """With the ending of what it is, whatever it was called."""
    suffix = SUFFIXES[evidence.kind]
    if evidence.name.lower().endswith((suffix, ".csv") if evidence.kind == "text" else suffix):
        return evidence.name
    stem = evidence.name.rpartition(".")[0] or evidence.name
    return f"{stem}{suffix}"
