"""What share of the claims holds, from a sample of them, with its 95 % interval. Pure: no database, no clock.

The sample is of units, drawn without replacement within strata, with equal lots or unequal; in each unit that was
drawn all claims were looked at or a drawn part of them. So it is neither simple nor large, and the method is:

- The share: in each stratum the ratio of what held to what was looked at, each unit with the weight of its claims over
  its chance of being drawn (Särndal, Swensson & Wretman, Model Assisted Survey Sampling, 1992, ch. 5); strata with the
  weight of their claims, which are known.
- Its variance: by linearisation (there), units as clusters, with the finite population correction 1 - π for each
  (Hájek, Annals of Mathematical Statistics 35, 1964); strata with a single unit are collapsed (Wolter, Introduction to
  Variance Estimation, 2nd ed., 2.5); claims within units add their own part. Where the same few items were drawn for
  all units, items are clusters too: the part that crosses units (Skinner, Cross-classified sampling, Statistics &
  Probability Letters, 2015).
- The interval: the exact one of Clopper and Pearson on the effective sample size, adjusted by Student's t for the
  degrees of freedom (Korn & Graubard, Survey Methodology 24, 1998, 193-201; Satterthwaite's, since few strata may hold
  most of the variance). Few units seldom show how much units differ, so the size is held below that of units that
  are alike by ALIKE (and items by SAME), as Dean & Pagano hold it below a simple random sample's (J. Survey Statistics
  and Methodology 3, 2015). That also stands for samples of which none or all hold.

How often it holds the truth: tests/readiness/test_belief.py.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, inf, lgamma, log, log1p, sqrt

CONFIDENCE = 0.95
ALIKE = 0.05  # correlation of claims within a unit that is taken for granted
SAME = 0.3  # and of claims about the same item, where the same few items were drawn for all units
GUESS = 0.8  # of the share, before anything was looked at
GUESSED_ALIKE = 0.2  # likewise
CLOSE = 0.05  # an interval no wider than this on either side is close enough to act on


@dataclass(frozen=True)
class Looked:
    """A unit that was drawn and looked at."""

    stratum: Hashable
    claimed: int  # claims there, those that were looked at included
    held: Sequence[tuple[Hashable, bool]]  # item of each claim that was looked at, and whether it held
    chance: float  # of being drawn; 1 if it was sure to be

    @property
    def seen(self) -> int:
        return len(self.held)

    @property
    def ratio(self) -> float:
        """Of those looked at, what share held."""
        return self.holding / len(self.held)

    @property
    def holding(self) -> int:
        """How many of those looked at held."""
        return sum(holds for _, holds in self.held)


@dataclass(frozen=True)
class Estimate:
    """Of all claims where units were looked at, what share holds."""

    seen: int  # claims that were looked at
    held: int
    units: int
    share: float
    low: float
    high: float
    freedom: int  # degrees of freedom; 0: nothing tells how units differ
    size: float  # the effective sample size; infinite if all were looked at
    by_items: float = 0.0  # the part of the variance that more units of the same items would leave

    @property
    def off(self) -> float:
        """How far the share may be from the truth, on the worse side."""
        return max(self.share - self.low, self.high - self.share)


def estimate(looked: Iterable[Looked], claims: Mapping[Hashable, int], items: int) -> Estimate | None:
    """None if nothing was looked at.

    Args:
        claims: how many claims each stratum has in all, those that were looked at included.
        items: how many items the claims are of; if some were never looked at, items are taken to have been drawn.
    """
    units = [unit for unit in looked if unit.seen]
    if not units:
        return None
    weights = _weights(units, claims)
    seen, held = sum(unit.seen for unit in units), sum(unit.holding for unit in units)
    share = sum(weight * unit.ratio for unit, weight in zip(units, weights, strict=True))
    share = float(held > 0) if held in (0, seen) else share
    if seen >= sum(claims[stratum] for stratum in {unit.stratum for unit in units}):
        return Estimate(seen, held, len(units), share, share, share, seen, inf)
    sample = _Sample(units, weights, items)
    variance, freedom, by_items = sample.variance(share)
    # Never as sure as if units were less alike than ALIKE. Smoothed, so that it stands for none and for all.
    smooth = smoothed(seen, held)
    size = smooth * (1 - smooth) / sample.least(smooth)
    if variance and 0 < share < 1:
        size = min(size, share * (1 - share) / variance)
    if freedom:
        size *= (t_quantile(max(seen - 1, 1)) / t_quantile(freedom)) ** 2
    low, high = exact(share * size, size)
    return Estimate(seen, held, len(units), share, min(low, share), max(high, share), freedom, size, by_items)


def needed(found: Estimate | None, *, units: int, each: float) -> int | None:
    """How many more units would narrow the interval to CLOSE; None if not even all of them would.

    Args:
        units: how many there are.
        each: how many claims are looked at in each.
    """
    if found is not None and found.off <= CLOSE:
        return 0
    fixed = 0.0
    if found is None or not found.freedom:
        looked, share = (0, GUESS) if found is None else (found.units, smoothed(found.seen, found.held))
        one = GUESSED_ALIKE + (1 - GUESSED_ALIKE) / max(each, 1)
    else:
        looked, share, fixed = found.units, smoothed(found.seen, found.held), found.by_items / found.size
        one = (1 - found.by_items) / found.size / max(1 / looked - 1 / units, 1e-9)
    if looked >= units:
        return None
    # 1 / size = fixed + one * (1 / n - 1 / units)
    allowed = 1 / enough(round(share * 100)) - fixed
    if allowed <= 0:
        return None
    return max(1, min(units, ceil(1 / (allowed / one + 1 / units))) - looked)


@lru_cache(maxsize=101)
def enough(percent: int) -> int:
    """The effective size from which the interval about such a share is CLOSE."""
    fewest, most, share = 1, 2000, percent / 100
    while most - fewest > 1:
        size = (fewest + most) // 2
        low, high = exact(share * size, size)
        fewest, most = (fewest, size) if max(share - low, high - share) <= CLOSE else (size, most)
    return most


def smoothed(seen: int, held: int) -> float:
    """A share that is neither none nor all."""
    return (held + 1) / (seen + 2)


def _weights(units: Sequence[Looked], claims: Mapping[Hashable, int]) -> list[float]:
    """What each unit's ratio counts in the share; together 1."""
    sums: defaultdict[Hashable, float] = defaultdict(float)
    for unit in units:
        sums[unit.stratum] += unit.claimed / unit.chance
    total = sum(claims[stratum] for stratum in sums)
    return [claims[unit.stratum] / total * (unit.claimed / unit.chance) / sums[unit.stratum] for unit in units]


