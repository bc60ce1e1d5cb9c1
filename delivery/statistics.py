"""Is the candidate not worse than the baseline on the same items? Exact, paired, one-sided non-inferiority.

Each item is a loss (only the baseline is right), a gain (only the candidate is right) or a tie. The quantity is the loss of points:
P(loss) - P(gain). Its test is the exact unconditional one of matched pairs (Hsueh, Liu and Chen 2001; Sidik 2003), which orders outcomes
by Tango's score statistic (Tango 1998) and takes the worst case over the unknown rate of disagreement. What a verdict is made of these
numbers is in `eval_verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

_POWER = 0.8  # of the margin that a number of items "supports": the usual planning figure
_GRID = 64  # rates of disagreement tried before refining; a finer grid moves the bound by less than 1e-4 (tests/unit)
_STEPS = 24  # bisections of [-1, 1]: the bound is exact to 1.2e-7
_TAIL = 8.5  # standard deviations kept of a binomial: what is left out is below 1e-13
_CLOSE = 1e-9  # outcomes whose statistics are this close are equally extreme

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Independent paired outcomes: all, losses and gains among them. Raises ValueError for impossible counts."""

    total: int
    losses: int
    gains: int

    def __post_init__(self) -> None:
        if min(self.total, self.losses, self.gains) < 0 or self.losses + self.gains > self.total:
            raise ValueError(f"got {self.losses} losses and {self.gains} gains of {self.total}, need counts that fit")

    @property
    def disagreement(self) -> float:
        """The share of pairs on which the two differ."""
        return (self.losses + self.gains) / self.total if self.total else 0.0


def paired(candidate: Mapping[str, bool], baseline: Mapping[str, bool], source_of: Mapping[str, str]) -> Pairs:
    """The pairs of the items that both were asked, by item id.

    Items of one source fail together. They count as if they were perfectly correlated: n items in sources of sizes s are worth
    n^2 / sum(s^2) independent ones (Kish), with losses rounded up and gains down. An item without a source stands for itself.
    """
    ids = [item for item in candidate if item in baseline]
    losses = sum(baseline[item] and not candidate[item] for item in ids)
    gains = sum(candidate[item] and not baseline[item] for item in ids)
    worth = independent_items([source_of.get(item, "") for item in ids])
    if worth == len(ids):
        return Pairs(worth, losses, gains)
    losses = min(worth, -(-losses * worth // len(ids)))
    return Pairs(worth, losses, min(worth - losses, gains * worth // len(ids)))


def independent_items(sources: Sequence[str]) -> int:
    """How many independent items these are worth, given the source of each ("" for none), rounded down."""
    if not sources:
        return 0
    sizes: dict[str, int] = {}
    for source in sources:
        sizes[source] = sizes.get(source, 0) + 1
    alone = sizes.pop("", 0)
    return len(sources) ** 2 // (alone + sum(size * size for size in sizes.values()))


def p_value(pairs: Pairs, margin: float) -> float:
    """The probability of an outcome at least as good for the candidate if it loses exactly `margin` points (a fraction, -1..1)."""
    if pairs.total == 0:
        return 1.0
    most_losses = _rejection_region(pairs, margin)
    lowest = abs(margin)
    grid = lowest + (1 - lowest) * np.linspace(0, 1, _GRID) ** 3  # dense where disagreement is small, as it is in practice
    tails = [_tail(pairs.total, margin, rate, most_losses) for rate in grid]
    best = int(np.argmax(tails))
    nearby = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)], 17)
    tails += [_tail(pairs.total, margin, rate, most_losses) for rate in nearby]
    return float(min(1.0, max(tails)))


def loss_upper_bound(pairs: Pairs, confidence: float) -> float:
    """Upper confidence bound of the loss of points, as a fraction in [-1, 1]; 1 without any pair."""
    if pairs.total == 0 or pairs.losses == pairs.total:
        return 1.0
    low, high = -1.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if p_value(pairs, middle) <= 1 - confidence:
            high = middle
        else:
            low = middle
    return high


def supported_margin(items: int, disagreement: float, confidence: float) -> float:
    """The smallest margin (a fraction) at which an equally good candidate passes with a power of 80 %.

    `items` are independent ones, `disagreement` the share on which the two differ. Normal approximation, and never below what no
    disagreement at all would need: 1 - (1 - confidence)^(1/n).
    """
    if items <= 0:
        return 1.0
    spread = (float(special.ndtri(confidence)) + float(special.ndtri(_POWER))) * math.sqrt(max(disagreement, 0.0) / items)
    return min(1.0, max(spread, float(1 - (1 - confidence) ** (1 / items))))


def items_needed(margin: float, disagreement: float, confidence: float) -> int:
    """How many independent items support a margin (a fraction above 0): the inverse of `supported_margin`."""
    low, high = 1, 1
    while supported_margin(high, disagreement, confidence) > margin:
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if supported_margin(middle, disagreement, confidence) > margin:
            low = middle + 1
        else:
            high = middle
    return low


def _statistic(total: int, losses: Floats, gains: Floats, margin: float) -> Floats:
    """Tango's score statistic of losing `margin` points: small where the outcome speaks for the candidate."""
    middle = -losses - gains + (2 * total - losses + gains) * margin
    product = -gains * margin * (1 - margin)
    root = np.sqrt(np.maximum(middle * middle - 8 * total * product, 0))
    gain_rate = np.maximum((root - middle) / (4 * total), max(0.0, -margin))
    spread = np.sqrt(np.maximum(total * (2 * gain_rate + margin * (1 - margin)), 0))
    excess = losses - gains - total * margin
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = excess / spread
    return np.where(spread > _CLOSE, ratio, np.where(np.abs(excess) < _CLOSE, 0.0, np.copysign(np.inf, excess)))


def _rejection_region(pairs: Pairs, margin: float) -> Floats:
    """For each number of differing pairs 0..total: the most losses that are still at least as good as what was seen (-1 for none)."""
    seen = float(_statistic(pairs.total, np.array([float(pairs.losses)]), np.array([float(pairs.gains)]), margin)[0])
    differing = np.arange(pairs.total + 1, dtype=np.float64)
    low, high = np.full_like(differing, -1.0), differing.copy()
    while np.any(low < high):  # the statistic rises with the losses, so the boundary is found by bisection
        middle = np.ceil((low + high) / 2)
        good = _statistic(pairs.total, middle, differing - middle, margin) <= seen + _CLOSE
        low, high = np.where(good, middle, low), np.where(good, high, middle - 1)
    return low


def _tail(total: int, margin: float, rate: float, most_losses: Floats) -> float:
    """The probability of the region when pairs differ at `rate` and the loss is `margin`."""
    spread = _TAIL * math.sqrt(total * rate * (1 - rate)) + 20
    first, last = max(0, int(total * rate - spread)), min(total, int(total * rate + spread) + 1)
    differing = np.arange(first, last + 1, dtype=np.float64)
    losses = most_losses[first : last + 1]
    log_weight = special.gammaln(total + 1) - special.gammaln(differing + 1) - special.gammaln(total - differing + 1)
    log_weight = log_weight + special.xlogy(differing, rate) + special.xlog1py(total - differing, -rate)
    loss_share = min(1.0, max(0.0, (rate + margin) / (2 * rate))) if rate > 0 else 0.5
    inside = np.where(losses < 0, 0.0, special.bdtr(np.maximum(losses, 0), differing.astype(np.int64), loss_share))
    return float(np.sum(np.exp(log_weight) * inside))
