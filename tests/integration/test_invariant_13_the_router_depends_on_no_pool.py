"""Invariant 13: addresses follow from the config. No change of a pool ripples into the router."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from probes import own_processes, programs
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import ALSO_GOOD, BAD, live, live_stack, must
from tests.fakes.stack_faults import program

ALL_BLUE = Weights(100, 0)
OF_GREEN = {"chat-green", "chat-green-0", "chat-green-drain", "chat-green-warmup", "chat-green-eval"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue, green gated."""
    with live_stack(tmp_path_factory.mktemp("thirteen")) as stack:
        must(stack.up())
        yield stack


def changed(stack: StackDriver) -> dict[str, str]:
    """What a preview would change: the operation by the name of the resource."""
    output = must(stack.preview("--json", "--show-sames")).output
    steps = json.loads(output[output.index("{") :])["steps"]
    return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] not in ("same", "read")}


def router_pid(stack: StackDriver) -> int:
    """The router's process."""
    return programs.status(stack.home, "router").pid


def test_invariant_13_another_release_of_a_pool_changes_of_the_router_only_its_files(stack: StackDriver) -> None:
    address, pid = stack.outputs()["url"], router_pid(stack)
    stack.service()["green"] = {"release": BAD}
    changes = changed(stack)
    assert "router-files" in changes
    assert "chat-green-0" in changes
    assert changes.keys() <= OF_GREEN | {"router-files"}, changes
    must(stack.up())
    assert (stack.outputs()["url"], router_pid(stack), live(stack)) == (address, pid, ALL_BLUE)


def test_invariant_13_a_pool_can_be_removed_and_added_without_a_change_of_the_router(stack: StackDriver) -> None:
    address, pid = stack.outputs()["url"], router_pid(stack)
    del stack.service()["green"]
    changes = changed(stack)
    assert changes["chat-green-0"] == "delete"
    assert changes.keys() <= OF_GREEN | {"router-files"}, changes
    must(stack.up())
    assert not own_processes.find(stack.home.path, program(Color.GREEN))
    stack.service()["green"] = {"release": ALSO_GOOD}
    changes = changed(stack)
    assert changes["chat-green-0"] == "create"
    assert changes.keys() <= OF_GREEN | {"router-files"}, changes
    must(stack.up())
    assert (stack.outputs()["url"], router_pid(stack), live(stack)) == (address, pid, ALL_BLUE)
