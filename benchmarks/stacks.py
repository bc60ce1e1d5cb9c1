"""A stack of a bench's own: real Pulumi, real Envoy, simulated engines, on ports and in a folder that nobody else uses."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.report import BenchFailed
from delivery.color import Color
from probes import programs, supervisor
from scripts.stack_driver import Ran, StackDriver

MODEL = "sorter"
ENGINE_OFFSETS = {Color.BLUE: 20, Color.GREEN: 70}  # from basePort, for one replica each (design, "The config a user edits")
PEER_OFFSET, PEER_ADMIN_OFFSET = 3, 4  # free in every stack
_FIRST_PORT, _LAST_PORT, _PORTS_OF_A_STACK = 7000, 9375, 125  # below the demo's 9600 and the tests' 10000
_ENGINE_SECONDS = 60.0
_SHUTDOWN_SECONDS = 30.0
_LAST_CHARACTERS = 3000
_started_at = time.monotonic()


def say(text: str) -> None:
    """A line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - _started_at:6.1f} s] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bench_stack(name: str, **service: Any) -> Iterator[StackDriver]:
    """A stack with one service that was made and not yet deployed; `service` replaces keys of it. Nothing of it runs afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"verdigris-{name}-") as folder:
        stack = StackDriver(name, Path(folder), _config(free_base_port(), service))
        stack.init()
        try:
            yield stack
        finally:
            say("taking the stack down")
            stack.run("cancel", "--yes", "--stack", name)
            stack.destroy()
            if stack.home.path.is_dir():
                supervisor.shutdown(stack.home, _SHUTDOWN_SECONDS)


def _config(base_port: int, service: dict[str, Any]) -> dict[str, Any]:
    chat = {
        "active": "blue", "canaryWeight": 0, "steps": [1, 25, 75, 100],
        "blue": {"release": "benchmarks/releases/blue.yaml"}, "green": {"release": "benchmarks/releases/green.yaml"},
        "gates": {
            "warmup": {"prompts": "evals/prompts.jsonl", "deadlineSeconds": 60},
            "eval": {"set": "evals/sort.jsonl", "deadlineSeconds": 120},
        },
        "drain": {"deadlineSeconds": 20},
    }  # fmt: skip
    return {"target": "local", "basePort": base_port, "services": {"chat": chat | service}}


def free_base_port() -> int:
    """The first block of ports of which the used ones are all free. Raises BenchFailed when there is none."""
    for base in range(_FIRST_PORT, _LAST_PORT, _PORTS_OF_A_STACK):
        offsets = (0, 1, PEER_OFFSET, PEER_ADMIN_OFFSET, *ENGINE_OFFSETS.values())
        if all(_is_free(base + offset) for offset in offsets):
            return base
    raise BenchFailed(f"got no free ports from {_FIRST_PORT} to {_LAST_PORT}, need a block of {_PORTS_OF_A_STACK}; end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def must(ran: Ran, step: str) -> Ran:
    """The run itself. Raises BenchFailed with the end of its output when it failed."""
    if not ran.ok:
        raise BenchFailed(f"{step}: `pulumi` failed after {ran.seconds:.1f} s:\n{ran.output[-_LAST_CHARACTERS:]}")
    return ran


def up_at(stack: StackDriver, canary_percent: int) -> Ran:
    """`pulumi up` with this canary weight. Raises BenchFailed when it fails."""
    stack.service()["canaryWeight"] = canary_percent
    ran = must(stack.up(), f"up to canaryWeight {canary_percent}")
    say(f"up to canaryWeight {canary_percent}: {ran.seconds:.1f} s")
    return ran


class EngineHandle:
    """The one engine of a color: what a bench does to it."""

    def __init__(self, stack: StackDriver, color: Color) -> None:
        self._home, self.program = stack.home, f"chat-{color}-0"
        self.address = f"127.0.0.1:{int(stack.config['basePort']) + ENGINE_OFFSETS[color]}"
        self._sabotage = stack.home.path / f"{self.program}.cannot-start"

    def send_signal(self, number: signal.Signals) -> int:
        """Signal the engine's process; returns its pid. Raises BenchFailed when none runs."""
        pid = programs.status(self._home, self.program).pid
        if not pid:
            raise BenchFailed(f"{self.program}: got no running process, need one to send {number.name} to")
        os.kill(pid, number)
        return pid

    def set_faults(self, **faults: object) -> None:
        """Switch the simulator's faults on."""
        httpx.post(f"http://{self.address}/simulator/faults", json=faults, timeout=_ENGINE_SECONDS, trust_env=False).raise_for_status()

    def clear_faults(self) -> None:
        """Switch them off."""
        httpx.delete(f"http://{self.address}/simulator/faults", timeout=_ENGINE_SECONDS, trust_env=False).raise_for_status()

    def forbid_start(self, how: str) -> None:
        """From its next start on the engine ends at once (`exit`) or never listens (`hang`)."""
        self._sabotage.write_text(how)

    def allow_start(self) -> None:
        """It may start again; one that hangs in its start ends and is started anew."""
        self._sabotage.unlink(missing_ok=True)

    def await_answer(self) -> None:
        """Return when it completes a prompt. Raises BenchFailed past a minute."""
        await_true(self._answers, f"{self.program} answers")

    def _answers(self) -> bool:
        body = {"model": MODEL, "prompt": "sort 52413", "max_tokens": 1}
        try:
            return httpx.post(f"http://{self.address}/v1/completions", json=body, timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def await_true(holds: Callable[[], bool], what: str, seconds: float = _ENGINE_SECONDS) -> None:
    """Poll until it holds. Raises BenchFailed past the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise BenchFailed(f"waited {seconds:g} s until {what}, in vain")
        time.sleep(0.05)
