"""Invariant 2: the revert of any commit of a rollout is a legal change, and a dead active release does not block rolling forward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from delivery.color import Color, Weights
from delivery.shift import Need, Wish, decide
from delivery.split_record import ProvenRun, SplitRecord
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import ALSO_GOOD, GOOD, live, live_stack, must, set_canary
from tests.fakes.stack_faults import dead, frozen, program

BLUE, GREEN = Color.BLUE, Color.GREEN
ALL_BLUE, ONE, QUARTER = Weights(100, 0), Weights(99, 1), Weights(75, 25)
STEPS = (1, 25, 75, 100)
ENGINES = {BLUE: ("b:1@1.00",), GREEN: ("g:1@1.00",)}
ROLLOUT = [(BLUE, 0), (BLUE, 1), (BLUE, 25), (BLUE, 75), (BLUE, 100), (GREEN, 0)]
"""The commits of a rollout from blue to green: active color and canaryWeight."""


def wish(active: Color, canary: int) -> Wish:
    """What a commit asks for."""
    return Wish("chat", active, Weights.of_canary(active, canary), STEPS, {BLUE: "b", GREEN: "g"})


def after(record: SplitRecord, wanted: Wish) -> SplitRecord:
    """What is remembered once a wish came true."""
    proven = {color: ProvenRun(release=wanted.releases[color], engines=ENGINES[color]) for color in Color if wanted.target.of(color) == 100}
    return SplitRecord(weights=wanted.target, active=wanted.active, proven={**record.proven, **proven})


def rolled_out(commits: int) -> SplitRecord:
    """The record after so many commits of the rollout, each of them a legal change."""
    record = SplitRecord()
    for active, canary in ROLLOUT[:commits]:
        wanted = wish(active, canary)
        decide(wanted, record, record.weights, ENGINES)
        record = after(record, wanted)
    return record


@pytest.mark.parametrize("commit", range(1, len(ROLLOUT)), ids=lambda commit: f"{ROLLOUT[commit][0]}-{ROLLOUT[commit][1]}")
@pytest.mark.parametrize("restarted", [None, BLUE, GREEN])
def test_invariant_02_the_revert_of_every_commit_of_a_rollout_is_legal_and_needs_no_gate(commit: int, restarted: Color | None) -> None:
    record = rolled_out(commit + 1)
    engines = {**ENGINES, restarted: (f"{restarted}:1@2.00",)} if restarted else ENGINES
    shift = decide(wish(*ROLLOUT[commit - 1]), record, record.weights, engines)
    assert shift.need in (Need.NOTHING, Need.LIVENESS)


@pytest.mark.parametrize("commit", range(1, 5))
def test_invariant_02_everything_of_a_rollout_can_be_reverted_at_once(commit: int) -> None:
    record = rolled_out(commit + 1)
    shift = decide(wish(BLUE, 0), record, record.weights, {BLUE: ENGINES[BLUE]})
    assert (shift.target, shift.need) == (ALL_BLUE, Need.LIVENESS)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue, green gated."""
    with live_stack(tmp_path_factory.mktemp("forward"), steps=[25, 100]) as stack:
        must(stack.up())
        yield stack


def test_invariant_02_a_broken_blue_does_not_block_a_new_release_on_green_and_a_decrease_asks_for_no_receipt(stack: StackDriver) -> None:
    roll_forward_beside(stack, dead(stack, BLUE), GOOD)
    must(set_canary(stack, 0))
    assert live(stack) == ALL_BLUE
    roll_forward_beside(stack, frozen(stack, program(BLUE)), ALSO_GOOD)
    for file in (stack.home.path / "receipts").glob("chat-*"):
        file.unlink()
    stack.service()["steps"] = [10, 25, 100]
    ran = must(set_canary(stack, 10))
    assert live(stack) == Weights(90, 10)
    assert "pass:" not in ran.output, ran.output
    assert not list((stack.home.path / "receipts").glob("chat-*")), "a gate ran"


def roll_forward_beside(stack: StackDriver, broken: AbstractContextManager[None], release: str) -> None:
    """Another release than before on green: it is gated while blue is broken, and gets a quarter."""
    stack.service()["green"] = {"release": release}
    with broken:
        ran = must(set_canary(stack, 25))
        assert "chat/green: eval pass" in ran.output
        assert live(stack) == QUARTER
