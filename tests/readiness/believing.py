"""Campaigns with a known truth, and draws from them: what the intervals of belief are tried on."""

import random
import uuid
from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

from django.utils import timezone

from checklists.models import Campaign, Check, Draw, Round, Task
from readiness.boards.intervals import Estimate, Looked, chances, estimate
from villages.models import Cadre


@dataclass(frozen=True)
class Scenario:
    """A kind of campaign. Shares are of claims that are true."""

    name: str
    townships: int
    villages: int  # in each township, on average
    items: int
    drawn: int  # units; at least two of each stratum if there are strata
    honest: float = 0.95
    false: float = 0.3  # in dishonest townships
    dishonest: float = 0.0  # share of townships
    alike: float = 0.1  # correlation of claims within a unit
    strata: str = ""  # "township", "light" or none
    risky: float = 1.0  # lots of a unit that is thought risky; others have one
    part: int = 0  # items looked at in each unit, drawn for each; 0: all
    same: bool = False  # the same items for all units
    by_item: float = 0.0  # share of items that are false nearly everywhere


SCENARIOS = [
    Scenario("small county", 8, 8, 12, 12, honest=0.85),
    Scenario("county", 20, 20, 12, 40, honest=0.9),
    Scenario("large county", 26, 24, 30, 60, honest=0.9),
    Scenario("very honest", 20, 20, 12, 40, honest=0.985, alike=0.05),
    Scenario("strata of townships", 12, 16, 12, 48, strata="township"),
    Scenario("strata, dishonest townships", 12, 16, 12, 48, dishonest=0.25, strata="township"),
    Scenario("dishonest townships, no strata", 20, 20, 12, 40, dishonest=0.25),
    Scenario("strata of lights, dishonest", 20, 20, 12, 45, dishonest=0.2, strata="light"),
    Scenario("unequal lots", 20, 20, 12, 40, dishonest=0.2, risky=3.0),
    Scenario("some items of each unit", 20, 20, 30, 40, honest=0.85, part=6),
    Scenario("the same items for all", 20, 20, 40, 40, honest=0.9, by_item=0.15, part=12, same=True),
    Scenario("all together", 10, 20, 20, 40, dishonest=0.3, strata="township", risky=3.0, part=8, alike=0.2),
    Scenario("few units", 8, 10, 12, 8, honest=0.85, alike=0.2),
]


@dataclass(frozen=True)
class Trial:
    """One campaign: what is true of its claims, and what three ways make of the same draw."""

    truth: float
    found: Estimate
    wald: tuple[float, float]
    wilson: tuple[float, float]


def trials(scenario: Scenario, n: int, *, seed: int) -> Iterator[Trial]:
    """So many campaigns, each with its own truth and its own draw."""
    chance = random.Random(f"{seed} {scenario.name}")
    for _ in range(n):
        yield _trial(scenario, chance)


def _trial(of: Scenario, chance: random.Random) -> Trial:
    rotten = set(chance.sample(range(of.townships), round(of.townships * of.dishonest)))
    bad_items = set(chance.sample(range(of.items), round(of.items * of.by_item)))
    claims: list[dict[Hashable, bool]] = []
    strata: list[Hashable] = []
    lots: list[float] = []
    spread = 1 / of.alike - 1
    for township in range(of.townships):
        mean = of.false if township in rotten else of.honest
        for _ in range(max(3, round(chance.gauss(of.villages, of.villages / 5)))):
            true = chance.betavariate(mean * spread, (1 - mean) * spread)
            claimed = chance.sample(range(of.items), chance.randint(of.items // 2, of.items))
            claims.append({item: chance.random() < (0.1 if item in bad_items else true) for item in claimed})
            suspect = chance.random() < (0.6 if township in rotten else 0.2)
            lots.append(of.risky if suspect else 1.0)
            light = "red" if suspect else "green" if chance.random() < 0.7 else "amber"
            strata.append({"township": township, "light": light}.get(of.strata, 0))
    truth = sum(sum(unit.values()) for unit in claims) / sum(map(len, claims))
    looked, naive = [], []
    sums: defaultdict[Hashable, int] = defaultdict(int)
    same = chance.sample(range(of.items), of.part) if of.same else []
    by: defaultdict[Hashable, list[int]] = defaultdict(list)
    for n, stratum in enumerate(strata):
        by[stratum].append(n)
        sums[stratum] += len(claims[n])
    for stratum, units in by.items():
        taken = min(len(units), max(2, round(of.drawn * len(units) / len(claims))))
        known = dict(zip(units, chances([lots[n] for n in units], taken), strict=True))
        order = sorted(units, key=lambda n: -(chance.random() ** (1 / lots[n])))
        for n in order[:taken]:
            asked = same if of.same else list(claims[n])
            if of.part and not of.same:
                asked = chance.sample(asked, min(of.part, len(asked)))
            held = [(item, claims[n][item]) for item in asked if item in claims[n]]
            looked.append(Looked(stratum, len(claims[n]), held, known[n]))
            naive += [holds for _, holds in held]
    found = estimate(looked, sums, len({item for unit in claims for item in unit}))
    assert found is not None
    return Trial(truth, found, _wald(naive), _wilson(naive))


def _wald(seen: list[bool]) -> tuple[float, float]:
    share = sum(seen) / len(seen)
    off = 1.96 * sqrt(share * (1 - share) / len(seen))
    return share - off, share + off


def _wilson(seen: list[bool]) -> tuple[float, float]:
    n, share, z = len(seen), sum(seen) / len(seen), 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    off = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - off, middle + off


# --- the same as rows ---------------------------------------------------------------------------------------


def draw(campaign: Campaign, by: tuple[Cadre, Cadre], units: dict[str, str], **options: Any) -> Draw:
    """A draw that was made among these units (code -> group), with their lots and items if it took a part of them."""
    lots, items = options.pop("lots", {}), options.pop("items", [])
    lines = [
        f"items\t{len(items)}",
        *(f"unit\t{code}\t{group}\t{lots.get(code, 1)}\t-\t{code}" for code, group in units.items()),
        *(f"item\t{item}\t-\t-" for item in items),
        *(f"without\t{code}\t{code}" for code in options.pop("without", [])),
    ]
    number = Draw.objects.filter(campaign=campaign).count() + 1
    return Draw.objects.create(
        campaign=campaign,
        number=number,
        title=options.pop("title", "双随机"),
        among_id=options.pop("among", campaign.host_id),
        recipe={},
        frozen="".join(f"{line}\n" for line in lines),
        secret="s" * 64,
        commitment="c" * 64,
        announced_by=by[0],
        number_one="1",
        number_one_by=by[0],
        number_two="2",
        number_two_by=by[1],
        drawn_at=timezone.now(),
        **options,
    )


def look(task: Task, drawn: Draw | None, by: Cadre, result: str = "holds", **options: Any) -> Check:
    """What somebody saw of a task on the round of its unit in this draw; where it stands now is where it stood."""
    rhythm = options.pop("rhythm", "patrol")
    there, _ = Round.objects.get_or_create(
        draw=drawn, unit=task.unit, campaign=task.campaign, rhythm=rhythm, defaults={"made_by": by}
    )
    was = options.pop("was", task.state)
    remark = "" if result == "holds" else "没有做到"
    return Check.objects.create(
        id=uuid.uuid4(), round=there, task=task, result=result, remark=remark, by=by, was=was, **options
    )
