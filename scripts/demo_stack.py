"""The demo's stack on this machine: where it lives, what it needs first, how it is made anew and how it is removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from delivery.addresses import FIRST_ENGINE_OFFSET, GREEN_OFFSET
from delivery.config_models import RouterKind, Target
from delivery.refusal import Refusal
from probes import supervisor
from probes.ports import listeners
from scripts import make_images, private_docker
from scripts.demo_options import DemoOptions, Engine
from scripts.stack_driver import ROOT, StackDriver

NAME = "demo"
FOLDER = ROOT / ".verdigris" / NAME
PARTS = ("state", "home", "Pulumi.yaml", f"Pulumi.{NAME}.yaml", "env")
"""What the demo keeps in its folder. Only these are removed: someone's own stack called demo would be beside them."""

SHUTDOWN_SECONDS = 150.0
Say = Callable[[str], None]


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Held while the demo works on its stack. Raises Refusal while another one does; the kernel frees it when its holder dies."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / f"{NAME}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(
                "scripts/demo", "another one at work in this checkout", "one at a time", "both would change the same stack", "wait for it"
            ) from None
        yield


def is_there() -> bool:
    """Whether an earlier demo left anything."""
    return any((FOLDER / part).exists() for part in PARTS)


def prepare(options: DemoOptions) -> dict[str, str]:
    """Install what the engine, router and target need; returns variables for each run of the CLI. Raises Refusal when that fails."""
    if options.router is RouterKind.NGINX:
        _provide("scripts/setup", "--nginx")
    if options.target is Target.DOCKER:
        _provide("scripts/setup", "--docker")
        found = private_docker.provide(FOLDER)
        make_images.make_all(found.get("DOCKER_HOST", ""), ["simulator", str(options.router)])
        return found
    if options.engine is not Engine.VLLM_CPU:
        return {}
    _provide("scripts/setup-vllm")
    _provide("scripts/make-models")
    python = subprocess.run([ROOT / "scripts/setup-vllm", "--python"], capture_output=True, text=True, check=True).stdout.strip()
    return {"VERDIGRIS_VLLM_PYTHON": python}


def refuse_taken_ports(port: int) -> None:
    """Raises Refusal when someone listens where the router or the first engines are to listen."""
    first = port + FIRST_ENGINE_OFFSET
    for taken in listeners([port, port + 1, first, first + GREEN_OFFSET]):
        who = f"pid {taken.pid} ({taken.name})" if taken.pid else taken.name
        raise Refusal(
            "--port", f"port {taken.port} taken by {who}", "it free", f"the demo uses {port}, {port + 1} and ports from {first} on",
            f"end that process, or run: scripts/demo --port {port + 200}",
        )  # fmt: skip


def make(config: Mapping[str, Any], environment: Mapping[str, str]) -> StackDriver:
    """A stack that was made and not yet deployed. Raises RuntimeError with what the CLI said when that fails."""
    driver = StackDriver(NAME, FOLDER, dict(config), environment=dict(environment))
    FOLDER.mkdir(parents=True, exist_ok=True)
    driver.init()
    (FOLDER / "env").write_text(_exports(environment), encoding="utf-8")
    return driver


def remove(say: Say) -> None:
    """Remove what an earlier demo left: engines, router, supervisor, state and files. Copes with a state that an ended `up` left locked."""
    engine = private_docker.engine_of(FOLDER)
    own_engine = {"DOCKER_HOST": engine.host} if private_docker.reachable(engine.host) else {}
    driver = StackDriver(NAME, FOLDER, {}, environment={**_engine_environment(), **own_engine})
    gone = driver.config_file.is_file() and _destroyed(driver)
    if driver.home.path.is_dir():
        if not gone:
            say("pulumi destroy could not remove everything; ending the rest through its supervisor")
        supervisor.shutdown(driver.home, SHUTDOWN_SECONDS, say)
    if engine.folder.is_dir():
        engine.remove()
    for part in PARTS:
        path = FOLDER / part
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # what is not empty belongs to someone
        FOLDER.rmdir()


def _destroyed(driver: StackDriver) -> bool:
    if driver.destroy().ok:
        return True
    driver.run("cancel", "--yes", "--stack", NAME)
    return driver.destroy().ok


def _engine_environment() -> dict[str, str]:
    """The interpreter of vLLM, where there is one: without it a stack of vLLM engines would look changed."""
    python = subprocess.run([ROOT / "scripts/setup-vllm", "--python"], capture_output=True, text=True, check=False).stdout.strip()
    return {"VERDIGRIS_VLLM_PYTHON": python} if python and Path(python).exists() else {}


def _provide(*command: str) -> None:
    done = subprocess.run([ROOT / command[0], *command[1:]], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Refusal(
            " ".join(command), f"exit code {done.returncode}", "it to succeed", "the demo needs what it installs",
            "read what it said above, or run the demo without that option",
        )  # fmt: skip


def _exports(environment: Mapping[str, str]) -> str:
    """A file to source: afterwards `scripts/pulumi` works on the demo's stack without further flags."""
    values = {
        "PULUMI_BACKEND_URL": (FOLDER / "state").as_uri(), "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_STACK": NAME,
        "PULUMI_OPTION_CONFIG_FILE": str(FOLDER / f"Pulumi.{NAME}.yaml"), "VERDIGRIS_HOME": str(FOLDER / "home"), **environment,
    }  # fmt: skip
    lines = [f"export {name}={shlex.quote(os.fspath(value))}" for name, value in values.items()]
    return "\n".join(["# Source this, and scripts/pulumi works on the demo's stack.", *lines, ""])
