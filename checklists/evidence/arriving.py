"""Files that arrive: whole, or in parts over a poor line.

The sender makes the number (UUID). Announcing it twice, sending a part twice, asking again after the last: each is
answered as the first time, and one file comes of it. Until the last part the parts lie in the database, where nobody
sees them; with it they become one file, in one transaction. Where its bytes will lie is decided when it is announced
and written down, so that a process that dies between writing them and committing leaves nothing unknown: the sender's
repeat writes the same place, or the nightly sweep empties it (checklists/evidence/nightly.py).
"""

import hashlib
import io
import tempfile
import uuid
from dataclasses import dataclass
from datetime import datetime, time
from typing import IO

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from checklists.evidence import keeping
from checklists.evidence.names import MARK, harmless
from checklists.evidence.photos import looked_at
from checklists.evidence.refusals import DAMAGED, GONE, WORDS, Refused
from checklists.evidence.things import Thing
from checklists.models import Evidence, EvidenceUse, Upload, UploadPart
from villages import access
from villages.models import Cadre
from villages.residents import names_a_resident

USED_BEFORE = _("This file's number was used before for something else. Open the page again.")
GONE_BY = _("This file is not on its way any more. Send it again.")
LONGEST_PART = 1 << 20  # bytes


@dataclass(frozen=True)
class Announced:
    """What a sender says of a file before sending it."""

    id: uuid.UUID
    name: str
    size: int  # bytes
    sha256: str = ""  # of its bytes; empty where the sender's browser works out none
    from_camera: bool | None = None


def announce(thing: Thing, file: Announced, *, by: Cadre, now: datetime) -> Upload | Evidence:
    """The file on its way, from the beginning or as far as it has come; the file itself if it has arrived.

    Raises:
        Refused: it is too large or empty, enough came today, its name says that it is secret, the thing takes
            nothing now, or its number was used for something else.
    """
    name = harmless(file.name)
    if (arrived := _arrived(thing, file, by=by)) is not None:
        return arrived
    found = Upload.objects.filter(pk=file.id).first()
    if found is None:
        if thing.closed:
            raise Refused(thing.closed, 409)
        _fits(file, name)
        if _so_many_today(by, now) >= settings.PROOFS_A_DAY:
            raise Refused(
                _("You have sent %(n)d files today; that is all for one day.") % {"n": settings.PROOFS_A_DAY}, 429
            )
        new = Upload(
            id=file.id,
            by=by,
            name=name,
            size=file.size,
            sha256=file.sha256,
            from_camera=file.from_camera,
            stored=keeping.new_name(now),
            **thing.named,
        )
        Upload.objects.bulk_create([new], ignore_conflicts=True)  # or the same was announced at this very moment
        found = Upload.objects.filter(pk=file.id).first()
        # Announced a second time while the first was sent and done with: what was just written is of no use.
        if (arrived := _arrived(thing, file, by=by)) is not None:
            Upload.objects.filter(pk=file.id).delete()
            return arrived
        if found is None:
            raise Refused(GONE_BY, 410)
    same = {"by_id": by.pk, "name": name, "size": file.size, "sha256": file.sha256}
    if any(getattr(found, what) != value for what, value in same.items()) or Thing.of(found) != thing:
        raise Refused(USED_BEFORE, 409)
    return found


def add(upload: Upload, *, by: Cadre, start: int, body: bytes, now: datetime) -> Upload | Evidence:
    """One part at its place; with the last one, the file.

    Args:
        upload: one of the sender's own.
        start: bytes before this part.
        body: as many bytes as were announced for this request, never fewer.

    Raises:
        Refused: another part was sent for this place, one before it is missing, or what came of it is not taken.
            Only in that last case the upload is over.
        PermissionDenied: between the announcement and the last part the right went away.
    """
    try:
        with transaction.atomic():
            held = Upload.objects.select_for_update(of=("self",)).filter(pk=upload.pk).first()
            if held is None:  # a repeat of the last part, which came with the first one's success
                return Evidence.objects.get(pk=upload.pk)
            if start < held.come:
                _repeats(held, start, body)
            elif start > held.come:
                raise Refused(_("A part before this one is still missing."), 409)
            elif not body or start + len(body) > held.size:
                raise Refused(_("This part does not fit into the file as it was announced."), 409)
            else:
                UploadPart(upload=held, start=start, body=body).save(force_insert=True)
                held.come += len(body)
                Upload.objects.filter(pk=held.pk).update(come=held.come)
            if held.come < held.size:
                return held
            with tempfile.TemporaryFile() as file:
                for part in held.parts.iterator(chunk_size=8):
                    file.write(part.body)
                return _finish(held, file, by=by, now=now)
    except Evidence.DoesNotExist:
        raise Refused(GONE_BY, 410) from None
    except _Unfit as unfit:
        drop(upload)
        raise Refused(unfit.message, unfit.status) from None
    except OSError as error:  # no room even to put the parts together
        raise Refused(GONE, 503) from error


