"""Invariant 1: no weight rises without passing receipts for exactly this release, these engine processes and this evaluation set.

The split checks it itself against the live engines, so neither a gate remembered from a failed `up` nor `--target` gets past it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName, Receipt, Verdict
from probes.atomic_file import write_atomically
from probes.receipts import read_receipt, write_receipt
from scripts.stack_driver import Ran, StackDriver
from tests.fakes.live_stack import BAD, live, live_stack, must, refused, set_canary
from tests.fakes.stack_faults import kill_engine

ALL_BLUE = Weights(100, 0)
STEPS = [10, 20, 30, 40, 50, 60, 100]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """One stack for all tests of this module. Green is the canary and gated; `--target` then finds green in front of the split, in the
    state and in the config. Each test goes one step up from where it finds the weights."""
    with live_stack(tmp_path_factory.mktemp("one"), steps=STEPS) as stack:
        must(stack.up())
        must(set_canary(stack, STEPS[0]))
        yield stack


@pytest.fixture
def before(stack: StackDriver) -> Weights:
    """The weights at which a test begins."""
    weights = live(stack)
    assert weights is not None
    return weights


def step_above(weights: Weights) -> int:
    """The next step of the canary."""
    return next(step for step in STEPS if step > weights.green)


def unchanged(weights: Weights) -> str:
    """What a refused shift says."""
    return f"Weights are unchanged at {weights}"


def receipts(stack: StackDriver) -> dict[GateName, Receipt]:
    """What green's gates left."""
    found = {gate: read_receipt(stack.home.path, "chat", Color.GREEN, gate) for gate in GateName}
    return {gate: receipt for gate, receipt in found.items() if receipt}


def up_of_the_split(stack: StackDriver, percent: int) -> Ran:
    """A raise with `--target`, which leaves every gate out."""
    stack.service()["canaryWeight"] = percent
    return stack.up("--target", "urn:pulumi:it::verdigris::**::chat-split")


def test_invariant_01_after_a_failed_router_write_the_next_up_gates_a_restarted_engine_again(stack: StackDriver, before: Weights) -> None:
    step = step_above(before)
    routes = stack.home.router / "routes.json"
    text = routes.read_text()
    routes.unlink()
    routes.mkdir()  # a rename onto a folder fails, for root too
    try:
        refused(set_canary(stack, step), "routes.json")
    finally:
        routes.rmdir()
        write_atomically(routes, text, 0o600)
    assert live(stack) == before
    old = receipts(stack)
    kill_engine(stack, Color.GREEN)
    ran = must(set_canary(stack, step))
    assert live(stack) == Weights.of_canary(Color.BLUE, step)
    assert "chat/green: warmup pass" in ran.output
    assert "chat/green: eval pass" in ran.output
    assert {receipt.engines for receipt in old.values()}.isdisjoint(receipt.engines for receipt in receipts(stack).values())


def test_invariant_01_a_targeted_split_without_receipts_is_refused(stack: StackDriver, before: Weights) -> None:
    for file in (stack.home.path / "receipts").glob("chat-green-*"):
        file.unlink()
    refused(up_of_the_split(stack, step_above(before)), "chat/green", "was never measured", unchanged(before))
    assert live(stack) == before
    assert "chat/green: eval pass" in must(stack.up()).output
    assert live(stack) == Weights.of_canary(Color.BLUE, step_above(before))


def test_invariant_01_an_engine_restarted_after_its_receipt_is_refused_until_it_is_gated_again(stack: StackDriver, before: Weights) -> None:
    kill_engine(stack, Color.GREEN)
    refused(up_of_the_split(stack, step_above(before)), "chat/green", "was measured before", unchanged(before))
    assert live(stack) == before
    assert "chat/green: eval pass" in must(stack.up()).output
    assert live(stack) == Weights.of_canary(Color.BLUE, step_above(before))


def test_invariant_01_a_receipt_of_another_evaluation_set_does_not_hold(stack: StackDriver, before: Weights) -> None:
    write_receipt(stack.home.path, receipts(stack)[GateName.EVAL].model_copy(update={"evaluation_set": "another"}))
    refused(up_of_the_split(stack, step_above(before)), "was measured with evaluation set another, not", unchanged(before))
    assert live(stack) == before
    ran = must(stack.up())
    assert "chat/green: eval pass" in ran.output
    assert "chat/green: warmup" not in ran.output
    assert live(stack) == Weights.of_canary(Color.BLUE, step_above(before))


def test_invariant_01_a_raise_from_0_that_targets_the_split_alone_moves_nothing_and_a_rollback_may_be_targeted(stack: StackDriver) -> None:
    must(up_of_the_split(stack, 0))
    assert live(stack) == ALL_BLUE
    must(stack.up())
    refused(up_of_the_split(stack, STEPS[0]), "Duplicate resource URN")
    assert live(stack) == ALL_BLUE
    assert "measured already: pass" in must(stack.up()).output
    assert live(stack) == Weights.of_canary(Color.BLUE, STEPS[0])


def test_invariant_01_a_bad_release_is_refused_by_the_evaluation_with_its_numbers(stack: StackDriver) -> None:
    must(set_canary(stack, 0))
    stack.service()["green"] = {"release": BAD}
    ran = refused(set_canary(stack, STEPS[0]), "chat/green: eval fail", "of 120 right", "need 80 %", "Its weight was not raised")
    assert "chat/green: warmup pass" in ran.output
    assert live(stack) == ALL_BLUE
    assert receipts(stack)[GateName.EVAL].verdict is Verdict.FAIL
    refused(up_of_the_split(stack, STEPS[0]), "eval is fail", unchanged(ALL_BLUE))
    assert live(stack) == ALL_BLUE
