"""What Pulumi says of a stack is what is there: nothing changes without a reason, drift shows, and nothing is left after `destroy`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from probes import own_processes, programs, supervisor
from probes.ports import listeners
from probes.supervisor_rpc import call
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import engine_port, live, live_stack, must, set_canary
from tests.fakes.stack_faults import program, until

ALL_BLUE, ALL_GREEN = Weights(100, 0), Weights(0, 100)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """A stack after a whole rollout: green is active and carries everything, blue is the standby."""
    with live_stack(tmp_path_factory.mktemp("drift"), steps=[50, 100]) as stack:
        must(stack.up())
        for percent in (50, 100):
            must(set_canary(stack, percent))
        stack.service()["active"] = "green"
        ran = must(set_canary(stack, 0))
        assert "deleted" not in ran.output
        yield stack


def state_of(stack: StackDriver, name: str) -> str:
    """The state of a program as Pulumi remembers it."""
    output = must(stack.run("stack", "export", "--stack", stack.name)).output
    resources = json.loads(output[output.index("{") :])["deployment"]["resources"]
    (found,) = [one["outputs"]["state"] for one in resources if one["urn"].endswith(f"::{name}")]
    return str(found)


def test_an_up_without_a_change_changes_nothing_after_a_whole_rollout(stack: StackDriver) -> None:
    must(stack.up("--expect-no-changes"))
    must(stack.refresh("--expect-no-changes"))
    assert live(stack) == ALL_GREEN


def test_an_engine_stopped_by_hand_shows_and_the_next_up_starts_it(stack: StackDriver) -> None:
    name = program(Color.BLUE)
    call(stack.home, "stopProcess", name, True)
    shown = stack.preview("--expect-no-changes")
    assert not shown.ok
    assert name in shown.output
    must(stack.refresh())
    assert state_of(stack, name) == "stopped"
    must(stack.up())
    until(lambda: programs.status(stack.home, name).state is programs.ProcessState.RUNNING, "the engine runs again")
    assert state_of(stack, name) == "running"
    must(stack.up())  # measures the new process, unless the one before did
    must(stack.up("--expect-no-changes"))


def test_weights_changed_by_hand_show_and_the_next_up_brings_them_back(stack: StackDriver) -> None:
    stack.router.write_weights("chat", ALL_BLUE)
    until(lambda: live(stack) == ALL_BLUE, "the router has other weights")
    assert not stack.preview("--expect-no-changes").ok
    must(stack.up())
    assert live(stack) == ALL_GREEN


def test_a_dead_supervisord_is_announced_with_what_the_next_up_restarts(stack: StackDriver) -> None:
    warning = "supervisord is dead: `pulumi up` ends chat-blue-0, chat-green-0, router and starts them again"
    daemon = supervisor.daemon_pid(stack.home)
    assert daemon is not None
    assert warning not in must(stack.preview()).output
    before = own_processes.find(stack.home.path)
    os.kill(daemon, signal.SIGKILL)
    until(lambda: supervisor.daemon_pid(stack.home) is None, "the daemon is gone")
    assert warning in must(stack.preview()).output
    assert own_processes.find(stack.home.path) == {pid: name for pid, name in before.items() if pid != daemon}
    assert live(stack) == ALL_GREEN
    must(stack.up())
    until(lambda: set(own_processes.find(stack.home.path).values()) == set(before.values()), "everything runs again")
    assert warning not in must(stack.up()).output
    assert live(stack) == ALL_GREEN


def test_destroy_leaves_no_process_and_no_port(stack: StackDriver) -> None:
    ports = [int(stack.config["basePort"]), int(stack.config["basePort"]) + 1, *(engine_port(stack, color) for color in Color)]
    assert own_processes.find(stack.home.path)
    must(stack.destroy())
    assert not own_processes.find(stack.home.path)
    assert not list(listeners(ports))
    assert not stack.home.engine_key.exists()
    assert not stack.home.forced_color_secret.exists()
