"""The phases of a campaign: added and removed, which items belong to them, and which of those are gates."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from checklists.models import Campaign, Change, Item, Phase, State, Task
from villages.models import Cadre

OPEN = {"closed_at": None, "closed_by": None, "closed_despite": "", "despite_by": None}


class CannotChange(Exception):
    """Why a phase stays as it is, in the reader's language."""


class GatesOwed(CannotChange):
    """Only a leader can have it closed nevertheless."""


@transaction.atomic
def add(campaign: Campaign, phase: Phase, *, by: Cadre) -> Phase:
    """Adds a phase that no speech names."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    own = campaign.phases.filter(key__regex=r"^own-\d{1,9}$").values_list("key", flat=True)
    phase.campaign = campaign
    phase.key = f"own-{max((int(key.removeprefix('own-')) for key in own), default=0) + 1}"
    phase.save()
    _note(campaign, by, ["", described(phase)])
    return phase


@transaction.atomic
def remove(phase: Phase, *, by: Cadre) -> None:
    """Removes a phase that no item uses, not even a struck one.

    Raises:
        CannotChange: naming the items that use it.
    """
    if not Phase.objects.select_for_update().filter(pk=phase.pk):
        return  # somebody else was faster
    items = [item.name for item in phase.items.all()]
    if items:
        raise CannotChange(
            _("Items use this phase; put them into another one first: %(items)s") % {"items": _some(items)}
        )
    _note(phase.campaign, by, [described(phase), ""])
    phase.delete()


@transaction.atomic
def choose_gates(phase: Phase, *, wanted: Iterable[int], seen: Iterable[int], by: Cadre) -> int:
    """Makes items of the phase its gates, or gates no longer; how many changed.

    What the sender saw and left as it was stays as somebody else has set it since.
    """
    gates, saw, words = set(wanted), set(seen), [str(_("no gate")), str(_("gate"))]
    changed = []
    for item in phase.items.select_for_update(no_key=True).order_by("pk"):
        is_gate = item.pk in gates
        if is_gate is not (item.pk in saw) and is_gate is not item.gate:
            item.gate = is_gate
            changed.append(item)
    Item.objects.bulk_update(changed, ["gate"])
    _note_items(changed, by, {item.pk: {"gate": words if item.gate else words[::-1]} for item in changed})
    return len(changed)


@transaction.atomic
def put_items(campaign: Campaign, items: Iterable[int], phase: Phase | None, *, by: Cadre) -> int:
    """Puts items into a phase, or into none; how many were elsewhere. A gate goes along, but needs a phase.

    Raises:
        CannotChange: a gate would be left without a phase, or somebody has just removed the phase.
    """
    if phase is not None and not Phase.objects.select_for_update(no_key=True).filter(pk=phase.pk):
        raise CannotChange(_("This phase does not exist (any more)."))
    found = campaign.items.select_for_update(no_key=True, of=("self",)).select_related("phase").order_by("pk")
    moved = [item for item in found.filter(pk__in=list(items)) if item.phase_id != (phase.pk if phase else None)]
    gates = [item.name for item in moved if item.gate]
    if phase is None and gates:
        raise CannotChange(_("A gate needs a phase; these are gates: %(items)s") % {"items": _some(gates)})
    told = {item.pk: {"phase": [str(item.phase or ""), str(phase or "")]} for item in moved}
    for item in moved:
        item.phase = phase
    Item.objects.bulk_update(moved, ["phase"])
    _note_items(moved, by, told)
    return len(moved)


@transaction.atomic
def close(phase: Phase, *, by: Cadre, despite: str = "", leader: Cadre | None = None) -> bool:
    """Closes a phase by hand; False if it is closed already.

    While gates count, only once every unit has its gate items claimed, verified or waived: a gate waits while a task
    is owed, the same count as on the board. How much of it is only claimed stands in the history. The lock lets ticks
    under way finish first, so none is undone beside it; the database refuses the same (`gates_hold`). A leader may
    decide otherwise: then the phase and the history say who, why, and which units owed what.

    Args:
        despite: the leader's reason for closing it although gate items are owed; without such items it says nothing.

    Raises:
        CannotChange: a draft.
        GatesOwed: units still owe gate items, and no leader has decided; it names them.
    """
    campaign, units = _held(phase), list[str]()
    now = Phase.objects.get(pk=phase.pk)
    if now.is_closed:
        return False
    if campaign.is_draft:
        raise CannotChange(_("A phase is closed once the campaign runs; this is a draft."))
    gates = Task.objects.asked_for().filter(item__phase=phase, item__gate=True)
    if campaign.counts("gates", timezone.localdate()):
        owed = gates.still_owed().order_by("unit").values_list("unit__name", flat=True).distinct()
        units = list(owed[:21])
        if units and not (despite and leader):
            raise GatesOwed(
                _("This phase cannot close: gate items are still owed by %(units)s.") % {"units": _some(units)}
            )
    if not units:
        despite, leader = "", None
    stood = gates.aggregate(v=Count("pk", filter=Q(state=State.VERIFIED)), d=Count("pk", filter=Q(state=State.DONE)))
    Phase.objects.filter(pk=phase.pk).update(
        closed_at=timezone.now(), closed_by=by, closed_despite=despite, despite_by=leader
    )
    said = _("Gate items: %(v)s verified, %(d)s claimed and not yet verified.") % stood
    if despite and leader:
        why = _("%(who)s decided to close it although gate items were owed by %(units)s: %(reason)s")
        said = " ".join([why % {"who": leader.name, "units": _some(units), "reason": despite}, said])
    _note_closing(now, by, [_("not closed"), _("closed")], said)
    return True


@transaction.atomic
def reopen(phase: Phase, *, by: Cadre, reason: str) -> bool:
    """Opens a closed phase again, with a reason; False if it is open already."""
    _held(phase)
    if not Phase.objects.filter(pk=phase.pk, closed_at__isnull=False).update(**OPEN):
        return False
    _note_closing(phase, by, [_("closed"), _("not closed")], reason)
    return True


def described(phase: Phase) -> str:
    """The phase in one line of the history."""
    return f"{phase.title}, {date_format(phase.starts_on)}–{date_format(phase.ends_on)}"


def _held(phase: Phase) -> Campaign:
    """The phase's campaign, locked: each tick takes its share of it, so none is under way beside."""
    return Campaign.objects.select_for_update(no_key=True).get(pk=phase.campaign_id)


def _note_closing(phase: Phase, by: Cadre, pair: list[str], said: str) -> None:
    fields = {"closing": [f"{phase.title}: {pair[0]}", pair[1]]}
    Change.objects.create(campaign_id=phase.campaign_id, by=by, what=Change.What.EDITED, fields=fields, note=said)


def _some(names: list[str]) -> str:
    return "; ".join(names[:20]) + (" …" if len(names) > 20 else "")


def _note(campaign: Campaign, by: Cadre, pair: list[str]) -> None:
    Change.objects.create(campaign=campaign, by=by, what=Change.What.EDITED, fields={"phase": pair})


def _note_items(items: list[Item], by: Cadre, fields: dict[int, dict[str, list[str]]]) -> None:
    Change.objects.bulk_create(
        [
            Change(campaign_id=item.campaign_id, by=by, what=Change.What.EDITED, item=item, fields=fields[item.pk])
            for item in items
        ]
    )
