"""Invariant 13: addresses follow from the config. No change of a pool ripples into the router."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from probes import own_processes, programs
from scripts.stack_driver import Ran, StackDriver
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


def changed_by(ran: Ran) -> dict[str, str]:
    """What an `up` did: `updated`, `created`, … by the name of the resource. The stack itself and what stayed the same are left out."""
    assert ran.ok, ran.output
    done = re.findall(r"^ *[-+~]+ +(?:verdigris|pulumi-python):\S+ (\S+) (created|updated|deleted|replaced)\b", ran.output, re.MULTILINE)
    assert done, ran.output
    return dict(done)


def router_pid(stack: StackDriver) -> int:
    """The router's process."""
    return programs.status(stack.home, "router").pid


def test_invariant_13_another_release_or_no_pool_at_all_changes_of_the_router_only_its_files(stack: StackDriver) -> None:
    address, pid = stack.outputs()["url"], router_pid(stack)

    stack.service()["green"] = {"release": BAD}
    changes = changed_by(stack.up())
    assert changes["router-files"] == "updated"
    assert changes["chat-green-0"] == "updated"
    assert changes.keys() <= OF_GREEN | {"router-files"}, changes
    assert (router_pid(stack), live(stack)) == (pid, ALL_BLUE)

    del stack.service()["green"]
    changes = changed_by(stack.up())
    assert changes["chat-green-0"] == "deleted"
    assert changes.keys() <= OF_GREEN | {"router-files"}, changes
    assert not own_processes.find(stack.home.path, program(Color.GREEN))

    stack.service()["green"] = {"release": ALSO_GOOD}
    changes = changed_by(stack.up())
    assert changes["chat-green-0"] == "created"
    assert changes.keys() <= OF_GREEN | {"router-files"}, changes
    assert (stack.outputs()["url"], router_pid(stack), live(stack)) == (address, pid, ALL_BLUE)
