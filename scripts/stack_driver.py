"""Drives a stack as a person does, with `scripts/pulumi`, in a folder of its own: for the demo, the benches and the integration tests.

Each stack has its own state, its own `<home>` and its own config file, so several live side by side and nothing touches the checkout.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from probes.router import RouterClient
from probes.router_kinds import open_router
from probes.stack_home import StackHome

ROOT = Path(__file__).resolve().parent.parent
COMMAND_SECONDS = 600


@dataclass(frozen=True)
class Ran:
    """One run of the CLI: whether it succeeded, everything it printed, and how long it took by the clock."""

    ok: bool
    output: str
    seconds: float


@dataclass
class StackDriver:
    """One stack. `config` is the value of each key without the namespace (`services`, `basePort`, …); `write` saves it.

    `secrets` are set as Pulumi secrets (a key may be a path, as in `clientKeys.alice`). `environment` is added to every run.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> StackHome:
        """Where the stack keeps its files."""
        return StackHome(self.folder / "home" / self.name)

    @property
    def router(self) -> RouterClient:
        """The stack's router."""
        return open_router(self.home.path)

    @property
    def config_file(self) -> Path:
        """The stack's config."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    def service(self, name: str = "chat") -> dict[str, Any]:
        """The config of one service, to be changed in place."""
        service: dict[str, Any] = self.config["services"][name]
        return service

    def init(self) -> None:
        """Make the stack. Raises RuntimeError with the output when that fails."""
        for part in ("state", "home"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # In the stack's own folder, because the CLI writes the new stack's config beside the project file.
        (self.folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        self._must("stack", "init", self.name, "--cwd", str(self.folder))
        self.write()
        if self.secrets:
            secrets = [word for key, value in self.secrets.items() for word in ("--secret", f"verdigris:{key}={value}")]
            self._must("config", "set-all", "--path", *secrets, *self._stack())

    def write(self) -> None:
        """Save the config; the keys that Pulumi itself wrote (salt, secrets) stay."""
        old = yaml.safe_load(self.config_file.read_text()) if self.config_file.is_file() else None
        kept = old if isinstance(old, dict) else {}
        known = {f"verdigris:{key}": value for key, value in self.config.items()}
        secrets = {key: value for key, value in (kept.get("config") or {}).items() if _is_secret(value)}
        self.config_file.write_text(yaml.safe_dump({**kept, "config": {**secrets, **known}}, sort_keys=False))

    def up(self, *extra: str) -> Ran:
        """Save the config and run `pulumi up`."""
        self.write()
        return self.run("up", "--yes", "--skip-preview", *self._stack(), *extra)

    def preview(self, *extra: str) -> Ran:
        """Save the config and run `pulumi preview`."""
        self.write()
        return self.run("preview", *self._stack(), *extra)

    def refresh(self, *extra: str) -> Ran:
        """Run `pulumi refresh`."""
        return self.run("refresh", "--yes", "--skip-preview", *self._stack(), *extra)

    def destroy(self) -> Ran:
        """Run `pulumi destroy`; nothing of the stack runs afterwards."""
        return self.run("destroy", "--yes", "--skip-preview", *self._stack())

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        ran = self.run("stack", "output", "--json", "--stack", self.name)
        outputs: dict[str, Any] = json.loads(ran.output[ran.output.index("{") :])
        return outputs

    def run(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> Ran:
        """Run the CLI to its end. Past `seconds` it is killed with everything it started, and failed."""
        started = time.monotonic()
        process = self.start(*arguments)
        try:
            output = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + f"\n(killed after {seconds:g} s)"
        return Ran(process.returncode == 0, output, time.monotonic() - started)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the CLI in a process group of its own, so that a test can interrupt or kill all of it."""
        return subprocess.Popen(
            [str(ROOT / "scripts" / "pulumi"), *arguments, "--non-interactive", "--color", "never"], cwd=ROOT, env=self._environment(),
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def start_up(self, *extra: str) -> subprocess.Popen[str]:
        """Save the config and start `pulumi up` without waiting."""
        self.write()
        return self.start("up", "--yes", "--skip-preview", *self._stack(), *extra)

    def _stack(self) -> Sequence[str]:
        return ("--stack", self.name, "--config-file", str(self.config_file))

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ, "PULUMI_BACKEND_URL": (self.folder / "state").as_uri(), "PULUMI_CONFIG_PASSPHRASE": "",
            "VERDIGRIS_HOME": str(self.folder / "home"), **self.environment,
        }  # fmt: skip

    def _must(self, *arguments: str) -> None:
        ran = self.run(*arguments)
        if not ran.ok:
            raise RuntimeError(f"pulumi {' '.join(arguments[:2])} failed:\n{ran.output}")


def _is_secret(value: object) -> bool:
    """A value that Pulumi encrypted, or a map with one in it."""
    return isinstance(value, dict) and ("secure" in value or any(_is_secret(each) for each in value.values()))
