"""Invariant 5: weights 0/0 can't be written. Envoy would answer 404 to everyone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.color import Weights
from probes.atomic_file import write_atomically
from probes.router_files import write_routes
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import live, live_stack, must, refused
from tests.fakes.stack_faults import ask, kill_program, until

ALL_BLUE = Weights(100, 0)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue."""
    with live_stack(tmp_path_factory.mktemp("five")) as stack:
        must(stack.up())
        yield stack


def forged(blue: int, green: int) -> Weights:
    """Weights that the class itself refuses: what a mistake in the program would have to come up with."""
    weights = object.__new__(Weights)
    object.__setattr__(weights, "blue", blue)
    object.__setattr__(weights, "green", green)
    return weights


@pytest.mark.parametrize(("blue", "green"), [(0, 0), (100, 100), (50, 49), (-1, 101)])
def test_invariant_05_weights_that_do_not_sum_to_100_cannot_be_made(blue: int, green: int) -> None:
    with pytest.raises(ValueError, match="sum to 100"):
        Weights(blue, green)


def test_invariant_05_the_router_is_not_told_weights_of_nothing(stack: StackDriver) -> None:
    before = (stack.home.router / "routes.json").read_bytes()
    with pytest.raises(ValueError, match="sum to 100"):
        write_routes(stack.home.path, "chat", forged(0, 0))
    assert (stack.home.router / "routes.json").read_bytes() == before
    assert live(stack) == ALL_BLUE


def test_invariant_05_a_config_without_any_weight_is_refused(stack: StackDriver) -> None:
    stack.service()["canaryWeight"] = 101
    try:
        refused(stack.preview(), "services.chat.canaryWeight", "101")
    finally:
        stack.service()["canaryWeight"] = 0
    assert live(stack) == ALL_BLUE


def test_invariant_05_a_route_file_that_a_hand_emptied_is_written_anew_and_survives_a_restart_of_the_router(stack: StackDriver) -> None:
    routes = stack.home.router / "routes.json"
    write_atomically(routes, routes.read_text().replace('"weight": 100', '"weight": 0'), 0o600)
    shown = must(stack.preview())
    assert "router-files" in shown.output  # Envoy keeps what it had; its next start would find no route at all
    must(stack.up())
    kill_program(stack, "router")
    until(lambda: ask(stack.config["basePort"], "GET", "/v1/models") == 200, "the router answers again")
    assert live(stack) == ALL_BLUE
