"""Units that are added by hand, on the way: a place that is inspected by itself, a department."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from villages.importing.cells import clean_name
from villages.models import Kind, Unit

# Letter and number of digits that a code gets at its end, and what such a unit can belong to.
ENDINGS = {Kind.SITE: ("S", 4), Kind.DEPARTMENT: ("D", 3)}
PARENTS = {
    Kind.SITE: (Kind.COUNTY, Kind.TOWNSHIP, Kind.VILLAGE, Kind.DEPARTMENT),
    Kind.DEPARTMENT: (Kind.COUNTRY, Kind.PROVINCE, Kind.CITY, Kind.COUNTY, Kind.TOWNSHIP),
}


class CannotAdd(Exception):
    """Why a unit is not added, in the reader's language."""


def add_site(parent: Unit, name: str) -> Unit:
    """Adds a place that is inspected by itself, with the next free code.

    Raises:
        CannotAdd: a bad name, one that is there already, a parent that has no sites, or 9999 of them.
    """
    return _add(Kind.SITE, parent, name)


def add_department(parent: Unit, name: str) -> Unit:
    """Adds a department, with the next free code.

    Raises:
        CannotAdd: a bad name, one that is there already, a parent that has no departments, or 999 of them.
    """
    return _add(Kind.DEPARTMENT, parent, name)


def may_have(parent: Unit) -> list[Kind]:
    """What can be added under a unit."""
    return [kind for kind, parents in PARENTS.items() if parent.kind in parents]


@transaction.atomic
def _add(kind: Kind, parent: Unit, name: str) -> Unit:
    if kind not in may_have(parent):
        raise CannotAdd(_("Nothing of this kind can be added under %(parent)s.") % {"parent": parent.name})
    try:
        name = clean_name(name)
    except ValueError as error:
        raise CannotAdd(str(error)) from None
    Unit.objects.select_for_update(no_key=True).get(pk=parent.pk)  # one after the other
    if Unit.objects.filter(parent=parent, name=name).exists():
        raise CannotAdd(_("%(parent)s has a unit of this name already.") % {"parent": parent.name})
    letter, digits = ENDINGS[kind]
    there = Unit.objects.filter(code__startswith=parent.pk + letter, kind=kind)
    taken = set(there.values_list("code", flat=True))
    codes = (f"{parent.pk}{letter}{number:0{digits}}" for number in range(1, 10**digits))
    code = next((code for code in codes if code not in taken), None)
    if code is None:
        raise CannotAdd(
            _("%(parent)s has %(n)d already; there is no number left.") % {"parent": parent.name, "n": len(taken)}
        )
    try:
        with transaction.atomic():
            return Unit.objects.create(code=code, name=name, parent=parent)
    except IntegrityError:  # an import, which does not wait for us
        raise CannotAdd(_("Somebody has just added units here. Please try again.")) from None
