"""A total, split to the units that owe it: level by level, exact to the last place.

Whoever splits says who owes which part; a task is then held to its unit's part. A part stands for its unit with
everything below it, so the parts of one level add up to the part above them. Where they do not, that is shown and
nothing is stopped: a split is often made in several sittings.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from checklists import scope
from checklists.forms import plain_number
from checklists.models import Campaign, Change, Item, Share
from villages.models import Cadre, Unit

THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
EDGES = ' "\u3000\u00a0'  # what clings to a cell
NAMED = 20  # rows of a paste whose mistakes are named; the others are counted


@dataclass(frozen=True)
class Part:
    """What one unit of a level has got."""

    unit: Unit
    value: Decimal | None
    below: Decimal | None  # what its own parts add up to, if it has given any on
    opens: bool  # whether units below it owe the item, too

    @property
    def difference(self) -> Decimal:
        """What its own parts lack; below 0 what they have too much."""
        return (self.value or Decimal(0)) - (self.below or Decimal(0))


@dataclass(frozen=True)
class Level:
    """A unit's part of the total, and how it is split among the units right below it."""

    unit: Unit
    whole: Decimal | None
    parts: list[Part]

    @property
    def given(self) -> Decimal:
        """What the parts add up to."""
        return sum((part.value for part in self.parts if part.value is not None), Decimal(0))

    @property
    def difference(self) -> Decimal:
        """What the parts lack; below 0 what they have too much."""
        return (self.whole or Decimal(0)) - self.given

    @property
    def is_begun(self) -> bool:
        """Whether any part has been given."""
        return any(part.value is not None for part in self.parts)