@dataclass(frozen=True)
class _Sample:
    """The parts of the variance of the share."""

    units: Sequence[Looked]
    weights: Sequence[float]
    items: int

    def variance(self, share: float) -> tuple[float, int, float]:
        """Of the share; its degrees of freedom (Satterthwaite), 0 if nothing tells how units differ; what items add."""
        between, freedom = self._between()
        across, more = self._across(share)
        within = self._within()
        if across <= within:
            return between + within, freedom, 0.0
        total = between + across
        if freedom:
            freedom = max(1, int(total**2 / (between**2 / freedom + across**2 / more)))
        return total, freedom, across / total

    def least(self, smooth: float) -> float:
        """The variance if units differed only by ALIKE."""
        variance, in_all = 0.0, sum(unit.seen for unit in self.units)
        for group in self._groups():
            seen = sum(self.units[n].seen for n in group)
            held = sum(self.units[n].holding for n in group)
            part = seen / in_all  # of the one that held and the one that did not which are added
            share = (held + part) / (seen + 2 * part)
            for n in group:
                unit = self.units[n]
                rest = 1 - unit.chance * unit.seen / unit.claimed
                alike = ALIKE * (1 - unit.chance)
                variance += self.weights[n] ** 2 * share * (1 - share) * rest * (alike + (1 - alike) / unit.seen)
        seen = len({item for unit in self.units for item, _ in unit.held})
        if seen < self.items:
            variance += (1 - seen / self.items) * SAME * smooth * (1 - smooth) / seen
        return variance

    def _between(self) -> tuple[float, int]:
        """Of units within strata; few strata may hold most of it, and only theirs are its degrees of freedom."""
        variance, squares, freedom = 0.0, 0.0, 0
        for group in self._groups():
            weight = sum(self.weights[n] for n in group)
            middle = sum(self.weights[n] * self.units[n].ratio for n in group) / weight
            drawn = [n for n in group if self.units[n].chance < 1]
            if len(drawn) > 1:
                off = [self.weights[n] * (self.units[n].ratio - middle) for n in drawn]
                chance = [1 - self.units[n].chance for n in drawn]
                here = len(drawn) / (len(drawn) - 1) * sum(f * e * e for f, e in zip(chance, off, strict=True))
                variance += here
                squares += here**2 / (len(drawn) - 1)
                freedom += len(drawn) - 1
        return variance, max(1, round(variance**2 / squares)) if squares else freedom

    def _groups(self) -> list[list[int]]:
        """Units by stratum; strata with one unit together."""
        by: defaultdict[Hashable, list[int]] = defaultdict(list)
        for n, unit in enumerate(self.units):
            by[unit.stratum].append(n)
        groups = [group for group in by.values() if len(group) > 1]
        single = [n for group in by.values() if len(group) == 1 for n in group]
        if len(single) == 1 and groups:
            min(groups, key=len).extend(single)
        elif single:
            groups.append(single)
        return groups

    def _within(self) -> float:
        """Of claims within units where not all were looked at."""
        variance = 0.0
        for unit, weight in zip(self.units, self.weights, strict=True):
            if 1 < unit.seen < unit.claimed:
                ratio = unit.ratio
                one = (1 - unit.seen / unit.claimed) * ratio * (1 - ratio) / (unit.seen - 1)
                variance += unit.chance * weight * weight * one
        return variance

    def _across(self, share: float) -> tuple[float, int]:
        """Of items, if the same ones were drawn for all."""
        by: defaultdict[Hashable, float] = defaultdict(float)
        single = 0.0
        for unit, weight in zip(self.units, self.weights, strict=True):
            for item, holds in unit.held:
                off = weight / unit.seen * (holds - share)
                by[item] += off
                single += (1 - unit.chance) * off * off
        n = len(by)
        if n >= self.items or n < 2:
            return 0.0, 1
        sums = n / (n - 1) * sum(off * off for off in by.values())
        return max(0.0, (1 - n / self.items) * (sums - single)), n - 1


