"""What goes wrong on the machine of a live stack: engines that die, hang or lie, disks that are full, an `up` that is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delivery.color import Color, Weights
from probes import programs
from probes.router import RouterUnreachable
from probes.supervisor_rpc import call
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import engine_port, live

DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.02


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds; fails with `what` past the deadline."""
    ends = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < ends, f"did not come true in {DEADLINE_SECONDS:g} s: {what}"
        time.sleep(_POLL_SECONDS)


def program(color: Color, service: str = "chat") -> str:
    """The first engine of a color under supervisord."""
    return f"{service}-{color}-0"


def ask(port: int, method: str, path: str, body: object = None) -> int | None:
    """The status of a request to this machine; None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_healthy(stack: StackDriver, color: Color) -> bool:
    """Whether the engine's server is up."""
    return ask(engine_port(stack, color), "GET", "/health") == 200


def kill_engine(stack: StackDriver, color: Color) -> None:
    """SIGKILL; returns when supervisord's next process of it is healthy."""
    kill_program(stack, program(color))
    until(lambda: is_healthy(stack, color), f"{color} is healthy")


def kill_program(stack: StackDriver, name: str) -> None:
    """SIGKILL of a program; returns when supervisord runs it anew."""
    old = programs.status(stack.home, name).pid
    assert old, f"{name} does not run"
    os.kill(old, signal.SIGKILL)
    until(lambda: programs.status(stack.home, name).pid not in (0, old), f"{name} restarted")


@contextlib.contextmanager
def faulty(stack: StackDriver, color: Color, **faults: object) -> Iterator[None]:
    """The faults of simulator/faults.py in a running engine, and none afterwards."""
    set_faults(stack, color, **faults)
    try:
        yield
    finally:
        clear_faults(stack, color)


def set_faults(stack: StackDriver, color: Color, **faults: object) -> None:
    """Switch faults of a running engine on."""
    assert ask(engine_port(stack, color), "POST", "/simulator/faults", faults) == 200


def clear_faults(stack: StackDriver, color: Color) -> None:
    """Switch all faults of a running engine off."""
    assert ask(engine_port(stack, color), "DELETE", "/simulator/faults") == 200


@contextlib.contextmanager
def dead(stack: StackDriver, color: Color) -> Iterator[None]:
    """An engine that is killed whenever it starts; it runs again afterwards."""
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            with contextlib.suppress(ProcessLookupError):
                if pid := programs.status(stack.home, program(color)).pid:
                    os.kill(pid, signal.SIGKILL)
            stop.wait(_POLL_SECONDS)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        until(lambda: not is_healthy(stack, color), f"{color} is dead")
        yield
    finally:
        stop.set()
        killer.join()
        _start_again(stack, program(color))
        until(lambda: is_healthy(stack, color), f"{color} lives again")


def _start_again(stack: StackDriver, name: str) -> None:
    """supervisord gives up on what keeps dying; a person would say `start`."""

    def started() -> bool:
        state = programs.status(stack.home, name).state
        if state in (programs.ProcessState.FATAL, programs.ProcessState.EXITED, programs.ProcessState.STOPPED):
            with contextlib.suppress(xmlrpc.client.Fault):  # supervisord may have been quicker
                call(stack.home, "startProcess", name, False)
        return state is programs.ProcessState.RUNNING

    until(started, f"{name} runs again")


@contextlib.contextmanager
def frozen(stack: StackDriver, *names: str) -> Iterator[None]:
    """Programs that keep their ports and do nothing (SIGSTOP)."""
    pids = [programs.status(stack.home, name).pid for name in names]
    assert all(pids), "not everything runs"
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def as_soon_as_live(stack: StackDriver, weights: Weights, act: Callable[[], object]) -> Iterator[None]:
    """Do something once the router has these weights: after they are written and, with many probes, before they are proven."""
    done = threading.Event()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            with contextlib.suppress(RouterUnreachable):
                if live(stack) == weights:
                    act()
                    done.set()
                    return
            stop.wait(0.005)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    assert done.is_set(), f"{weights} were never live"


def kill_session(up: subprocess.Popen[str]) -> None:
    """SIGKILL of everything that a `StackDriver.start` started. Its plugins have process groups of their own, but the session is one."""
    while alive := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _session(pid) == up.pid]:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        up.poll()
        time.sleep(_POLL_SECONDS)


def _session(pid: int) -> int | None:
    try:
        state, _parent, _group, session = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)


class SmallDisk:
    """A file system of its own in a folder, which a test can fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not one byte is left; there is room again afterwards."""
        ballast = self.folder / ".ballast"
        try:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(b"\0" * 4096):
                    pass
            yield
        finally:
            ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Mount one at `folder`. Skips where that isn't allowed: only root may mount."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "verdigris-test", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a full disk needs the right to mount a small one: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