def level(campaign: Campaign, item: Item, unit: Unit) -> Level:
    """The parts right below a unit, among those that owe the item now. Three queries, however many units."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT u.code {scope.OWES} AND i.id = %(item)s AND u.code LIKE %(unit)s || '%%'",
            scope.params(campaign) | {"item": item.pk, "unit": unit.code},
        )
        owing = {code for (code,) in cursor.fetchall()}
    taking_part = owing | {code[:digits] for code in owing for digits in (4, 6, 9, 12)}
    taking_part |= {code.split("S")[0] for code in owing}
    above = {code[:digits] for code in owing for digits in (4, 6, 9, 12) if digits < len(code)}
    above |= {code.split("S")[0] for code in owing if "S" in code}
    values: dict[str, Decimal] = {}
    below: dict[str, Decimal] = {}
    rows = Share.objects.filter(item=item, unit__code__startswith=unit.code)
    for code, parent, value in rows.values_list("unit_id", "unit__parent_id", "value"):
        if code in taking_part:
            values[code] = value
            below[parent or ""] = below.get(parent or "", Decimal(0)) + value
    return Level(
        unit,
        item.total if unit.code == campaign.host_id else values.get(unit.code),
        [
            Part(one, values.get(one.code), below.get(one.code), one.code in above)
            for one in Unit.objects.filter(parent=unit).order_by("code")
            if one.code in taking_part
        ],
    )


def split(whole: Decimal, weights: list[Decimal]) -> list[Decimal]:
    """The whole in proportion to the weights, in steps of its own last place; the sum is exact.

    What rounding down leaves over goes to the largest remainders, of equal ones to the first.

    Raises:
        ValueError: the weights add up to nothing.
    """
    if not sum(weights):
        raise ValueError
    places = max(0, -int(whole.normalize().as_tuple().exponent))
    step = Decimal(1).scaleb(-places)
    exact = [Fraction(whole / step) * Fraction(weight) / Fraction(sum(weights)) for weight in weights]
    steps = [int(one) for one in exact]
    first = sorted(range(len(exact)), key=lambda n: (steps[n] - exact[n], n))
    for n in first[: int(whole / step) - sum(steps)]:
        steps[n] += 1
    return [step * n for n in steps]


def give(campaign: Campaign, item: Item, found: Level, amounts: dict[str, Decimal | None], *, by: Cadre) -> bool:
    """Gives units of a level their parts, or takes them back; False if nothing changes. The item is locked."""
    parts = {part.unit.code: part for part in found.parts}
    fresh = {code: value for code, value in amounts.items() if value != parts[code].value}
    if not fresh:
        return False
    Share.objects.filter(item=item, unit__in=[code for code, value in fresh.items() if value is None]).delete()
    Share.objects.bulk_create(
        [Share(item=item, unit_id=code, value=value) for code, value in fresh.items() if value is not None],
        update_conflicts=True,
        unique_fields=["item", "unit"],
        update_fields=["value"],
    )
    before = [(parts[code].unit, parts[code].value) for code in fresh]
    after = [(parts[code].unit, value) for code, value in fresh.items()]
    Change.objects.create(
        campaign=campaign,
        by=by,
        what=Change.What.EDITED,
        item=item,
        unit=found.unit,
        fields={"shares": [_listed(before), _listed(after)]},
    )
    return True


def _listed(amounts: Iterable[tuple[Unit, Decimal | None]]) -> str:
    return "、".join(f"{unit.short_name} {said(value)}" for unit, value in amounts if value is not None)


def said(value: Decimal | None) -> str:
    """A number as people write it: 1,000 or 12.5."""
    return "" if value is None else f"{value.normalize():,f}"


def amount(raw: str) -> Decimal | None:
    """A plain number, also as Excel shows it: 1,000.

    Raises:
        ValidationError: saying what is wrong with it.
    """
    plain = unicodedata.normalize("NFKC", raw).strip()
    return plain_number(plain.replace(",", "") if THOUSANDS.fullmatch(plain) else plain)


def read(text: str, units: Iterable[Unit]) -> dict[str, Decimal]:
    """Rows as they come from Excel: name or code, tab, number. By code of the unit.

    Raises:
        ValidationError: with a line for each row that is wrong.
    """
    names: dict[str, set[str]] = {}
    for unit in units:
        for name in {unit.code, unit.name, unit.short_name}:
            names.setdefault(name, set()).add(unit.code)
    amounts: dict[str, Decimal] = {}
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        raw = line.split("\t") if "\t" in line else line.split()
        cells = [cell for cell in (cell.strip(EDGES) for cell in raw) if cell]
        if not cells:
            continue
        try:
            code, value = _row(cells, names, amounts)
        except ValidationError as error:
            # A header names no unit and holds no number.
            if number > 1 or cells[0] in names or any(re.search(r"\d", cell) for cell in cells):
                wrong.append(_("Row %(n)d: %(wrong)s") % {"n": number, "wrong": error.messages[0]})
        else:
            amounts[code] = value
    if not amounts and not wrong:
        wrong = [_("Paste rows of two columns: a name or code, and a number.")]
    if len(wrong) > NAMED:
        wrong = [*wrong[:NAMED], _("… and %(n)d more rows") % {"n": len(wrong) - NAMED}]
    if wrong:
        raise ValidationError(wrong)
    return amounts


def _row(cells: list[str], names: dict[str, set[str]], seen: dict[str, Decimal]) -> tuple[str, Decimal]:
    """Code and number of one row."""
    name = cells[0][:60]
    if len(cells) != 2:
        raise ValidationError(_("“%(name)s”: two columns are expected, a name or code and a number.") % {"name": name})
    codes = names.get(cells[0], set())
    if not codes:
        raise ValidationError(_("“%(name)s” is not among the units here.") % {"name": name})
    if len(codes) > 1:
        raise ValidationError(_("“%(name)s” is the name of several units; write its code.") % {"name": name})
    (code,) = codes
    if code in seen:
        raise ValidationError(_("“%(name)s” stands here twice.") % {"name": name})
    value = amount(cells[1])
    if value is None:
        raise ValidationError(_("“%(name)s” has no number.") % {"name": name})
    return code, value
