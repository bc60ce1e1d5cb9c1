"""Real stacks on the docker target, and looking into their containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delivery.color import Weights
from scripts.private_docker import PrivateDocker
from scripts.stack_driver import ROOT, StackDriver
from tests.fakes.live_stack import ALSO_GOOD, chat_config, free_base_port, live, must, set_canary
from tests.fakes.stack_faults import SmallDisk, small_disk

ALL_BLUE = Weights(100, 0)


@contextlib.contextmanager
def docker_stack(
    folder: Path, engine: PrivateDocker, kind: str, name: str, *, secrets: dict[str, str] | None = None, **service: Any
) -> Iterator[StackDriver]:
    """A stack that was made and not yet deployed. It is destroyed afterwards, and nothing of it may be left."""
    config = chat_config(free_base_port(), **service) | {"target": "docker", "docker": {"host": engine.host}, "router": {"kind": kind}}
    stack = StackDriver(name, folder, config, secrets or {})
    stack.init()
    try:
        yield stack
    finally:
        stack.run("cancel", "--yes", "--stack", name)
        gone = stack.destroy()
    assert gone.ok, gone.output
    assert leftovers(engine, name) == []
    assert not list(stack.home.router.glob("*"))  # the folder itself stays while it is a file system of its own


@contextlib.contextmanager
def rollout_stack(folder: Path, engine: PrivateDocker, kind: str) -> Iterator[tuple[StackDriver, SmallDisk]]:
    """A stack that was deployed, all on blue, and the file system of its own on which its router's files are."""
    with (
        small_disk(folder / "home" / kind / "router", 4096) as disk,
        docker_stack(folder, engine, kind, kind, steps=[50, 100]) as stack,
    ):
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = 30
        must(stack.up())
        yield stack, disk


def all_blue(stack: StackDriver) -> StackDriver:
    """The stack with all on blue, whatever runs on green."""
    if live(stack) != ALL_BLUE:
        must(set_canary(stack, 0))
    return stack


def as_deployed(stack: StackDriver) -> StackDriver:
    """The stack with all on blue and the usual release on green, whatever a test before left of it."""
    all_blue(stack)
    if (stack.service()["green"]["release"], stack.service()["canaryWeight"]) != (ALSO_GOOD, 0):
        stack.service()["green"]["release"] = ALSO_GOOD
        must(set_canary(stack, 0))
    return stack


def leftovers(engine: PrivateDocker, name: str) -> list[str]:
    """Containers, networks and volumes of a stack."""
    label = f"label=dev.verdigris.stack={name}"
    return [
        *engine.command("ps", "--all", "--filter", label, "--format", "{{.Names}}").split(),
        *engine.command("network", "ls", "--filter", label, "--format", "{{.Name}}").split(),
        *engine.command("volume", "ls", "--filter", f"name=verdigris-{name}-", "--format", "{{.Name}}").split(),
    ]


def container(stack: StackDriver, part: str) -> str:
    """The name of a container of a stack."""
    return f"verdigris-{stack.name}-{part}"


def pid_of(engine: PrivateDocker, name: str) -> int:
    """The process id of a container's first process on this machine; 0 while none runs."""
    return int(engine.command("inspect", "--format", "{{.State.Pid}}", name))


@contextlib.contextmanager
def release_file(name: str, **fields: Any) -> Iterator[str]:
    """A release of the simulator for one test; the path is as a config names it."""
    path = ROOT / "releases" / f"test-{name}.yaml"
    lines = {"name": f"test-{name}", "engine": "simulator", "image": "verdigris/simulator:dev", "servedModelName": "sorter"} | fields
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
    try:
        yield f"releases/{path.name}"
    finally:
        path.unlink()
