"""随机抽取: a frozen list, and what follows from it with a secret and two numbers. Pure: no database, no clock.

The list is text: a line for each fact, its parts between tabs, UTF-8, LF at the end of each line, units in the order
of their codes. Whoever has it, the secret and the numbers gets the same result, here or with `sha256sum` (shell.py).

How a unit's chance follows from its lots. The key of a lot is SHA-256 of "<secret> <one> <two> <code> <lot>". As long
as nobody knows all of these beforehand, keys are independent and uniform, so lots in the order of their keys are balls
taken blindly from an urn, one by one. A unit's place is that of its first ball, the smallest of its keys. Given the
units that have come so far, each ball of the others is equally likely to be the next of theirs, so unit i is next with
chance lots_i / (lots of all units that have not come). That is successive sampling with chances in proportion to size,
without replacement: Rosén, Asymptotic Theory for Successive Sampling with Varying Probabilities Without Replacement,
Annals of Mathematical Statistics 43 (1972); the same by keys: Efraimidis and Spirakis, Weighted Random Sampling with a
Reservoir, Information Processing Letters 97 (2006). With one lot each it is a plain random sample. Within a group the
order is that of such a sample too, since the urn without the other groups' balls is again an urn.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

SPACE = re.compile(r"\s+")
NONE = "-"  # where a part is empty: a shell takes two tabs for one
MOST_UNITS = MOST_INSPECTORS = 5000
LONGEST_NUMBER = 40
DIGITS = re.compile(r"[0-9]+")
ALL = "all"  # the group of every unit, where there are no groups


class Unit(NamedTuple):
    """One that can be drawn."""

    code: str
    group: str
    lots: int
    risks: tuple[str, ...]  # what it has more than one lot for
    name: str


class Item(NamedTuple):
    """One that can be looked at."""

    id: int
    number: str
    title: str


class Inspector(NamedTuple):
    """One who can be sent, but to no unit whose code begins with one that is barred."""

    id: int
    barred: tuple[str, ...]
    name: str

    def may_go_to(self, code: str) -> bool:
        """Whether nothing ties them to the unit with this code."""
        return not any(code.startswith(prefix) for prefix in self.barred)


@dataclass(frozen=True)
class FrozenList:
    """All that a draw is drawn from."""

    of: str  # campaign/number: no two draws have the same list
    take: int  # units in all
    least: int  # of them from each group
    take_items: int  # 0: all
    seats: int  # inspectors for each unit
    groups: dict[str, str] = field(default_factory=dict)  # their names
    units: tuple[Unit, ...] = ()
    items: tuple[Item, ...] = ()
    inspectors: tuple[Inspector, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()  # code and name of units that were drawn before

    def write(self) -> str:
        """The text that is hashed and offered."""
        lines: list[Iterable[object]] = [
            ("draw", self.of),
            ("take", self.take),
            ("least", self.least),
            ("items", self.take_items),
            ("seats", self.seats),
            *(("group", key, name) for key, name in self.groups.items()),
            *(("unit", one.code, one.group, one.lots, "+".join(one.risks), one.name) for one in self.units),
            *(("item", one.id, one.number, one.title) for one in self.items),
            *(("inspector", one.id, ",".join(one.barred), one.name) for one in self.inspectors),
            *(("without", code, name) for code, name in self.left_out),
        ]
        return "".join("\t".join(_part(part) for part in line) + "\n" for line in lines)

    @property
    def sizes(self) -> Counter[str]:
        """How many units each group has."""
        return Counter(unit.group for unit in self.units)


@dataclass(frozen=True)
class Drawn:
    """What was drawn: units in the order of their keys, items likewise, who goes where."""

    units: tuple[Unit, ...]
    items: tuple[Item, ...]
    sent: dict[str, tuple[Inspector, ...]]  # by code


class Unfit(Exception):
    """A list that nothing can be drawn from as it is wanted.

    `what` is none, many, crowd, take, least, parts, items or seats; `numbers` go into the words, `names` say where.
    """

    def __init__(self, what: str, *, names: Iterable[str] = (), **numbers: int) -> None:
        super().__init__(what)
        self.what, self.names, self.numbers = what, list(names), numbers


def read(text: str) -> FrozenList:
    """The list that was written so.

    Raises:
        ValueError: it was not.
    """
    found: dict[str, list[list[str]]] = {}
    for line in text.split("\n"):
        what, *parts = line.split("\t")
        found.setdefault(what, []).append(parts)
    try:
        frozen = FrozenList(
            of=found["draw"][0][0],
            take=int(found["take"][0][0]),
            least=int(found["least"][0][0]),
            take_items=int(found["items"][0][0]),
            seats=int(found["seats"][0][0]),
            groups={parts[0]: parts[1] for parts in found.get("group", [])},
            units=tuple(
                Unit(code, group, int(lots), _several(risks, "+"), name)
                for code, group, lots, risks, name in found.get("unit", [])
            ),
            items=tuple(Item(int(pk), number, title) for pk, number, title in found.get("item", [])),
            inspectors=tuple(
                Inspector(int(pk), _several(barred, ","), name) for pk, barred, name in found.get("inspector", [])
            ),
            left_out=tuple((code, name) for code, name in found.get("without", [])),
        )
    except (KeyError, IndexError) as error:
        raise ValueError("This is no list of a draw") from error
    if frozen.write() != text:
        raise ValueError("This list was written otherwise")
    return frozen


def check(frozen: FrozenList) -> None:
    """Whether it can be drawn from; all of it is known before anybody gives a number.

    Raises:
        Unfit: and why not.
    """
    sizes = frozen.sizes
    if not frozen.units:
        raise Unfit("none", left=len(frozen.left_out))
    if len(frozen.units) > MOST_UNITS:
        raise Unfit("many", there=len(frozen.units), most=MOST_UNITS)
    if len(frozen.inspectors) > MOST_INSPECTORS:
        raise Unfit("crowd", most=MOST_INSPECTORS)
    if small := [group for group in frozen.groups if sizes[group] < frozen.least]:
        raise Unfit("least", names=[frozen.groups[group] for group in small], asked=frozen.least)
    if not 1 <= frozen.take <= len(frozen.units):
        raise Unfit("take", asked=frozen.take, there=len(frozen.units))
    if frozen.least * len(sizes) > frozen.take:
        raise Unfit("parts", asked=frozen.take, needed=frozen.least * len(sizes), groups=len(sizes))
    if frozen.take_items > len(frozen.items):
        raise Unfit("items", asked=frozen.take_items, there=len(frozen.items))
    if alone := unattended(frozen):
        raise Unfit("seats", names=[unit.name for unit in alone], asked=frozen.seats, units=len(alone))


def unattended(frozen: FrozenList) -> list[Unit]:
    """Units that fewer inspectors may go to than are wanted."""
    return [
        unit
        for unit in frozen.units
        if sum(inspector.may_go_to(unit.code) for inspector in frozen.inspectors) < frozen.seats
    ]


def hashed(text: str) -> str:
    """SHA-256 in hexadecimal, as `printf %s … | sha256sum` prints it."""
    return sha256(text.encode()).hexdigest()


def draw(frozen: FrozenList, secret: str, one: str, two: str) -> Drawn:
    """What the secret and the two numbers choose. Twin in bash: shell.py.

    The first `least` of each group in the order of the keys, then whoever comes next until `take` are chosen; each
    unit's seats go to those who are sent to fewest so far, in the order of their keys. So nobody is sent more often
    than somebody else who may go there too, by more than one visit at that moment.
    """
    start = f"{secret} {one} {two} "
    ranked = sorted(
        (min(hashed(f"{start}{unit.code} {lot}") for lot in range(1, unit.lots + 1)), unit) for unit in frozen.units
    )
    units = _chosen([unit for _, unit in ranked], take=frozen.take, least=frozen.least)
    items = sorted(frozen.items, key=lambda item: hashed(f"{start}item {item.id}"))
    inspectors = sorted(frozen.inspectors, key=lambda inspector: hashed(f"{start}inspector {inspector.id}"))
    chosen = tuple(items[: frozen.take_items]) if frozen.take_items else frozen.items
    return Drawn(tuple(units), chosen, _sent(units, inspectors, frozen.seats))


def _chosen(ranked: list[Unit], *, take: int, least: int) -> list[Unit]:
    seen: Counter[str] = Counter()
    chosen = set[str]()
    for unit in ranked:
        seen[unit.group] += 1
        if seen[unit.group] <= least:
            chosen.add(unit.code)
    for unit in ranked:
        if len(chosen) < take:
            chosen.add(unit.code)
    return [unit for unit in ranked if unit.code in chosen]


def _sent(units: list[Unit], inspectors: list[Inspector], seats: int) -> dict[str, tuple[Inspector, ...]]:
    visits: Counter[int] = Counter()
    sent = {}
    for unit in units:
        able = [inspector for inspector in inspectors if inspector.may_go_to(unit.code)]
        able.sort(key=lambda inspector: visits[inspector.id])  # stable: the order of their keys decides the rest
        sent[unit.code] = tuple(able[:seats])
        visits.update(inspector.id for inspector in able[:seats])
    return sent


def _part(part: object) -> str:
    """One line of text without tabs or breaks; never empty."""
    return SPACE.sub(" ", str(part)).strip() or NONE


def _several(part: str, between: str) -> tuple[str, ...]:
    return () if part == NONE else tuple(part.split(between))
