"""Invariant 10: `check` and `diff` only read, answer within seconds and cope with a world that can't be reached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from probes import programs
from probes.supervisor_rpc import call
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import live, live_stack, must, set_canary
from tests.fakes.stack_faults import ask, frozen, kill_program, program, until

QUARTER = Weights(75, 25)
PREVIEW_SECONDS = 120.0
"""A preview takes a few seconds; one that waited for a hung engine's gate would take the gate's deadline, which is longer than this."""

GATE_SECONDS = 300


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """A quarter of the traffic on green."""
    with live_stack(tmp_path_factory.mktemp("ten"), steps=[25, 75, 100]) as stack:
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = GATE_SECONDS
        must(stack.up())
        must(set_canary(stack, 25))
        yield stack


def stop(stack: StackDriver, name: str) -> None:
    """As a person does with supervisorctl."""
    call(stack.home, "stopProcess", name, False)
    until(lambda: programs.status(stack.home, name).state is programs.ProcessState.STOPPED, f"{name} stopped")


def router_answers(stack: StackDriver) -> bool:
    """Whether clients get through."""
    return ask(stack.config["basePort"], "GET", "/v1/models") == 200


def test_invariant_10_a_preview_with_router_and_engines_frozen_says_what_it_does_not_know(stack: StackDriver) -> None:
    files = {path: path.read_bytes() for path in stack.home.path.rglob("*.json")}
    stack.service()["canaryWeight"] = 75
    try:
        with frozen(stack, "router", program(Color.BLUE), program(Color.GREEN)):
            ran = must(stack.preview())
    finally:
        stack.service()["canaryWeight"] = 25
    assert ran.seconds < PREVIEW_SECONDS
    assert "live weights unknown" in ran.output
    assert f"last known weights {QUARTER}" in ran.output
    assert "warmup: runs" in ran.output
    assert "eval: runs" in ran.output
    assert {path: path.read_bytes() for path in stack.home.path.rglob("*.json")} == files
    assert live(stack) == QUARTER


def test_invariant_10_a_router_stopped_by_hand_is_unknown_to_a_preview_and_started_by_an_up(stack: StackDriver) -> None:
    stop(stack, "router")
    ran = must(stack.preview())
    assert "live weights unknown" in ran.output
    assert not router_answers(stack)
    must(stack.up())
    assert router_answers(stack)
    assert live(stack) == QUARTER


def test_invariant_10_a_killed_router_comes_back_with_the_same_weights(stack: StackDriver) -> None:
    kill_program(stack, "router")
    until(lambda: router_answers(stack), "the router answers again")
    assert live(stack) == QUARTER