def exact(held: float, size: float) -> tuple[float, float]:
    """Clopper and Pearson, for a size that need not be whole."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if held <= 0 else quantile(tail, held, size - held + 1)
    high = 1.0 if held >= size else quantile(1 - tail, held + 1, size - held)
    return low, high


@lru_cache(maxsize=4096)
def t_quantile(freedom: int) -> float:
    """Student's t at 97.5 %."""
    x = quantile(1 - CONFIDENCE, freedom / 2, 0.5)
    return sqrt(freedom * (1 / x - 1))


def quantile(p: float, a: float, b: float) -> float:
    """Of the beta distribution: Newton's steps, and a half of what is left where one would lead outside."""
    low, high, x = 0.0, 1.0, a / (a + b)
    scale = lgamma(a + b) - lgamma(a) - lgamma(b)
    for _ in range(100):
        off = _below(x, a, b) - p
        low, high = (low, x) if off > 0 else (x, high)
        density = exp(scale + (a - 1) * log(x) + (b - 1) * log1p(-x))
        then = x - off / density if density > 0 else low
        if not low < then < high:
            then = (low + high) / 2
        if abs(then - x) < 1e-11 or then in (0.0, 1.0):
            return then
        x = then
    return x


def _below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22, Lentz)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _below(1 - x, b, a)
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    fraction, m = d, 0
    while True:
        m += 1
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + step * d) or tiny)
            c = (1 + step / c) or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-13 or m > 100_000:
            return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) * fraction / a


def chances(lots: Sequence[float], taken: int) -> list[float]:
    """Each unit's chance to be among the first so many drawn, one lot after the other, without being put back.

    Rosén, Asymptotic theory for order sampling, J. Statistical Planning and Inference 62, 1997: 1 - exp(-lots * t),
    with t such that they sum up to what is taken.
    """
    if taken >= len(lots):
        return [1.0] * len(lots)
    if min(lots) == max(lots):
        return [taken / len(lots)] * len(lots)
    low, high = 0.0, 1.0
    while sum(1 - exp(-n * high) for n in lots) < taken:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(1 - exp(-n * middle) for n in lots) < taken else (low, middle)
    return [1 - exp(-n * high) for n in lots]
