"""Invariant 2: a decrease is always allowed and never waits for the color it leaves, however that color is broken.

Each test begins at 25 % on green, breaks a color, reverts the config and looks at one `up`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName
from probes.receipts import read_receipt
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import live, live_stack, must, refused, set_canary
from tests.fakes.stack_faults import dead, faulty, frozen, program

ALL_BLUE, CANARY = Weights(100, 0), Weights(75, 25)
WARMUP_SECONDS = 300
"""A rollback that waited for the gates of a broken green would take longer than this."""

HOW_GREEN_BREAKS = ["hung", "erroring", "frozen", "dead"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue, green gated, one step to 25. Gates may wait for very long."""
    with live_stack(tmp_path_factory.mktemp("two"), steps=[25, 100]) as stack:
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = WARMUP_SECONDS
        must(stack.up())
        yield stack


@pytest.fixture
def at_25(stack: StackDriver) -> StackDriver:
    """A quarter of the traffic is on green."""
    must(set_canary(stack, 25))
    assert live(stack) == CANARY
    return stack


def broken(stack: StackDriver, color: Color, how: str) -> AbstractContextManager[None]:
    """One way in which an engine breaks; it is whole again afterwards."""
    if how == "dead":
        return dead(stack, color)
    if how == "frozen":
        return frozen(stack, program(color))
    return faulty(stack, color, **({"hang": True} if how == "hung" else {"error_rate": 1.0}))


@pytest.mark.parametrize("how", HOW_GREEN_BREAKS)
def test_invariant_02_a_rollback_goes_back_in_one_up_without_waiting_for_a_broken_green(at_25: StackDriver, how: str) -> None:
    measured = {gate: read_receipt(at_25.home.path, "chat", Color.GREEN, gate) for gate in GateName}
    with broken(at_25, Color.GREEN, how):
        ran = must(set_canary(at_25, 0))
        assert live(at_25) == ALL_BLUE
        assert ran.seconds < WARMUP_SECONDS
        assert "chat/green: warm" not in ran.output, ran.output
        assert "chat/green: eval" not in ran.output, ran.output
        assert {gate: read_receipt(at_25.home.path, "chat", Color.GREEN, gate) for gate in GateName} == measured


def test_invariant_02_a_return_to_a_dead_blue_is_refused_and_moves_nothing(at_25: StackDriver) -> None:
    with broken(at_25, Color.BLUE, "dead"):
        refused(set_canary(at_25, 0), "chat/blue", "got no token", "look at its engines' logs", f"Weights are unchanged at {CANARY}")
        assert live(at_25) == CANARY
