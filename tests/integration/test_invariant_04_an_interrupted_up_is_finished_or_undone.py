"""Invariant 4: live beats remembered. The next `up` finishes or undoes what an interrupted one began, and repairs what a hand changed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from probes.atomic_file import write_atomically
from probes.receipts import read_record, shift_lock
from probes.router_files import write_routes
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import live, live_stack, must, refused, set_canary
from tests.fakes.stack_faults import clear_faults, faulty, kill_session, set_faults, until

ALL_BLUE, CANARY, HALF = Weights(100, 0), Weights(75, 25), Weights(50, 50)
MANY_PROBES, FEW_PROBES = 4000, 200
"""Many leave time to kill an `up` between its write and its proof."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """One stack for all tests of this module, wherever the one before left its weights."""
    with live_stack(tmp_path_factory.mktemp("four"), steps=[25, 100]) as stack:
        must(stack.up())
        yield stack


@pytest.fixture
def stack(deployed: StackDriver) -> StackDriver:
    """All on blue; green is gated."""
    deployed.service()["proof"] = {"probes": FEW_PROBES}
    if live(deployed) != ALL_BLUE or deployed.service()["canaryWeight"] != 0:
        must(set_canary(deployed, 0))
    return deployed


def is_closed(stack: StackDriver) -> bool:
    """Whether no shift is left unfinished and the record says what is live."""
    record = read_record(stack.home.path, "chat")
    return record.journal is None and record.weights == live(stack)


def kill_between_write_and_proof(stack: StackDriver) -> None:
    """SIGKILL of a whole raise to 25 once the router has the weights."""
    stack.service()["proof"] = {"probes": MANY_PROBES}
    stack.service()["canaryWeight"] = 25
    up = stack.start_up()
    until(lambda: live(stack) == CANARY, "the weights are written")
    kill_session(up)
    up.communicate()
    stack.service()["proof"] = {"probes": FEW_PROBES}
    assert not is_closed(stack), "the proof was faster than the kill"
    assert live(stack) == CANARY


def start_gating(stack: StackDriver) -> tuple[subprocess.Popen[str], list[str]]:
    """A raise to 25 that has to gate green first, and is amid it; with the lines that it printed."""
    for file in (stack.home.path / "receipts").glob("chat-green-*"):
        file.unlink()
    stack.service()["canaryWeight"] = 25
    up = stack.start_up()
    lines: list[str] = []
    assert up.stdout is not None
    for line in up.stdout:
        lines.append(line)
        if re.search(r"chat-green-warmup (creat|updat)ing", line):
            return up, lines
    pytest.fail("no gate ran:\n" + "".join(lines))


def test_invariant_04_after_a_kill_between_write_and_proof_the_old_config_undoes_the_shift(stack: StackDriver) -> None:
    kill_between_write_and_proof(stack)
    must(set_canary(stack, 0))
    assert live(stack) == ALL_BLUE
    assert is_closed(stack)


def test_invariant_04_after_a_kill_between_write_and_proof_the_same_config_finishes_the_shift(stack: StackDriver) -> None:
    kill_between_write_and_proof(stack)
    ran = must(stack.up())
    assert "removed the lock of stack" in ran.output
    assert f"{ALL_BLUE} -> {CANARY}, proven" in ran.output
    assert live(stack) == CANARY
    assert is_closed(stack)
    again = must(stack.preview())
    assert "pending operations" not in again.output
    assert "updating" not in again.output.replace("previewing update", "")


def test_invariant_04_weights_changed_by_hand_are_shown_and_repaired(deployed: StackDriver) -> None:
    stack, was = deployed, live(deployed)
    write_routes(stack.home.path, "chat", HALF)
    until(lambda: live(stack) == HALF, "the router took them")
    shown = must(stack.preview())
    assert f"weights {HALF} -> {was}" in shown.output
    assert "chat-split" in shown.output
    refreshed = must(stack.refresh())
    assert re.search(r"~ .*chat-split updated", refreshed.output), refreshed.output
    assert live(stack) == HALF
    must(stack.up())
    assert live(stack) == was
    assert is_closed(stack)


def test_invariant_04_weights_that_are_none_are_repaired_too(deployed: StackDriver) -> None:
    stack, was = deployed, live(deployed)
    routes = stack.home.router / "routes.json"
    write_routes(stack.home.path, "chat", HALF)
    write_atomically(routes, routes.read_text().replace('"weight": 50', '"weight": 30'), 0o600)
    until(lambda: b'"weight": 30' in routes.read_bytes(), "written")
    must(stack.up())
    assert live(stack) == was
    assert is_closed(stack)


def test_invariant_04_an_interrupt_during_a_gate_leaves_the_weights_and_the_next_up_works(stack: StackDriver) -> None:
    with faulty(stack, Color.GREEN, first_token_delay_seconds=0.5):
        up, _lines = start_gating(stack)
        os.killpg(up.pid, signal.SIGINT)
        clear_faults(stack, Color.GREEN)
        output = up.communicate()[0]
    assert up.returncode != 0, output
    assert live(stack) == ALL_BLUE
    assert is_closed(stack)
    must(stack.up())
    assert live(stack) == CANARY


def test_invariant_04_a_second_up_at_the_same_time_is_refused(stack: StackDriver) -> None:
    set_faults(stack, Color.GREEN, first_token_delay_seconds=0.5)
    try:
        up, lines = start_gating(stack)
        refused(stack.up(), "currently locked")
        assert live(stack) == ALL_BLUE
    finally:
        clear_faults(stack, Color.GREEN)
    lines.append(up.communicate()[0])
    assert up.returncode == 0, "".join(lines)
    assert live(stack) == CANARY


def test_invariant_04_a_writer_outside_pulumis_lock_meets_the_lock_of_the_service(stack: StackDriver) -> None:
    with shift_lock(stack.home.path, "chat"):
        refused(set_canary(stack, 25), "got another `up` amid a shift, need one at a time")
        assert live(stack) == ALL_BLUE
    must(stack.up())
    assert live(stack) == CANARY


def test_invariant_04_a_shift_that_outlives_its_killed_up_is_met_with_advice_and_then_known_to_the_next(stack: StackDriver) -> None:
    stack.service()["proof"] = {"probes": MANY_PROBES}
    stack.service()["canaryWeight"] = 25
    up = stack.start_up()
    until(lambda: live(stack) == CANARY, "the weights are written")
    os.killpg(up.pid, signal.SIGKILL)  # the provider has a process group of its own
    up.wait()
    meeting = stack.up()
    if not meeting.ok:
        refused(meeting, "got another `up` amid a shift", "wait for it to end and run `pulumi up` again")
    until(lambda: is_closed(stack), "the shift is through")
    must(stack.up())
    assert live(stack) == CANARY
    assert stack.outputs()["weights"] == {"chat": {"blue": 75, "green": 25}}
    must(stack.up("--expect-no-changes"))
