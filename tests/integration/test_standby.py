"""What a color does at weight 0 besides being warm: asleep, and off."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from probes import own_processes
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import ALSO_GOOD, engine_port, live, live_stack, must, set_canary
from tests.fakes.open_stream import OpenStream
from tests.fakes.stack_faults import clear_faults, program, set_faults, until

ALL_BLUE, CANARY = Weights(100, 0), Weights(75, 25)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue; green was measured and sleeps."""
    green = {"release": ALSO_GOOD, "standby": "asleep"}
    with live_stack(tmp_path_factory.mktemp("standby"), steps=[25, 100], green=green, destroy=True) as stack:
        ran = must(stack.up())
        assert "chat/green: eval pass" in ran.output
        assert is_asleep(stack)
        yield stack


def is_asleep(stack: StackDriver) -> bool:
    """Whether green's engine says so."""
    connection = http.client.HTTPConnection("127.0.0.1", engine_port(stack, Color.GREEN), timeout=10)
    try:
        connection.request("GET", "/is_sleeping")
        return bool(json.loads(connection.getresponse().read())["is_sleeping"])
    finally:
        connection.close()


def test_a_pool_that_sleeps_is_neither_measured_nor_changed_again(stack: StackDriver) -> None:
    ran = must(stack.up())
    assert "updated" not in ran.output, ran.output
    assert is_asleep(stack)


def test_a_raise_wakes_a_pool_without_measuring_it_again_and_a_rollback_puts_it_to_sleep_after_its_last_stream(stack: StackDriver) -> None:
    ran = must(set_canary(stack, 25))
    assert "chat/green: waking" in ran.output
    assert "chat/green: eval" not in ran.output
    assert live(stack) == CANARY
    assert not is_asleep(stack)
    set_faults(stack, Color.GREEN, hang=True)
    stream = OpenStream(stack, Color.GREEN)
    until(lambda: stack.router.in_flight("chat", Color.GREEN) == 1, "the stream is open")
    stack.service()["canaryWeight"] = 0
    up = stack.start_up()
    assert up.stdout is not None
    for line in up.stdout:
        if "chat/green: not asleep yet, 1 requests" in line:
            break
    assert live(stack) == ALL_BLUE
    assert not is_asleep(stack)
    assert stream.text is None
    clear_faults(stack, Color.GREEN)
    stream.assert_whole()
    rest = up.communicate(timeout=300)[0]
    assert up.returncode == 0, rest
    assert is_asleep(stack)


def test_a_pool_that_is_off_has_no_engine_until_a_raise_starts_and_gates_it(stack: StackDriver) -> None:
    name = program(Color.GREEN)
    stack.service()["green"]["standby"] = "off"
    must(stack.up())
    assert not own_processes.find(stack.home.path, name)
    ran = must(set_canary(stack, 25))
    assert "chat/green: warmup pass" in ran.output
    assert "chat/green: eval pass" in ran.output
    assert live(stack) == CANARY
    must(set_canary(stack, 0))
    assert live(stack) == ALL_BLUE
    assert not own_processes.find(stack.home.path, name)
