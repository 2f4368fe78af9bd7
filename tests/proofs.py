"""Files as people send them, and as nobody should."""

import io
import uuid
import zipfile
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from checklists.models import Check, Evidence, EvidenceUse, Finding, Round, Task
from villages.models import Cadre

NOTHING = uuid.UUID("00000000-0000-4000-8000-000000000000")
EXIF_TURNED, EXIF_TAKEN, EXIF_MAKER, EXIF_PLACE = 0x0112, 0x9003, 0x010F, 0x8825


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def picture(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Left half red, right half blue, or black and white."""
    image = Image.new(mode, (width, height), "red" if mode in ("RGB", "RGBA") else 0)
    image.paste("blue" if mode in ("RGB", "RGBA") else 255, (width // 2, 0, width, height))
    return image


def photo(width: int = 64, height: int = 48, form: str = "JPEG", **options: Any) -> bytes:
    return encoded(picture(width, height), form, **options)


def photo_of_a_phone(turned: int = 6) -> bytes:
    """With position, maker, time and the way it was held."""
    exif = Image.Exif()
    exif[EXIF_TURNED], exif[EXIF_MAKER] = turned, "Telephone"
    exif.get_ifd(0x8769)[EXIF_TAKEN] = "2026:11:20 09:30:00"
    exif.get_ifd(EXIF_PLACE)[1], exif.get_ifd(EXIF_PLACE)[2] = "N", (28.0, 45.0, 12.0)
    return photo(640, 480, exif=exif)


def pdf(words: bytes = b"") -> bytes:
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n" + words + b"\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def packed(parts: dict[str, str | bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return written.getvalue()


def word(words: str = "整改报告", **parts: str | bytes) -> bytes:
    body = f"<w:document><w:p><w:t>{words}</w:t></w:p></w:document>"
    return packed({"[Content_Types].xml": "<Types/>", "word/document.xml": body} | parts)


def sheet(words: str = "台账") -> bytes:
    strings = f"<sst><si><t>{words}</t></si></sst>"
    return packed(
        {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>", "xl/sharedStrings.xml": strings}
    )


def sent(body: bytes, name: str = "1.jpg") -> SimpleUploadedFile:
    """As a browser sends it."""
    return SimpleUploadedFile(name, body)


def form(*files: SimpleUploadedFile, **fields: Any) -> dict[str, Any]:
    """The form below the proof of a thing."""
    return {"files": list(files), "whole": "1"} | fields


def kept(task: Task, by: Cadre, **fields: Any) -> Evidence:
    """A row for a file of the task; its bytes are wherever the test put them."""
    one = {"id": uuid.uuid4(), "campaign": task.campaign, "unit": task.unit, "kind": "photo", "name": "现场.jpg"}
    one |= {"stored": f"x/{uuid.uuid4()}", "size": 1, "sha256": "a" * 64, "sent_sha256": "b" * 64, "by": by}
    evidence = Evidence.objects.create(**one | fields)
    EvidenceUse.objects.create(evidence=evidence, task=task, by=by)
    evidence.refresh_from_db()
    return evidence


def seen(task: Task, by: Cadre) -> Check:
    """What an inspector saw of the task on a round."""
    visit = Round.objects.create(campaign=task.campaign, unit=task.unit, rhythm="patrol", made_by=by)
    visit.inspectors.add(by)
    return Check.objects.create(id=uuid.uuid4(), round=visit, task=task, result="holds", by=by, was=task.state)


def found(task: Task, by: Cadre, number: int = 1) -> Finding:
    """Something found wanting at the task's unit."""
    day = task.campaign.starts_on
    return Finding.objects.create(
        campaign=task.campaign, number=number, source="check", unit=task.unit, task=task, what="路灯不亮",
        found_on=day, found_by=by, due_on=day,
    )  # fmt: skip
