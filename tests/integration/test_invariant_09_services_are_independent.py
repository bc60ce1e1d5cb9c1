"""Invariant 9: gates and splits of one service depend on nothing of another, broken or not."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName
from probes.receipts import read_receipt
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import ALSO_GOOD, BAD, live, live_stack, must, refused
from tests.fakes.stack_faults import ask

ALL_BLUE, CANARY = Weights(100, 0), Weights(75, 25)
ENGINE_PORTS = {"chat": 20, "code": 120}
"""Above the base port. The last ones belong to the next stack's block, which no test of this worker uses at the same time."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """Two services, each all on blue with a gated green and one step to 25."""
    with live_stack(tmp_path_factory.mktemp("nine"), steps=[25, 100]) as stack:
        one = stack.service()
        base = int(stack.config["basePort"])
        stack.config["services"] = {
            name: copy.deepcopy(one) | {"pathPrefix": f"/{name}", "enginePort": base + offset} for name, offset in ENGINE_PORTS.items()
        }
        must(stack.up())
        yield stack


def port(stack: StackDriver, service: str, color: Color) -> int:
    """Of a service's engine."""
    return int(stack.config["basePort"]) + ENGINE_PORTS[service] + (0 if color is Color.BLUE else 50)


def test_invariant_09_a_failing_gate_of_one_does_not_stop_the_shift_of_another(stack: StackDriver) -> None:
    stack.service("chat")["green"] = {"release": BAD}
    for name in ENGINE_PORTS:
        stack.service(name)["canaryWeight"] = 25
    refused(stack.up(), "chat/green: eval fail", "Its weight was not raised")
    assert (live(stack, "chat"), live(stack, "code")) == (ALL_BLUE, CANARY)


def test_invariant_09_a_rollback_of_one_neither_waits_for_nor_measures_another_that_hangs(stack: StackDriver) -> None:
    stack.service("chat")["green"] = {"release": ALSO_GOOD}
    for name in ENGINE_PORTS:
        stack.service(name)["canaryWeight"] = 25
    must(stack.up())
    assert (live(stack, "chat"), live(stack, "code")) == (CANARY, CANARY)
    kept = {(color, gate): read_receipt(stack.home.path, "code", color, gate) for color in Color for gate in GateName}
    for color in Color:
        assert ask(port(stack, "code", color), "POST", "/simulator/faults", {"hang": True}) == 200
    try:
        stack.service("chat")["canaryWeight"] = 0
        ran = must(stack.up())
        assert (live(stack, "chat"), live(stack, "code")) == (ALL_BLUE, CANARY)
        assert "code/" not in ran.output, ran.output
        assert {(color, gate): read_receipt(stack.home.path, "code", color, gate) for color in Color for gate in GateName} == kept
    finally:
        for color in Color:
            assert ask(port(stack, "code", color), "DELETE", "/simulator/faults") == 200
