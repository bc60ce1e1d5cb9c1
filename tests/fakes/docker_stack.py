"""Real stacks on the docker target, and looking into their containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.private_docker import PrivateDocker
from scripts.stack_driver import ROOT, StackDriver
from tests.fakes.live_stack import chat_config, free_base_port


@contextlib.contextmanager
def docker_stack(folder: Path, engine: PrivateDocker, kind: str, name: str, **service: Any) -> Iterator[StackDriver]:
    """A stack that was made and not yet deployed. It is destroyed afterwards, and nothing of it may be left."""
    config = chat_config(free_base_port(), **service) | {"target": "docker", "docker": {"host": engine.host}, "router": {"kind": kind}}
    stack = StackDriver(name, folder, config)
    stack.init()
    try:
        yield stack
    finally:
        stack.run("cancel", "--yes", "--stack", name)
        gone = stack.destroy()
    assert gone.ok, gone.output
    assert leftovers(engine, name) == []
    assert not stack.home.router.exists()


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
