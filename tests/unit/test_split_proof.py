"""What a count of colors proves."""

from __future__ import annotations

import numpy as np

from delivery.binomial import at_least, at_most, expected_range, lower_bound, upper_bound
from delivery.color import Color, Weights
from delivery.split_proof import ALPHA, judge, probes_needed

BLUE, GREEN = Color.BLUE, Color.GREEN
ALL = {BLUE: True, GREEN: True}


def test_at_zero_and_a_hundred_every_probe_counts() -> None:
    assert judge({BLUE: 200, GREEN: 0}, Weights(100, 0), ALL) is None
    reason = judge({BLUE: 199, GREEN: 1}, Weights(100, 0), ALL)
    assert reason == "blue answered 199 of 200 probes at weight 100, need 200"


def test_a_probe_that_no_color_answered_proves_nothing() -> None:
    assert judge({BLUE: 150, GREEN: 49, None: 1}, Weights(75, 25), ALL) == "1 of 200 probes were answered by no color at blue 75 / green 25"
    assert "no probe was sent" in (judge({}, Weights(75, 25), ALL) or "")


def test_a_right_split_is_proven_in_every_one_of_many_draws() -> None:
    rng = np.random.default_rng(3)
    for green in (1, 25, 50, 75, 99):
        for count in rng.binomial(2000, green / 100, size=500):
            assert judge({BLUE: 2000 - int(count), GREEN: int(count)}, Weights(100 - green, green), ALL) is None


def test_a_split_one_step_off_is_refused() -> None:
    assert "need" in (judge({BLUE: 190, GREEN: 10}, Weights(75, 25), ALL) or "")
    assert "need" in (judge({BLUE: 75, GREEN: 125}, Weights(75, 25), ALL) or "")


def test_a_dead_color_is_excused_from_its_share_and_the_other_may_carry_it() -> None:
    counts, half = {BLUE: 200, GREEN: 0}, Weights(50, 50)
    assert judge(counts, half, ALL) is not None
    assert judge(counts, half, {BLUE: True, GREEN: False}) is None


def test_probes_lost_at_a_color_that_hangs_are_its_own_and_never_those_of_the_rising_one() -> None:
    quarter, blue_hangs = Weights(75, 25), {BLUE: False, GREEN: True}
    assert judge({None: 150, GREEN: 50}, quarter, blue_hangs, rising=GREEN) is None
    assert "200 of 200 probes were answered by no color" in (judge({None: 200}, quarter, blue_hangs, rising=GREEN) or "")
    assert "no color" in (judge({BLUE: 150, None: 50}, quarter, {BLUE: True, GREEN: False}, rising=GREEN) or "")
    assert "no color" in (judge({BLUE: 199, None: 1}, Weights(100, 0), {BLUE: True, GREEN: False}) or "")


def test_a_rising_color_is_never_excused() -> None:
    reason = judge({BLUE: 200, GREEN: 0}, Weights(50, 50), {BLUE: True, GREEN: False}, rising=GREEN)
    assert reason is not None
    assert "green answered 0 of 200" in reason or "blue answered 200 of 200" in reason


def test_a_dead_color_may_not_answer_more_than_its_share() -> None:
    assert judge({BLUE: 0, GREEN: 200}, Weights(50, 50), {BLUE: True, GREEN: False}) is not None


def test_enough_probes_make_the_silence_of_one_percent_a_surprise() -> None:
    probes = probes_needed(Weights(99, 1))
    assert judge({BLUE: probes, GREEN: 0}, Weights(99, 1), ALL) is not None
    assert judge({BLUE: probes - 1, GREEN: 0}, Weights(99, 1), ALL) is None
    assert probes_needed(Weights(100, 0)) == 1


def test_the_expected_range_leaves_at_most_alpha_outside_and_is_the_narrowest() -> None:
    for trials, rate in ((200, 0.25), (200, 0.01), (1, 0.5), (5000, 0.75)):
        low, high = expected_range(trials, rate, ALPHA)
        assert at_most(low - 1, trials, rate) <= ALPHA / 2 < at_most(low, trials, rate)
        assert at_least(high + 1, trials, rate) <= ALPHA / 2 < at_least(high, trials, rate)


def test_clopper_pearson_bounds_leave_exactly_their_tail() -> None:
    assert abs(at_most(3, 50, upper_bound(3, 50, 0.95)) - 0.05) < 1e-9
    assert abs(at_least(3, 50, lower_bound(3, 50, 0.95)) - 0.05) < 1e-9
    assert (lower_bound(0, 50, 0.95), upper_bound(50, 50, 0.95), upper_bound(0, 0, 0.95)) == (0, 1, 1)
