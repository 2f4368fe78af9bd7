"""What a frozen list, a secret and two numbers lead to: pure, so that it is tried often."""

import math
import random
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checklists.draws import recipe, shell
from checklists.draws.recipe import Drawn, FrozenList, Inspector, Item, Unfit, Unit

SECRET = "5e" * 32
WEST, EAST = "511504102", "511504101"
DRAWS = 20_000


def unit(code: str, lots: int = 1) -> Unit:
    return Unit(code, code[:9], lots, (), f"{code}村")


def frozen(lots: dict[str, int], *, take: int, least: int = 0, **other: object) -> FrozenList:
    groups = {code[:9]: f"{code[:9]}镇" for code in lots}
    anyone = (Inspector(7, (), "Su"),)
    fields = {"of": "1/1", "take_items": 0, "seats": 1, "inspectors": anyone} | other
    units = tuple(unit(code, many) for code, many in lots.items())
    return FrozenList(take=take, least=least, groups=groups, units=units, **fields)  # type: ignore[arg-type]


# ---- Chances ------------------------------------------------------------------------------------------------------

# Two groups; what each unit's lots are.
UNEVEN = {f"{EAST}201": 1, f"{EAST}202": 2, f"{EAST}203": 3, f"{EAST}204": 5,
          f"{WEST}201": 1, f"{WEST}202": 1, f"{WEST}203": 4}  # fmt: skip
EVEN = dict.fromkeys(UNEVEN, 1)


def chances(lots: dict[str, int], *, take: int, least: int) -> dict[str, float]:
    """How likely each unit is drawn: every order of the units by its chance in an urn of lots, ball by ball."""
    found: Counter[str] = Counter()
    for order in permutations(lots):
        chance, left = 1.0, sum(lots.values())
        for code in order:
            chance *= lots[code] / left
            left -= lots[code]
        first = {code for n, code in enumerate(order) if [it[:9] for it in order[:n]].count(code[:9]) < least}
        rest = [code for code in order if code not in first]
        for code in [*first, *rest[: take - len(first)]]:
            found[code] += chance  # type: ignore[assignment]
    return dict(found)


def band(chance: float, times: int, level: float = 0.999) -> tuple[int, int]:
    """The binomial band that holds so much of all outcomes, half of the rest on either side."""

    def logs(k: int) -> float:
        ways = math.lgamma(times + 1) - math.lgamma(k + 1) - math.lgamma(times - k + 1)
        return ways + k * math.log(chance) + (times - k) * math.log1p(-chance)

    if chance > 1 - 1e-9:
        return times, times
    tail, total, low, high = (1 - level) / 2, 0.0, 0, times
    for k in range(times + 1):
        before, total = total, total + math.exp(logs(k))
        if before < tail <= total:
            low = k
        if before < 1 - tail <= total:
            high = k
            break
    return low, high


def outside(draws: Callable[[str], Drawn], expected: dict[str, float], times: int) -> list[str]:
    """Units drawn more or less often than the band allows, over so many draws with other secrets."""
    drawn = Counter(one.code for n in range(times) for one in draws(recipe.hashed(f"secret {n}")).units)
    return [code for code, chance in expected.items() if not within(drawn[code], band(chance, times))]


