"""Which shifts are legal: the rules of going up and of going back."""

from __future__ import annotations

import pytest

from delivery.color import Color, Weights
from delivery.refusal import Refusal
from delivery.shift import Need, Wish, decide
from delivery.split_record import Journal, ProvenRun, SplitRecord

BLUE, GREEN = Color.BLUE, Color.GREEN
ENGINES = {BLUE: ("127.0.0.1:1@1.00",), GREEN: ("127.0.0.1:2@1.00",)}
RESTARTED = {BLUE: ("127.0.0.1:1@9.00",), GREEN: ("127.0.0.1:2@9.00",)}
BLUE_PROVEN = {BLUE: ProvenRun(release="b", engines=ENGINES[BLUE])}
BOTH_PROVEN = {**BLUE_PROVEN, GREEN: ProvenRun(release="g", engines=ENGINES[GREEN])}


def wish(canary: int, active: Color = BLUE, green: str = "g") -> Wish:
    return Wish("chat", active, Weights.of_canary(active, canary), (1, 25, 75, 100), {BLUE: "b", GREEN: green})


def record(canary: int, active: Color = BLUE, proven: dict[Color, ProvenRun] = BLUE_PROVEN) -> SplitRecord:
    return SplitRecord(weights=Weights.of_canary(active, canary), active=active, proven=proven)


def test_a_raise_of_one_step_needs_receipts() -> None:
    shift = decide(wish(25), record(1), Weights(99, 1), ENGINES)
    assert (shift.rising, shift.need) == (GREEN, Need.RECEIPTS)


@pytest.mark.parametrize(("live", "canary", "highest"), [(0, 25, 1), (0, 100, 1), (1, 75, 25), (1, 26, 25), (25, 100, 75)])
def test_a_raise_of_more_than_one_step_is_refused_with_the_highest_one(live: int, canary: int, highest: int) -> None:
    with pytest.raises(Refusal, match=f"got {canary}, need at most {highest} because green carries {live} %"):
        decide(wish(canary), record(live), Weights(100 - live, live), ENGINES)


def test_a_raise_may_stop_between_two_steps() -> None:
    assert decide(wish(10), record(1), Weights(99, 1), ENGINES).need is Need.RECEIPTS


@pytest.mark.parametrize("live", [1, 25, 75, 100])
@pytest.mark.parametrize("canary", [0, 1, 25, 75])
def test_a_decrease_goes_any_distance_with_only_a_token_even_to_engines_that_were_restarted(live: int, canary: int) -> None:
    if canary < live:
        shift = decide(wish(canary), record(live), Weights(100 - live, live), RESTARTED)
        assert (shift.rising, shift.need) == (BLUE, Need.LIVENESS)


def test_a_new_release_on_the_active_color_is_no_way_back_although_the_canary_shrinks() -> None:
    all_on_green = record(100, proven=BOTH_PROVEN)

    def replaced(canary: int) -> Wish:
        return Wish("chat", BLUE, Weights.of_canary(BLUE, canary), (1, 25, 75, 100), {BLUE: "unmeasured", GREEN: "g"})

    with pytest.raises(Refusal, match="got 0, need at least 99 because blue carries 0 %"):
        decide(replaced(0), all_on_green, Weights(0, 100), RESTARTED)
    assert decide(replaced(99), all_on_green, Weights(0, 100), RESTARTED).need is Need.RECEIPTS


def test_without_a_record_a_decrease_is_still_allowed() -> None:
    assert decide(wish(0), SplitRecord(), Weights(0, 100), RESTARTED).need is Need.LIVENESS


def test_unchanged_weights_need_nothing() -> None:
    assert decide(wish(25), record(25), Weights(75, 25), ENGINES).need is Need.NOTHING


def test_a_first_deployment_goes_from_nothing_to_all_on_the_active_color_with_receipts() -> None:
    shift = decide(wish(0), SplitRecord(), None, {})
    assert (shift.before, shift.rising, shift.need) == (None, BLUE, Need.RECEIPTS)


def test_a_first_deployment_with_a_canary_is_refused() -> None:
    with pytest.raises(Refusal, match="0 on the first deployment"):
        decide(wish(1), SplitRecord(), None, {})


def test_roles_exchanged_at_100_move_no_traffic() -> None:
    shift = decide(wish(0, active=GREEN), record(100, proven=BOTH_PROVEN), Weights(0, 100), ENGINES)
    assert (shift.changes, shift.need) == (False, Need.NOTHING)


@pytest.mark.parametrize("canary", [0, 75])
def test_roles_exchanged_before_100_are_refused_since_that_would_skip_the_steps(canary: int) -> None:
    with pytest.raises(Refusal, match="need blue until green has carried all traffic"):
        decide(wish(canary, active=GREEN), record(25), Weights(75, 25), ENGINES)


def test_the_revert_of_exchanged_roles_is_legal() -> None:
    after = record(0, active=GREEN, proven=BOTH_PROVEN)
    assert decide(wish(100), after, Weights(0, 100), ENGINES).need is Need.NOTHING


def test_the_revert_of_a_whole_rollout_at_once_goes_back_to_proven_blue_with_only_a_token() -> None:
    after = record(0, active=GREEN, proven=BOTH_PROVEN)
    shift = decide(wish(0), after, Weights(0, 100), ENGINES)
    assert (shift.rising, shift.need) == (BLUE, Need.LIVENESS)


def test_a_proven_release_on_restarted_engines_may_skip_steps_but_not_its_gates() -> None:
    after = record(0, active=GREEN, proven=BOTH_PROVEN)
    assert decide(wish(0), after, Weights(0, 100), RESTARTED).need is Need.RECEIPTS


def test_a_color_proven_with_another_release_goes_step_by_step() -> None:
    after = record(0, proven=BOTH_PROVEN)
    with pytest.raises(Refusal, match="at most 1"):
        decide(wish(100, green="new"), after, Weights(100, 0), ENGINES)


def test_a_proven_green_that_was_taken_back_may_return_in_one_go() -> None:
    shift = decide(wish(100), record(0, proven=BOTH_PROVEN), Weights(100, 0), ENGINES)
    assert (shift.rising, shift.need) == (GREEN, Need.LIVENESS)


def test_a_shift_that_nobody_proved_counts_from_the_weights_before_it() -> None:
    died = record(1).model_copy(update={"journal": Journal(before=Weights(99, 1), target=Weights(75, 25))})
    with pytest.raises(Refusal, match="at most 25"):
        decide(wish(75), died, Weights(75, 25), ENGINES)
    finished = decide(wish(25), died, Weights(75, 25), ENGINES)
    assert (finished.before, finished.need) == (Weights(99, 1), Need.RECEIPTS)
    undone = decide(wish(1), died, Weights(75, 25), ENGINES)
    assert (undone.changes, undone.need) == (False, Need.NOTHING)
