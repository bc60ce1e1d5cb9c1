"""The warm-up gate as a resource: real tokens from every engine of a pool until time to first token is steady."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from delivery.color import Color
from delivery.coverage import GateMode
from delivery.desired import DesiredService
from delivery.gate_settings import WarmupSettings
from delivery.gates import GateResult
from delivery.receipt import GateName
from delivery.warmup_verdict import judge_warmup
from probes import programs
from probes.eval_files import read_prompts
from probes.router import RouterUnreachable
from probes.router_files import read_topology
from probes.stack_home import StackHome
from probes.supervisor_rpc import SupervisorUnreachable
from probes.warmup_run import WarmupRun, warm_up
from providers.container_deaths import ContainerDeaths
from providers.gate import GateInputs, GateProvider
from providers.progress import say

DEATHS = 3
"""Quick deaths in a row after which waiting for an engine is in vain; fewer can be a port or a GPU that was not free yet."""


class WarmupInputs(GateInputs):
    """`programs` are the names under supervisord, in the order of the engines."""

    programs: list[str] = []


class WarmupGateProvider(GateProvider):
    """Warms a pool."""

    model = WarmupInputs
    gate = GateName.WARMUP

    def measure(self, wanted: WarmupInputs) -> tuple[GateResult, dict[str, str]]:
        """Wait for the engines and replay the prompts."""
        settings = WarmupSettings.model_validate(wanted.settings)
        run = WarmupRun(
            label=wanted.label, engines=wanted.engines, model=wanted.model, prompts=read_prompts(Path.cwd(), settings.prompts),
            settings=settings, say=say, dead=_deaths(wanted), key_file=wanted.key_file,
        )  # fmt: skip
        measured = warm_up(run)
        return judge_warmup(measured, settings), dict(measured.identities_before) or wanted.answering()


def _deaths(wanted: WarmupInputs) -> Callable[[], str | None]:
    """Where engines are containers Docker is asked, else supervisord."""
    try:
        topology = read_topology(wanted.stack_home.path)
    except RouterUnreachable:
        return _Deaths(wanted).reason
    if topology.image:
        return ContainerDeaths(topology.docker_host, wanted.stack_home.path.name, wanted.programs).reason
    return _Deaths(wanted).reason


class _Deaths:
    """Counts how often an engine was seen dead after another start, so that a crash loop ends the wait."""

    def __init__(self, wanted: WarmupInputs) -> None:
        self._home, self._programs = wanted.stack_home, wanted.programs
        self._seen: dict[str, set[int]] = {name: set() for name in wanted.programs}

    def reason(self) -> str | None:
        """Which program keeps dying, with the end of its log."""
        for name in self._programs:
            try:
                status = programs.status(self._home, name)
            except SupervisorUnreachable:
                continue
            if status.state.died:
                # Not by description: supervisord describes every quick death in the same words.
                self._seen[name].add(status.started_at)
            if status.state is programs.ProcessState.FATAL or len(self._seen[name]) >= DEATHS:
                return f"{name} keeps ending ({status.description}): {programs.last_words(self._home, name)} (log: {self._home.log(name)})"
        return None


class WarmupGate(Resource, module="verdigris", name="WarmupGate"):
    """The first gate of a pool."""

    receipt: pulumi.Output[dict[str, Any]]

    def __init__(
        self, name: str, home: StackHome, desired: DesiredService, color: Color, mode: GateMode, opts: pulumi.ResourceOptions
    ) -> None:
        settings = desired.config.gates.warmup
        assert settings is not None, "a warm-up gate has settings"
        props: dict[str, Any] = {
            **gate_props(home, desired, color, mode), "settings": settings.model_dump(mode="json"),
            "programs": [engine.name for engine in desired.engines[color]], "receipt": None,
        }  # fmt: skip
        super().__init__(WarmupGateProvider(), name, props, opts)


def gate_props(home: StackHome, desired: DesiredService, color: Color, mode: GateMode) -> dict[str, Any]:
    """The inputs that every gate of a pool has."""
    ref = desired.releases[color]
    return {
        "home": str(home.path), "service": desired.name, "color": color.value, "release": ref.digest, "model": ref.release.served_name,
        "engines": [engine.address for engine in desired.engines[color]], "mode": mode.value,
    }  # fmt: skip
