"""How sure a comparison is: intervals by bootstrap over pictures, paired tests, plain words.

Pictures are drawn again within each test set and the sets' means are averaged, as in the tables,
so that a large set does not drown a small one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 4000
EXACT = 14  # pictures up to which every choice of signs is tried
FEWEST = 6  # below so many pictures no choice of signs is rarer than 5 %
SEED = 20210601  # fixed: equal figures give equal intervals
PERFECT = 100.0  # dB: what the infinite PSNR of equal pictures counts as

Values = Mapping[str, Mapping[str, float]]  # set -> picture -> figure


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds within which it lies at the stated level."""

    mean: float
    low: float
    high: float
    count: int  # pictures

    @property
    def half(self) -> float:
        """Return half the width, for "mean +- half"."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Paired:
    """How much better A is than B on the same pictures; positive gains are good."""

    a: str
    b: str
    gain: Interval
    p: float  # two-sided, signs of the differences exchanged
    wins: int  # pictures on which A is better

    @property
    def decided(self) -> bool:
        """Tell whether one is better: the interval excludes 0 and the test agrees."""
        return self.p < 0.05 and (self.gain.low > 0 or self.gain.high < 0)

    def words(self, unit: str = "dB", digits: int = 2) -> str:
        """Return the result as one sentence."""
        gain, count = self.gain, self.gain.count
        figures = f"{gain.mean:+.{digits}f} {unit}".rstrip()
        if math.isfinite(gain.low):
            figures += f", 95 % interval {gain.low:+.{digits}f} to {gain.high:+.{digits}f}"
        on = f"better on {self.wins} of {count} picture{'s' if count != 1 else ''}"
        if self.decided:
            word = "better" if gain.mean > 0 else "worse"
            return f"{self.a} is {word} than {self.b}: {figures}; {on}; p = {self.p:.2g}."
        if gain.low == gain.high == 0:
            return f"{self.a} and {self.b} are equal on all {count} pictures."
        why = f"{count} pictures are too few" if count < FEWEST else f"p = {self.p:.2g}"
        return f"{self.a} or {self.b}: not decided ({why}): {figures}; {on}."


def interval(values: Values, level: float = 0.95) -> Interval:
    """Return the mean over sets of `values` with its bootstrap interval.

    Residuals are widened by sqrt(n / (n - 1)), without which few pictures look too sure (Davison
    and Hinkley 1997, 2.2). A set of one picture borrows the residuals of the others; with one
    picture in every set nothing is known and the bounds are infinite.
    """
    sets = [np.array([_finite(value) for value in own.values()]) for own in values.values() if own]
    count = sum(len(own) for own in sets)
    if not sets:
        return Interval(math.nan, math.nan, math.nan, 0)
    centre = float(np.mean([own.mean() for own in sets]))
    residuals = [(own - own.mean()) * math.sqrt(len(own) / max(1, len(own) - 1)) for own in sets]
    several = [own for own in residuals if len(own) > 1]
    if not several:
        return Interval(centre, -math.inf, math.inf, count)
    if math.isnan(centre):
        return Interval(centre, math.nan, math.nan, count)
    pooled = np.concatenate(several)
    random = np.random.default_rng(SEED)
    drawn = np.zeros(ROUNDS)
    for own in residuals:
        source = own if len(own) > 1 else pooled
        drawn += source[random.integers(0, len(source), (ROUNDS, len(own)))].mean(axis=1)
    edges = np.quantile(drawn / len(sets), [(1 - level) / 2, (1 + level) / 2])
    return Interval(centre, centre + float(edges[0]), centre + float(edges[1]), count)


def paired(
    names: tuple[str, str], a: Values, b: Values, *, lower: bool = False, level: float = 0.95
) -> Paired:
    """Compare A with B on the pictures both have; `lower`: smaller figures are better.

    `p` is that of the sign-flip permutation test: exact up to 14 pictures, else from random flips.
    """
    sign = -1.0 if lower else 1.0
    gains = {
        name: {
            image: sign * (_finite(value) - _finite(b[name][image]))
            for image, value in own.items()
            if image in b.get(name, {})
        }
        for name, own in a.items()
    }
    gains = {name: own for name, own in gains.items() if own}
    flat = [value for own in gains.values() for value in own.values()]
    wins = sum(value > 0 for value in flat)
    return Paired(*names, interval(gains, level), _permuted(gains), wins)


def _permuted(gains: Values) -> float:
    weighted = [value / (len(own) * len(gains)) for own in gains.values() for value in own.values()]
    if not weighted:
        return 1.0
    parts = np.array(weighted)
    flips = _all_flips(len(parts)) if len(parts) <= EXACT else _some_flips(len(parts))
    found = np.abs(flips @ parts)
    return float(np.mean(found >= abs(parts.sum()) - 1e-12))


def _all_flips(count: int) -> NDArray[np.float64]:
    bits = np.arange(2**count)[:, np.newaxis] >> np.arange(count) & 1
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


def _some_flips(count: int) -> NDArray[np.float64]:
    random = np.random.default_rng(SEED)
    flips = random.choice([-1.0, 1.0], (ROUNDS, count))
    flips[0] = 1  # what was found is one of the possible results: p is never 0
    return np.asarray(flips, dtype=np.float64)


def _finite(value: float) -> float:
    return min(value, PERFECT) if math.isinf(value) else value


def by_set(figures: Sequence[tuple[str, str, float | None]]) -> dict[str, dict[str, float]]:
    """Arrange (set, picture, figure) triples as Values, without those that have no figure."""
    found: dict[str, dict[str, float]] = {}
    for name, image, value in figures:
        if value is not None:
            found.setdefault(name, {})[image] = value
    return found
