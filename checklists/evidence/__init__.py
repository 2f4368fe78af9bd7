"""佐证: files that show how it is, on tasks, checks and findings. Asked for only where an item says so; nothing counts
them.

    decoding.py  the child that looks into a file        photos.py   the parent's side of it
    arriving.py  whole, or in parts over a poor line     keeping.py  where the bytes lie
    things.py    what a file is proof of                 shown.py    what a page shows of it
    nightly.py   every file against its row              views.py    the addresses
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from checklists.evidence import keeping
from checklists.evidence.refusals import Refused
from checklists.evidence.things import Thing, verified
from checklists.models import Evidence, EvidenceUse, Finding, Task
from villages import access
from villages.models import Cadre

MAY_BE_TAKEN_BACK = timedelta(hours=24)


def attach(thing: Thing, ids: Iterable[uuid.UUID], *, by: Cadre) -> int:
    """Files that are already there serve this, too; how many there were. Twice is once.

    Raises:
        Refused: the thing takes nothing now.
        PermissionDenied: the user may not add to it.
    """
    access.require(thing.may(by))
    here = Evidence.objects.visible_to(by).there().filter(unit=thing.unit_id, campaign=thing.campaign)
    found = here.filter(pk__in=list(ids))
    with transaction.atomic():
        uses = [EvidenceUse(evidence=one, by=by, **thing.named) for one in found.select_for_update(of=("self",))]
        if closed := thing.held().closed:
            raise Refused(closed, 409)
        EvidenceUse.objects.bulk_create(uses, ignore_conflicts=True)
    return len(uses)


def take_back(evidence: Evidence, *, by: Cadre, now: datetime) -> None:
    """The bytes go, the row stays with its hash. Twice is once.

    Raises:
        Refused: a day has passed, or somebody has verified with it before them.
        PermissionDenied: by somebody else than who sent it.
    """
    access.require(access.may_take_back(by, evidence))
    with transaction.atomic():
        # Now it is attached to nothing more, and nobody verifies what it serves: whoever does holds the task and then
        # looks whether there still is a file.
        held = Evidence.objects.select_for_update(of=("self",)).get(pk=evidence.pk)
        # Findings before tasks: whoever answers one that came from a call for help holds it and then the task.
        known = Finding.objects.filter(proofs__evidence=held)
        list(Finding.objects.filter(pk__in=known.values("pk")).order_by("pk").select_for_update(no_key=True))
        served = Task.objects.filter(proofs__evidence=held)
        list(Task.objects.filter(pk__in=served.values("pk")).order_by("pk").select_for_update(no_key=True))
        if held.removed_at is not None:
            return
        if now - held.at > MAY_BE_TAKEN_BACK:
            raise Refused(_("A file is taken back within 24 hours; this one stays."), 409)
        if Task.objects.filter(verified(held)).exists():
            raise Refused(_("A task was verified with this file; it stays."), 409)
        if Finding.objects.filter(proofs__evidence=held, state=Finding.State.CLOSED).exists():
            raise Refused(_("A problem was closed with this file; it stays."), 409)
        Evidence.objects.filter(pk=held.pk).update(removed_by=by, removed_at=now, stored="", thumbnail="")
        transaction.on_commit(lambda: keeping.forget(held.stored, held.thumbnail))
