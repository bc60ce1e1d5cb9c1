"""Real stacks for tests: real Pulumi, real Envoy, simulated engines, each with ports and folders of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delivery.color import Color, Weights
from scripts.stack_driver import Ran, StackDriver

GOOD, ALSO_GOOD, BAD = "releases/sort-good-1.yaml", "releases/sort-good-2.yaml", "releases/sort-bad.yaml"
_FIRST_PORT, _PORTS_OF_A_WORKER, _PORTS_OF_A_STACK = 10_000, 2_500, 125  # below the range that the kernel deals out to clients
_stacks = itertools.count()
_made: dict[tuple[object, ...], Path] = {}


def free_base_port() -> int:
    """The first of a block of ports that no other test of this run uses and on whose first port nothing listens."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    blocks = _PORTS_OF_A_WORKER // _PORTS_OF_A_STACK
    while True:
        port = _FIRST_PORT + worker * _PORTS_OF_A_WORKER + (next(_stacks) % blocks) * _PORTS_OF_A_STACK
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def chat_config(base_port: int, **service: Any) -> dict[str, Any]:
    """One service with two good releases, all traffic on blue; `service` replaces keys of it."""
    chat = {
        "active": "blue", "canaryWeight": 0, "steps": [1, 25, 75, 100], "blue": {"release": GOOD}, "green": {"release": ALSO_GOOD},
        "gates": {
            "warmup": {"prompts": "evals/prompts.jsonl", "deadlineSeconds": 60},
            "eval": {"set": "evals/sort.jsonl", "deadlineSeconds": 120},
        },
        "drain": {"deadlineSeconds": 20},
    }  # fmt: skip
    return {"target": "local", "basePort": base_port, "services": {"chat": chat | service}}


def set_canary(stack: StackDriver, percent: int) -> Ran:
    """Change the canary's weight and run `pulumi up`."""
    stack.service()["canaryWeight"] = percent
    return stack.up()


def must(ran: Ran) -> Ran:
    """The run itself, when it succeeded."""
    assert ran.ok, ran.output
    return ran


def refused(ran: Ran, *words: str) -> Ran:
    """The run itself, when it failed with every one of the words and without a traceback."""
    assert not ran.ok, ran.output
    assert "Traceback" not in ran.output, ran.output
    for word in words:
        assert word in ran.output, f"{word!r} is missing in:\n{ran.output}"
    return ran


def live(stack: StackDriver, service: str = "chat") -> Weights | None:
    """The weights that the router uses."""
    return stack.router.live_weights(service)


def engine_port(stack: StackDriver, color: Color, replica: int = 0) -> int:
    """The port of an engine of a sole service."""
    return int(stack.config["basePort"]) + 20 + (0 if color is Color.BLUE else 50) + replica


@contextlib.contextmanager
def live_stack(
    folder: Path, name: str = "it", *, secrets: dict[str, str] | None = None, destroy: bool = False, **service: Any
) -> Iterator[StackDriver]:
    """A stack that was made and not yet deployed; everything it started is gone afterwards.

    With `destroy` the real `pulumi destroy` takes it down and has to succeed; else its processes are just ended, which takes seconds less.
    """
    stack = StackDriver(name, folder, chat_config(free_base_port(), **service), secrets or {})
    with ended(stack, destroy=destroy):
        make(stack)
        yield stack


@contextlib.contextmanager
def ended(stack: StackDriver, *, destroy: bool = False) -> Iterator[None]:
    """Nothing of the stack runs after the block. With `destroy` it is taken down with the real `pulumi destroy`, which has to succeed."""
    try:
        yield
        if destroy:
            must(stack.destroy())
    finally:
        _end_leftovers(stack)


def make(stack: StackDriver) -> None:
    """`stack.init()`, but run only once by this worker for stacks of the same name and secrets: the others get a copy of its files."""
    key = (stack.name, *sorted(stack.secrets.items()))
    if key not in _made:
        _made[key] = Path(tempfile.mkdtemp(dir=stack.folder.parent, prefix="made-"))
        StackDriver(stack.name, _made[key], {}, stack.secrets).init()
    shutil.copytree(_made[key], stack.folder, dirs_exist_ok=True)  # neither state nor config names a folder
    stack.write()


def _end_leftovers(stack: StackDriver) -> None:
    from probes import supervisor

    if stack.home.path.is_dir():
        supervisor.shutdown(stack.home, 30)
