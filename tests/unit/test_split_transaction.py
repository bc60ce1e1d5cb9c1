"""The order of a shift and the way back from every point of it."""

from __future__ import annotations

import pytest

from delivery.color import Color, Weights
from delivery.receipt import Verdict
from delivery.refusal import Refusal
from delivery.shift import Wish
from delivery.split_record import Journal, ProvenRun, SplitRecord
from providers.split_transaction import ShiftFailed, run
from tests.fakes.split_world import FakeSplitWorld, identity_of

BLUE, GREEN = Color.BLUE, Color.GREEN
ALL_BLUE, ONE, QUARTER = Weights(100, 0), Weights(99, 1), Weights(75, 25)
PROVEN = {BLUE: ProvenRun(release="b", engines=(identity_of(BLUE),))}


def wish(canary: int, active: Color = BLUE) -> Wish:
    return Wish("chat", active, Weights.of_canary(active, canary), (1, 25, 75, 100), {BLUE: "b", GREEN: "g"})


def world(live: Weights | None = ONE) -> FakeSplitWorld:
    return FakeSplitWorld(live, SplitRecord(weights=live, active=BLUE if live else None, proven=PROVEN if live else {}))


def refusal(fake: FakeSplitWorld, wanted: Wish) -> str:
    with pytest.raises(ShiftFailed) as failure:
        run(fake, wanted)
    return str(failure.value)


def test_a_raise_checks_then_journals_then_writes_then_proves_then_remembers() -> None:
    fake = world()
    proof = run(fake, wish(25))
    assert fake.calls == [
        "wake green", "receipts green", "token green", "smoke green", f"journal {QUARTER}", f"write {QUARTER}", f"read {QUARTER}",
        "count", "smoke green", "record",
    ]  # fmt: skip
    assert (proof.before, proof.weights, fake.record.journal, fake.record.weights) == (ONE, QUARTER, None, QUARTER)


def test_a_decrease_asks_nothing_of_the_color_it_leaves_and_no_receipt() -> None:
    fake = world(QUARTER)
    fake.dead = {GREEN}
    run(fake, wish(0))
    assert not [call for call in fake.calls if "green" in call and not call.startswith(("journal", "write", "read"))]
    assert not [call for call in fake.calls if call.startswith("receipts")]
    assert fake.live == ALL_BLUE


@pytest.mark.parametrize("verdict", [None, Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_a_raise_without_a_passing_receipt_writes_nothing(verdict: Verdict | None) -> None:
    fake = world()
    fake.verdicts[GREEN] = verdict
    assert f"Weights are unchanged at {ONE}" in refusal(fake, wish(25))
    assert not [call for call in fake.calls if call.startswith(("journal", "write"))]


def test_a_raise_on_an_engine_restarted_after_its_receipt_is_refused() -> None:
    fake = world()
    fake.started[GREEN] = "2.00"
    assert "was measured before green:1 started" in refusal(fake, wish(25))
    assert fake.live == ONE


def test_a_return_to_a_color_without_a_token_is_refused() -> None:
    fake = world(QUARTER)
    fake.dead = {BLUE}
    assert "no token within 10 s" in refusal(fake, wish(0))
    assert fake.live == QUARTER


def test_a_shift_of_more_than_a_step_writes_nothing() -> None:
    fake = world()
    with pytest.raises(Refusal, match="at most 25"):
        run(fake, wish(75))
    assert fake.calls == []


@pytest.mark.parametrize("step", ["write", "read", "count"])
def test_a_failure_after_the_journal_brings_back_the_weights_from_before(step: str) -> None:
    fake = world()
    fake.failures[step] = [OSError(28, "No space left on device")] if step == "write" else [ShiftFailed("no proof")]
    assert f"Weights are unchanged at {ONE}" in refusal(fake, wish(25))
    assert (fake.live, fake.record.journal, fake.record.weights) == (ONE, None, ONE)


def test_a_split_that_is_not_as_written_is_taken_back_with_the_counts() -> None:
    fake = world()
    fake.observed = [{BLUE: 200, GREEN: 0}] * 2
    assert "0" in refusal(fake, wish(25))
    assert fake.live == ONE


def test_a_dead_blue_does_not_block_rolling_forward() -> None:
    fake = world()
    fake.dead = {BLUE}
    fake.observed = [{BLUE: 0, GREEN: 200}] * 2
    run(fake, wish(25))
    assert fake.live == QUARTER


def test_a_broken_stream_after_the_write_is_taken_back() -> None:
    fake = world()
    fake.broken_answers[GREEN] = [None, "a stream that was cut"]
    assert "a stream that was cut" in refusal(fake, wish(25))
    assert fake.live == ONE


def test_weights_that_cannot_be_restored_leave_the_journal_for_the_next_up() -> None:
    fake = world()
    fake.failures = {"count": [ShiftFailed("no proof")], "write": [None, OSError("disk")]}
    assert "could not be restored" in refusal(fake, wish(25))
    assert fake.record.journal == Journal(before=ONE, target=QUARTER)


def test_an_interruption_brings_back_the_weights_and_passes_on() -> None:
    fake = world()
    fake.failures["count"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        run(fake, wish(25))
    assert (fake.live, fake.record.journal) == (ONE, None)


@pytest.mark.parametrize(("canary", "weights"), [(25, QUARTER), (1, ONE)])
def test_a_shift_whose_up_was_killed_is_finished_or_undone(canary: int, weights: Weights) -> None:
    fake = world()
    fake.live, fake.record = QUARTER, fake.record.model_copy(update={"journal": Journal(before=ONE, target=QUARTER)})
    run(fake, wish(canary))
    assert (fake.live, fake.record.journal, fake.record.weights) == (weights, None, weights)


def test_a_failed_first_deployment_leaves_a_service_without_weights() -> None:
    fake = world(None)
    fake.failures["count"] = [ShiftFailed("no proof")]
    assert "No weights are set" in refusal(fake, wish(0))
    assert fake.live is None


def test_a_color_at_100_is_remembered_as_proven_with_its_engines() -> None:
    fake = world(Weights(25, 75))
    run(fake, wish(100))
    assert fake.record.proven[GREEN] == ProvenRun(release="g", engines=(identity_of(GREEN),))
    assert fake.record.proven[BLUE] == PROVEN[BLUE]
