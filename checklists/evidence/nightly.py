"""Every file against its row and every row against its file; files that nobody finished sending are forgotten.

Nothing that lies in the storage without a row is deleted: it is named, and a person decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from checklists.evidence import keeping
from checklists.models import Evidence, Upload

GIVEN_UP = timedelta(days=3)  # a line that was cut does not come back after that
SETTLED = timedelta(days=1)  # younger files may be on their way into the database
BATCH = 200


@dataclass
class Report:
    """What was found."""

    looked_at: int = 0
    left: int = 0  # not looked at for want of time; the next night begins with them
    missing: list[str] = field(default_factory=list)  # rows without their file
    differs: list[str] = field(default_factory=list)  # files that are not what was kept
    orphans: list[str] = field(default_factory=list)  # files without a row
    swept: int = 0  # files on their way that were given up

    @property
    def is_well(self) -> bool:
        return not (self.missing or self.differs or self.orphans)

    def lines(self) -> Iterator[str]:
        """For a log or a terminal."""
        yield from (f"missing: {one}" for one in self.missing)
        yield from (f"differs: {one}" for one in self.differs)
        yield from (f"without a row: {one}" for one in self.orphans)
        yield f"{self.looked_at} files looked at, {self.left} left for the next night, {self.swept} uploads given up"


def look_through(*, now: datetime, until: datetime | None = None, again_after: timedelta | None = None) -> Report:
    """Looks at every file, those longest not looked at first, and stops at `until`.

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
    while batch := list(files[:BATCH]):
        for one in batch:
            if until is not None and datetime.now(until.tzinfo) >= until:
                report.left = files.count()
                return report
            _look_at(one, report, now)
    return report


def _look_at(one: Evidence, report: Report, now: datetime) -> None:
    wrong = ""
    if not all(keeping.storage().exists(name) for name in filter(None, (one.stored, one.thumbnail))):
        wrong = Evidence.Wrong.MISSING
    else:
        with keeping.storage().open(one.stored) as file:
            if keeping.digest(iter(lambda: file.read(keeping.PIECE), b"")) != one.sha256:
                wrong = Evidence.Wrong.DIFFERS
    still = Evidence.objects.there().filter(pk=one.pk)
    if wrong and not still.exists():  # taken back while we looked
        wrong = ""
    if wrong:
        found = report.missing if wrong == Evidence.Wrong.MISSING else report.differs
        found.append(f"{one.pk} {one.stored} {one.name}")
    report.looked_at += 1
    Evidence.objects.filter(pk=one.pk).update(looked_at=now, found_wrong=wrong)


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
    for directory, found in _directories(""):
        names = {f"{directory}{name}" for name in found}
        known = set(Evidence.objects.filter(stored__in=names).values_list("stored", flat=True))
        known |= set(Evidence.objects.filter(thumbnail__in=names).values_list("thumbnail", flat=True))
        coming = Upload.objects.filter(stored__startswith=directory).values_list("stored", flat=True)
        known |= {name for stored in coming for name in (stored, keeping.thumbnail_of(stored))}
        for name in sorted(names - known):
            if now - keeping.storage().get_modified_time(name) > SETTLED:
                report.orphans.append(name)


def _directories(at: str) -> Iterator[tuple[str, list[str]]]:
    """Each directory of the storage, with the files in it; a month at a time, never all names at once."""
    try:
        below, files = keeping.storage().listdir(at)
    except FileNotFoundError:  # nothing was ever kept
        return
    if files:
        yield at, files
    for one in below:
        yield from _directories(f"{at}{one}/")
