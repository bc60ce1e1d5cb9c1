"""Exact binomial tails and bounds. Owns the numerics (scipy.special: scipy.stats takes a second longer to import) and no policy."""

from __future__ import annotations

from collections.abc import Callable

from scipy import special


def at_most(successes: int, trials: int, rate: float) -> float:
    """P(X <= successes) for X ~ Binomial(trials, rate)."""
    if successes < 0:
        return 0.0
    return 1.0 if successes >= trials else float(special.bdtr(successes, trials, rate))


def at_least(successes: int, trials: int, rate: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, rate)."""
    if successes <= 0:
        return 1.0
    return 0.0 if successes > trials else float(special.bdtrc(successes - 1, trials, rate))


def expected_range(trials: int, rate: float, alpha: float) -> tuple[int, int]:
    """The counts (lowest, highest) that are not surprising: each tail beyond them has a probability of at most alpha / 2."""
    lowest = _first(trials, lambda count: at_most(count, trials, rate) > alpha / 2)
    highest = _first(trials, lambda count: at_least(count + 1, trials, rate) <= alpha / 2)
    return lowest, highest


def upper_bound(successes: int, trials: int, confidence: float) -> float:
    """One-sided Clopper-Pearson upper bound of a rate; 1 without any trial."""
    return 1.0 if successes >= trials else float(special.betaincinv(successes + 1, trials - successes, confidence))


def lower_bound(successes: int, trials: int, confidence: float) -> float:
    """One-sided Clopper-Pearson lower bound of a rate; 0 without any trial."""
    return 0.0 if successes <= 0 else float(special.betaincinv(successes, trials - successes + 1, 1 - confidence))


def _first(trials: int, holds: Callable[[int], bool]) -> int:
    """The smallest count in 0..trials where a condition holds that, once true, stays true (it is true at `trials`)."""
    low, high = 0, trials
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