def take_whole(thing: Thing, file: IO[bytes], announced: Announced, *, by: Cadre, now: datetime) -> Evidence:
    """A file that came in one piece.

    Raises:
        Refused: as `announce` and `add`.
    """
    upload = announce(thing, announced, by=by, now=now)
    if isinstance(upload, Evidence):
        return upload
    try:
        with transaction.atomic():
            held = Upload.objects.select_for_update(of=("self",)).get(pk=upload.pk)
            return _finish(held, file, by=by, now=now)
    except Refused:
        drop(upload)
        raise


def drop(upload: Upload) -> None:
    """Forgets a file on its way, with its parts."""
    Upload.objects.filter(pk=upload.pk).delete()


class _Unfit(Refused):
    """What came is not taken, however often it is sent."""


def _fits(file: Announced, name: str) -> None:
    most = settings.PROOF_MEGABYTES
    if file.size < 1:
        raise Refused(WORDS["empty"])
    if file.size > most << 20:
        raise Refused(_("A file has at most %(n)d MB. Make it smaller, or send it in parts.") % {"n": most}, 413)
    if names_a_resident(name):
        raise Refused(WORDS["resident"])
    if MARK.search(name):
        raise Refused(WORDS["secret"])


def _so_many_today(by: Cadre, now: datetime) -> int:
    since = timezone.make_aware(datetime.combine(timezone.localdate(now), time.min))
    on_their_way = Upload.objects.filter(by=by, at__gte=since).count()
    return Evidence.objects.filter(by=by, at__gte=since).count() + on_their_way


def _arrived(thing: Thing, file: Announced, *, by: Cadre) -> Evidence | None:
    """The file with this number, if it is the one announced."""
    found = Evidence.objects.filter(pk=file.id).first()
    if found is None:
        return None
    there = EvidenceUse.objects.filter(evidence=found, **thing.named).exists()
    if found.by_id != by.pk or not there or file.sha256 not in ("", found.sent_sha256):
        raise Refused(USED_BEFORE, 409)
    return found


def _repeats(upload: Upload, start: int, body: bytes) -> None:
    part = upload.parts.filter(start=start).first()
    if part is None or bytes(part.body) != body:
        raise Refused(_("Something else was sent for this place before. Send the file again."), 409)


def _finish(upload: Upload, file: IO[bytes], *, by: Cadre, now: datetime) -> Evidence:
    """Bytes first, then the rows; the caller's transaction holds the upload."""
    thing = Thing.of(upload)
    access.require(thing.may(by))
    if thing.closed:
        raise _Unfit(thing.closed, 409)
    file.seek(0)
    sent = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if upload.sha256 not in ("", sent):
        raise _Unfit(DAMAGED)
    try:
        looked = looked_at(file, upload.name)
    except Refused as refused:
        raise (_Unfit(refused.message) if refused.status == 422 else refused) from None
    thumbnail = keeping.thumbnail_of(upload.stored) if looked.thumbnail else ""
    try:
        kept = keeping.keep(upload.stored, io.BytesIO(looked.photo) if looked.photo else file)
        if thumbnail:
            keeping.keep(thumbnail, io.BytesIO(looked.thumbnail))
        if closed := thing.held().closed:  # meanwhile
            raise _Unfit(closed, 409)
        evidence = Evidence(
            id=upload.pk,
            campaign=thing.campaign,
            unit_id=thing.unit_id,
            kind=looked.kind,
            name=upload.name,
            stored=upload.stored,
            thumbnail=thumbnail,
            size=len(looked.photo) or upload.size,
            sha256=kept,
            sent_sha256=sent,
            taken_at=looked.taken_at,
            from_camera=upload.from_camera if looked.kind == Evidence.Kind.PHOTO else None,
            by=by,
            at=now,
        )
        evidence.save(force_insert=True)
        EvidenceUse.objects.create(evidence=evidence, by=by, at=now, **thing.named)
        upload.delete()
    except (Refused, IntegrityError):
        keeping.forget(upload.stored, thumbnail)
        raise
    return evidence