def within(count: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= count <= bounds[1]


@pytest.mark.parametrize("lots", [EVEN, UNEVEN], ids=["a lot each", "several lots"])
@pytest.mark.parametrize("least", [0, 1])
def test_each_unit_comes_as_often_as_its_lots_say(
    lots: dict[str, int], least: int, tell: Callable[[str], None]
) -> None:
    listed = frozen(lots, take=3, least=least)
    expected = chances(lots, take=3, least=least)
    assert sum(expected.values()) == pytest.approx(3)
    assert outside(lambda secret: recipe.draw(listed, secret, "17", "04"), expected, DRAWS) == []
    tell(f"draws: {DRAWS} with {len(lots)} units, at least {least} of a group: each within its binomial 99.9 % band")


def test_a_key_that_forgets_the_lots_falls_out_of_the_band() -> None:
    """The control: one lot each where the list says several."""
    listed = frozen(EVEN, take=3, least=1)
    expected = chances(UNEVEN, take=3, least=1)
    assert len(outside(lambda secret: recipe.draw(listed, secret, "17", "04"), expected, 4000)) >= 5


def test_a_key_that_leans_towards_one_unit_falls_out_of_the_band(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: every sixteenth draw lets the same unit come first."""
    true = recipe.hashed

    def leaning(text: str) -> str:
        key = true(text)
        return "0" * 8 + key if text.split(" ")[3] == f"{WEST}201" and key.endswith("0") else key

    listed, expected = frozen(EVEN, take=3), chances(EVEN, take=3, least=0)
    secrets = [true(f"secret {n}") for n in range(DRAWS)]
    monkeypatch.setattr(recipe, "hashed", leaning)
    drawn = Counter(one.code for secret in secrets for one in recipe.draw(listed, secret, "17", "04").units)
    assert not within(drawn[f"{WEST}201"], band(expected[f"{WEST}201"], DRAWS))


# ---- Rules --------------------------------------------------------------------------------------------------------

PLACES = [f"511504{100 + town}{200 + village}" for town in range(4) for village in range(6)]
codes = st.lists(st.sampled_from(PLACES), min_size=1, max_size=24, unique=True).map(sorted)


@st.composite
def lists(choose: st.DrawFn) -> FrozenList:
    """Any list, mostly fit."""
    lots = {code: choose(st.integers(1, 5)) for code in choose(codes)}
    barred = st.lists(st.sampled_from([*PLACES, *(code[:9] for code in PLACES)]), max_size=1)
    people = [Inspector(n, tuple(sorted(choose(barred))), f"人{n}") for n in range(choose(st.integers(2, 7)))]
    items = [Item(n, f"v-{n}", "题 目") for n in range(choose(st.integers(0, 5)))]
    return frozen(
        lots,
        take=choose(st.integers(1, len(lots) + 1)),
        least=choose(st.integers(0, 2)),
        take_items=choose(st.integers(0, len(items) + 1)),
        seats=choose(st.integers(1, 2)),
        inspectors=tuple(people),
        items=tuple(items),
        left_out=tuple((code, "村") for code in PLACES[:2] if code not in lots),
    )


numbers = st.text("0123456789", min_size=1, max_size=40)


@given(listed=lists(), one=numbers, two=numbers)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_is_drawn_keeps_every_rule(listed: FrozenList, one: str, two: str) -> None:
    assert recipe.read(listed.write()) == listed
    try:
        recipe.check(listed)
    except Unfit:
        return
    drawn = recipe.draw(listed, SECRET, one, two)
    assert drawn == recipe.draw(recipe.read(listed.write()), SECRET, one, two)
    assert len({unit.code for unit in drawn.units}) == len(drawn.units) == listed.take
    assert not {unit.code for unit in drawn.units} & {code for code, _ in listed.left_out}
    got = Counter(unit.group for unit in drawn.units)
    assert all(got[group] >= listed.least for group in listed.groups)
    assert len(drawn.items) == (listed.take_items or len(listed.items))
    for unit in drawn.units:
        sent = drawn.sent[unit.code]
        assert len(set(sent)) == listed.seats
        assert not any(unit.code.startswith(prefix) for inspector in sent for prefix in inspector.barred)


@given(listed=lists(), one=numbers)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_whoever_may_go_everywhere_is_sent_as_often_as_the_others(listed: FrozenList, one: str) -> None:
    free = tuple(Inspector(n, (), "人") for n in range(5))
    listed = frozen({unit.code: 1 for unit in listed.units}, take=len(listed.units), seats=2, inspectors=free)
    visits = Counter(inspector.id for sent in recipe.draw(listed, SECRET, one, "1").sent.values() for inspector in sent)
    assert max(visits.values()) - min(visits[n] for n in range(5)) <= 1


WRONG = {
    "none": {"units": ()},
    "take": {"take": 8},
    "least": {"least": 4},
    "parts": {"take": 3, "least": 2},
    "items": {"take_items": 1},
    "seats": {"seats": 2},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_list_that_cannot_be_drawn_from_is_known_before(what: str) -> None:
    with pytest.raises(Unfit) as refused:
        recipe.check(replace(frozen(EVEN, take=3), **WRONG[what]))
    assert refused.value.what == what


def test_nothing_is_drawn_from_a_list_of_none_or_from_more_than_a_page_can_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Unfit, match="take"):
        recipe.check(frozen(EVEN, take=0))
    monkeypatch.setattr(recipe, "MOST_UNITS", 6)
    with pytest.raises(Unfit, match="many"):
        recipe.check(frozen(EVEN, take=3))


def test_a_unit_that_no_inspector_may_go_to_is_named() -> None:
    ours = (Inspector(1, (EAST,), "Bao"), Inspector(2, (WEST,), "Wu"), Inspector(3, (), "Su"))
    with pytest.raises(Unfit) as refused:
        recipe.check(frozen(EVEN, take=3, seats=2, inspectors=(*ours[:2], Inspector(3, (EAST,), "Su"))))
    assert refused.value.names == [f"{code}村" for code in EVEN if code.startswith(EAST)]
    recipe.check(frozen(EVEN, take=3, seats=2, inspectors=ours))


# ---- The list as text, and the same in bash ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoilt", ["", "take\t3\n", "unit\t1\n", "draw\t1/1\ntake\tmany\nleast\t0\nitems\t0\nseats\t1\n"]
)
def test_what_is_no_list_is_not_read_as_one(spoilt: str) -> None:
    with pytest.raises(ValueError):
        recipe.read(spoilt)


def test_a_list_that_somebody_touched_is_not_the_same() -> None:
    text = frozen(EVEN, take=3).write()
    with pytest.raises(ValueError):
        recipe.read(text.replace("\n", "\r\n"))
    with pytest.raises(ValueError):
        recipe.read(text + "\n")


def test_names_with_tabs_and_breaks_stay_on_their_line() -> None:
    named = recipe.Unit(f"{EAST}201", EAST, 1, (), "柳\t村\nunit\u2028\x0b x ")
    listed = FrozenList("1/1", 1, 0, 0, 1, {EAST: "\t"}, (named,), (), (Inspector(7, (), ""),))
    assert recipe.read(listed.write()).units[0].name == "柳 村 unit x"
    assert listed.write().count("\n") == 8


def in_bash(listed: FrozenList, one: str, two: str, folder: Path) -> list[str]:
    """What the shell text prints beside list.txt, without its first two lines, the hashes."""
    (folder / "list.txt").write_bytes(listed.write().encode())
    script = shell.script(listed, SECRET, one, two)
    ran = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == ""
    first, second, *lines = ran.stdout.splitlines()
    assert (first.split()[0], second.split()[0]) == (recipe.hashed(SECRET), recipe.hashed(listed.write()))
    return lines


def told(drawn: Drawn, *, items: bool) -> list[str]:
    """The same from ours."""
    sent = [" ".join([unit.code, *(str(one.id) for one in drawn.sent[unit.code])]) for unit in drawn.units]
    return [*([item.number for item in drawn.items] if items else []), *sent]


def test_bash_and_sha256sum_alone_give_the_same(tmp_path: Path) -> None:
    chance = random.Random(6)
    for turn in range(6):
        people = [Inspector(90 + n, (f"5115041{n % 4:02}",) if n % 3 else (), "人 名") for n in range(9)]
        listed = frozen(
            {code: chance.randint(1, 5) for code in PLACES},
            take=9,
            least=turn % 3,
            take_items=turn % 4,
            seats=1 + turn % 3,
            inspectors=tuple(people),
            items=tuple(Item(n, f"v {n}", "题") for n in range(5)),
            left_out=(("511504109201", "柳 村"),),
        )
        recipe.check(listed)
        one, two = str(chance.randrange(10**turn)), "0" * turn + "7"
        drawn = recipe.draw(listed, SECRET, one, two)
        assert in_bash(listed, one, two, tmp_path) == told(drawn, items=listed.take_items > 0)
