"""The statistics of the evaluation gate: edges, order, and what its claims are worth in simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery import statistics
from delivery.statistics import Pairs, independent_items, items_needed, loss_upper_bound, p_value, paired, supported_margin

CONFIDENCE = 0.95


def test_without_any_disagreement_the_bound_is_the_rule_of_three() -> None:
    for items in (1, 50, 120, 1000):
        assert loss_upper_bound(Pairs(items, 0, 0), CONFIDENCE) == pytest.approx(1 - 0.05 ** (1 / items), abs=1e-4)


def test_everything_lost_is_bounded_by_one_and_everything_gained_by_less_than_zero() -> None:
    assert loss_upper_bound(Pairs(120, 120, 0), CONFIDENCE) == 1
    assert loss_upper_bound(Pairs(120, 119, 0), CONFIDENCE) > 0.98
    assert -1 <= loss_upper_bound(Pairs(120, 0, 120), CONFIDENCE) < -0.9


def test_no_pair_supports_nothing() -> None:
    assert loss_upper_bound(Pairs(0, 0, 0), CONFIDENCE) == 1
    assert p_value(Pairs(0, 0, 0), 0.05) == 1
    assert supported_margin(0, 0.1, CONFIDENCE) == 1


def test_impossible_counts_are_refused() -> None:
    for counts in ((1, 1, 1), (3, -1, 0), (3, 0, 4)):
        with pytest.raises(ValueError, match="need counts that fit"):
            Pairs(*counts)


def test_the_bound_rises_with_losses_and_falls_with_gains_and_with_confidence() -> None:
    total = 9
    bound = {
        (losses, gains): loss_upper_bound(Pairs(total, losses, gains), CONFIDENCE)
        for losses, gains in itertools.product(range(total + 1), repeat=2)
        if losses + gains <= total
    }
    for (losses, gains), value in bound.items():
        assert value >= (losses - gains) / total - 1e-6, "an upper bound lies above the estimate"
        assert value <= bound.get((losses + 1, gains), 1.0) + 1e-6
        assert value >= bound.get((losses, gains + 1), -1.0) - 1e-6
    assert loss_upper_bound(Pairs(total, 2, 1), 0.8) < loss_upper_bound(Pairs(total, 2, 1), 0.99)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 300), st.data())
def test_the_bound_stays_within_minus_one_and_one(total: int, data: st.DataObject) -> None:
    losses = data.draw(st.integers(0, total))
    gains = data.draw(st.integers(0, total - losses))
    bound = loss_upper_bound(Pairs(total, losses, gains), CONFIDENCE)
    assert (losses - gains) / total - 1e-6 <= bound <= 1


def test_the_p_value_is_the_exact_sum_over_all_outcomes_in_its_worst_case() -> None:
    """Against a sum over every outcome, for a small number of items and a fine grid of rates of disagreement."""
    pairs, margin = Pairs(10, 1, 2), 0.3
    outcomes = [(losses, gains) for losses in range(11) for gains in range(11 - losses)]
    values = statistics._statistic(10, np.array([o[0] for o in outcomes], float), np.array([o[1] for o in outcomes], float), margin)
    seen = values[outcomes.index((1, 2))]
    region = [outcome for outcome, value in zip(outcomes, values, strict=True) if value <= seen + 1e-9]
    worst = max(_probability(region, 10, margin, rate) for rate in np.linspace(margin, 1, 2000))
    assert p_value(pairs, margin) == pytest.approx(worst, abs=1e-4)


def _probability(region: list[tuple[int, int]], total: int, margin: float, rate: float) -> float:
    loss, gain = (rate + margin) / 2, (rate - margin) / 2
    return sum(
        _choose(total, losses)
        * _choose(total - losses, gains)
        * loss**losses
        * gain**gains
        * max(0.0, 1 - rate) ** (total - losses - gains)
        for losses, gains in region
    )


def _choose(n: int, k: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(k)])) if k else 1.0


@pytest.mark.parametrize("gain_rate", [0.0, 0.03])
@pytest.mark.parametrize(("items", "margin"), [(60, 0.1), (120, 0.05)])
def test_a_candidate_that_loses_the_margin_passes_at_most_one_time_in_twenty(items: int, margin: float, gain_rate: float) -> None:
    """False passes at the very edge of what is acceptable, whatever the rate of disagreement."""
    passing = _share_passing(items, margin, loss_rate=margin + gain_rate, gain_rate=gain_rate, runs=2000)
    assert passing <= 0.05 + 3.5 * (0.05 * 0.95 / 2000) ** 0.5
    # and it isn't merely refusing everything
    assert _share_passing(items, margin, 0.0, gain_rate, runs=200) > 0.8


def test_an_equal_candidate_passes_four_times_in_five_at_the_supported_margin() -> None:
    items, disagreement = 300, 0.08
    margin = supported_margin(items, disagreement, CONFIDENCE)
    power = _share_passing(items, margin, disagreement / 2, disagreement / 2, runs=800)
    assert 0.72 <= power <= 0.9


def test_items_of_one_source_do_not_make_false_passes_more_frequent() -> None:
    """Five items a source that fail together, at a loss of exactly the margin: uncorrected, far more than one in twenty pass."""
    rng, margin, sources, size, runs = np.random.default_rng(7), 0.1, 60, 5, 800
    source_of = {f"{i}-{j}": f"s{i}" for i in range(sources) for j in range(size)}
    passed = naive = 0
    for _ in range(runs):
        lost = rng.random(sources) < margin
        candidate = {item: not lost[int(item.split("-")[0])] for item in source_of}
        baseline = dict.fromkeys(source_of, True)
        passed += _passes(paired(candidate, baseline, source_of), margin)
        naive += _passes(paired(candidate, baseline, {}), margin)
    assert passed / runs <= 0.05 + 3.5 * (0.05 * 0.95 / runs) ** 0.5
    assert naive / runs > 0.1, "the correction is needed"


def test_sources_count_as_one_item_each_and_losses_are_rounded_up() -> None:
    assert independent_items(["", "", ""]) == 3
    assert independent_items(["a", "a", "b", "b"]) == 2
    assert independent_items([]) == 0
    baseline = {"1": True, "2": True, "3": False, "4": True}
    candidate = {"1": False, "2": True, "3": True, "4": True}
    assert paired(candidate, baseline, {}) == Pairs(4, 1, 1)
    assert paired(candidate, baseline, {"1": "a", "2": "a", "3": "b", "4": "b"}) == Pairs(2, 1, 0)


def test_only_items_asked_on_both_sides_are_paired() -> None:
    assert paired({"1": True, "2": False}, {"2": True, "3": True}, {}) == Pairs(1, 1, 0)


def test_the_supported_margin_is_what_the_design_says() -> None:
    assert supported_margin(50, 0.0, CONFIDENCE) == pytest.approx(0.058, abs=0.001)
    assert items_needed(0.01, 0.05, CONFIDENCE) == pytest.approx(3100, rel=0.01)
    needed = items_needed(0.03, 0.1, CONFIDENCE)
    assert supported_margin(needed, 0.1, CONFIDENCE) <= 0.03 < supported_margin(needed - 1, 0.1, CONFIDENCE)


_verdicts: dict[tuple[Pairs, float], bool] = {}


def _passes(pairs: Pairs, margin: float) -> bool:
    """Whether the exact test passes; remembered, since simulations meet the same counts again and again."""
    key = (pairs, margin)
    if key not in _verdicts:
        _verdicts[key] = p_value(pairs, margin) <= 1 - CONFIDENCE
    return _verdicts[key]


def _share_passing(items: int, margin: float, loss_rate: float, gain_rate: float, runs: int) -> float:
    rng = np.random.default_rng(20261121)
    draws = rng.multinomial(items, [loss_rate, gain_rate, 1 - loss_rate - gain_rate], size=runs)
    return sum(_passes(Pairs(items, int(losses), int(gains)), margin) for losses, gains, _ in draws) / runs
