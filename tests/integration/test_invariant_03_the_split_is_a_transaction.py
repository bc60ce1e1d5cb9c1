"""Invariant 3: a shift is proven or undone. Whatever fails after the gates, the weights that were live stay live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from delivery.color import Color, Weights
from probes.receipts import read_record
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import live, live_stack, must, refused, set_canary
from tests.fakes.stack_faults import SmallDisk, as_soon_as_live, clear_faults, dead, faulty, set_faults, small_disk

ALL_BLUE, CANARY = Weights(100, 0), Weights(75, 25)
UNCHANGED = f"Weights are unchanged at {ALL_BLUE}"
PROBES, FEW_PROBES = 2000, 200
"""So many that a test can break something between the write and the proof; few where it doesn't."""


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StackDriver, SmallDisk, SmallDisk]]:
    """Blue carries everything, green is gated and carries nothing; each test leaves it so. The home and the router's folder in it are
    file systems of their own."""
    folder = tmp_path_factory.mktemp("three")
    home = folder / "home" / "it"
    with (
        small_disk(home, 65_536) as everything,
        small_disk(home / "router", 16_384) as router,
        live_stack(folder, steps=[25, 100], proof={"probes": PROBES}) as stack,
    ):
        must(stack.up())
        yield stack, everything, router


@pytest.fixture
def stack(disks: tuple[StackDriver, SmallDisk, SmallDisk]) -> StackDriver:
    """The stack, all on blue, with many probes."""
    stack = disks[0]
    if live(stack) != ALL_BLUE:  # a test before this one failed
        stack.service()["proof"] = {"probes": FEW_PROBES}
        must(set_canary(stack, 0))
    stack.service()["proof"] = {"probes": PROBES}
    return stack


def is_closed(stack: StackDriver) -> bool:
    """Whether no shift is left unfinished and the record says what is live."""
    record = read_record(stack.home.path, "chat")
    return record.journal is None and record.weights == live(stack)


def test_invariant_03_an_engine_that_breaks_after_its_gates_is_found_before_anything_is_written(stack: StackDriver) -> None:
    with faulty(stack, Color.GREEN, cut_rate=1.0):
        ran = refused(set_canary(stack, 25), "chat/green", "through the router", UNCHANGED)
    assert "chat/green: eval" not in ran.output  # its receipts hold: the smoke test found it
    assert live(stack) == ALL_BLUE
    assert is_closed(stack)


def test_invariant_03_a_split_that_cannot_be_proven_is_taken_back(stack: StackDriver) -> None:
    with ExitStack() as broken, as_soon_as_live(stack, CANARY, lambda: broken.enter_context(dead(stack, Color.GREEN))):
        refused(set_canary(stack, 25), f"of {PROBES} probes at weight", UNCHANGED)
        assert live(stack) == ALL_BLUE
        assert is_closed(stack)
    stack.service()["proof"] = {"probes": FEW_PROBES}
    must(set_canary(stack, 0))  # gates the restarted green for the next test


def test_invariant_03_a_stream_that_is_cut_after_the_write_takes_the_shift_back(stack: StackDriver) -> None:
    with as_soon_as_live(stack, CANARY, lambda: set_faults(stack, Color.GREEN, cut_rate=1.0)):
        refused(set_canary(stack, 25), "streamed", f"at {CANARY}", UNCHANGED)
    clear_faults(stack, Color.GREEN)
    assert live(stack) == ALL_BLUE
    assert is_closed(stack)


def test_invariant_03_a_full_disk_leaves_the_weights_and_the_next_up_shifts(
    disks: tuple[StackDriver, SmallDisk, SmallDisk], stack: StackDriver
) -> None:
    _, everything, router = disks
    stack.service()["proof"] = {"probes": FEW_PROBES}
    before = (stack.home.router / "routes.json").read_bytes()
    for disk in (router, everything):
        with disk.full():
            refused(set_canary(stack, 25), "No space left on device", UNCHANGED)
            assert live(stack) == ALL_BLUE
            assert (stack.home.router / "routes.json").read_bytes() == before
    must(set_canary(stack, 25))
    assert live(stack) == CANARY
    assert is_closed(stack)
