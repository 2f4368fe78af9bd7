"""Every file against its row and every row against its file; files that nobody finished sending are forgotten.

Nothing that lies in the storage without a row is deleted: it is named, and a person decides. What cannot be read ends
nothing: it is named too, and the look goes on. How many of each there were is kept for the page of how the system is
doing; which ones, a log and `manage.py check_proofs` say.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from checklists.evidence import keeping
from checklists.models import Evidence, StorageLook, Upload

log = logging.getLogger(__name__)
GIVEN_UP = timedelta(days=3)  # a line that was cut does not come back after that
SETTLED = timedelta(days=1)  # younger files may be on their way into the database
BATCH = 200
AWAY = 20  # files one after the other that cannot be read: then the storage is away, and waiting for each helps nobody


@dataclass
class Report:
    """What was found."""

    looked_at: int = 0
    left: int = 0  # not looked at for want of time; the next night begins with them
    missing: list[str] = field(default_factory=list)  # rows without their file
    differs: list[str] = field(default_factory=list)  # files that are not what was kept
    orphans: list[str] = field(default_factory=list)  # files without a row
    unread: list[str] = field(default_factory=list)  # files and directories that the storage would not show
    swept: int = 0  # files on their way that were given up

    @property
    def is_well(self) -> bool:
        return not (self.missing or self.differs or self.orphans or self.unread)

    def lines(self) -> Iterator[str]:
        """For a log or a terminal."""
        yield from (f"missing: {one}" for one in self.missing)
        yield from (f"differs: {one}" for one in self.differs)
        yield from (f"without a row: {one}" for one in self.orphans)
        yield from (f"cannot be read: {one}" for one in self.unread)
        yield f"{self.looked_at} files looked at, {self.left} left for the next night, {self.swept} uploads given up"


def look_through(*, now: datetime, until: datetime | None = None, again_after: timedelta | None = None) -> Report:
    """Looks at every file, those longest not looked at first, and stops at `until` or when the storage is away.

    With `again_after`, only at what came and was last looked at longer ago; if there is nothing, at nothing else.
    """
    report = Report()
    _sweep(report, now)
    files = Evidence.objects.there().order_by(F("looked_at").asc(nulls_first=True), "id")
    files = files.exclude(looked_at__gte=now - (again_after or timedelta(0)))
    if again_after:
        files = files.filter(at__lt=now - again_after)
        if not files.exists():
            return report
    _orphans(report, now)
    in_a_row = 0
    while batch := list(files[:BATCH]):
        for one in batch:
            if in_a_row == AWAY or (until is not None and datetime.now(until.tzinfo) >= until):
                report.left = files.count()
                break
            in_a_row = 0 if _look_at(one, report, now) else in_a_row + 1
        if report.left:
            break
    counts = {"looked_at": report.looked_at, "left": report.left}
    counts |= {"orphans": len(report.orphans), "unread": len(report.unread)}
    StorageLook.objects.update_or_create(pk=1, defaults={"at": now} | counts)
    return report


def _look_at(one: Evidence, report: Report, now: datetime) -> bool:
    """Whether the storage showed it. What it did not show is looked at again the next night, after all others."""
    try:
        wrong = _wrong(one)
    except Exception as error:
        _could_not(report, f"{one.pk} {one.stored}", error)
        Evidence.objects.filter(pk=one.pk).update(looked_at=now)
        return False
    still = Evidence.objects.there().filter(pk=one.pk)
    if wrong and not still.exists():  # taken back while we looked
        wrong = ""
    if wrong:
        found = report.missing if wrong == Evidence.Wrong.MISSING else report.differs
        found.append(f"{one.pk} {one.stored} {one.name}")
    report.looked_at += 1
    Evidence.objects.filter(pk=one.pk).update(looked_at=now, found_wrong=wrong)
    return True


def _wrong(one: Evidence) -> str:
    """What is wrong with its file. Raises whatever the storage raises."""
    if not all(keeping.storage().exists(name) for name in filter(None, (one.stored, one.thumbnail))):
        return Evidence.Wrong.MISSING
    with keeping.storage().open(one.stored) as file:
        is_same = keeping.digest(iter(lambda: file.read(keeping.PIECE), b"")) == one.sha256
    return "" if is_same else Evidence.Wrong.DIFFERS


def _could_not(report: Report, what: str, error: Exception) -> None:
    log.warning("%s could not be read", what, exc_info=error)
    report.unread.append(f"{what}: {error}")


def _sweep(report: Report, now: datetime) -> None:
    """Uploads that were given up, with what they may have left in the storage."""
    for pk in list(Upload.objects.filter(at__lt=now - GIVEN_UP).values_list("pk", flat=True)):
        with transaction.atomic():
            held = Upload.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
            if held is None:
                continue
            if not Evidence.objects.filter(stored=held.stored).exists():
                keeping.forget(held.stored, keeping.thumbnail_of(held.stored))
            held.delete()
            report.swept += 1


def _orphans(report: Report, now: datetime) -> None:
    for directory, found in _directories("", report):
        names = {f"{directory}{name}" for name in found}
        known = set(Evidence.objects.filter(stored__in=names).values_list("stored", flat=True))
        known |= set(Evidence.objects.filter(thumbnail__in=names).values_list("thumbnail", flat=True))
        coming = Upload.objects.filter(stored__startswith=directory).values_list("stored", flat=True)
        known |= {name for stored in coming for name in (stored, keeping.thumbnail_of(stored))}
        for name in sorted(names - known):
            try:
                is_settled = now - keeping.storage().get_modified_time(name) > SETTLED
            except FileNotFoundError:  # taken away while we looked
                continue
            except Exception as error:
                _could_not(report, name, error)
            else:
                report.orphans += [name] if is_settled else []


def _directories(at: str, report: Report) -> Iterator[tuple[str, list[str]]]:
    """Each directory of the storage, with the files in it; a month at a time, never all names at once."""
    try:
        below, files = keeping.storage().listdir(at)
    except FileNotFoundError:  # nothing was ever kept
        return
    except Exception as error:
        return _could_not(report, at or "/", error)
    if files:
        yield at, files
    for one in below:
        yield from _directories(f"{at}{one}/", report)
