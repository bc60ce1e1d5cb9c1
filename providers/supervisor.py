"""The resource of a stack's supervisord. It outlives the `up`; deleting it ends everything that it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from probes import supervisor
from probes.stack_home import StackHome
from providers.progress import about
from providers.refused import refusals
from providers.resource import Inputs, Provider, inputs

# For all programs together; each has its own time to drain and they end side by side.
_SHUTDOWN_SECONDS = 600.0


class SupervisorInputs(Inputs):
    """`home`: the folder of the stack."""

    home: str


class SupervisorProvider(Provider):
    """Starts one supervisord per stack."""

    model = SupervisorInputs
    identity = ("home",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it, or take over the one that runs."""
        outs = _start(inputs(SupervisorInputs, props))
        return CreateResult(outs["home"], outs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start it again, with all programs that its folder names."""
        return UpdateResult(_start(inputs(SupervisorInputs, _news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """End all programs, with time to drain, then the daemon."""
        home = StackHome(Path(inputs(SupervisorInputs, _props).home))
        with refusals():
            supervisor.shutdown(home, _SHUTDOWN_SECONDS, about("supervisor"))

    def changed(self, _olds: dict[str, Any], _wanted: SupervisorInputs) -> bool:
        """Only whether it lives: its own file counts from its next start, since a restart would end every engine."""
        return not supervisor.running(StackHome(Path(_wanted.home)))

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """Gone when its configuration is; a dead daemon is drift, shown as `state`."""
        home = StackHome(Path(_props["home"]))
        if not home.supervisor_conf.is_file():
            return None
        return {**_props, "state": "running" if supervisor.running(home) else "stopped"}


def _start(wanted: SupervisorInputs) -> dict[str, Any]:
    with refusals():
        supervisor.start(StackHome(Path(wanted.home)), about("supervisor"))
    return {"home": wanted.home, "state": "running"}


class Supervisor(Resource, module="verdigris", name="Supervisor"):
    """The supervisord of a stack. Everything under it (`Process`) depends on it."""

    home: pulumi.Output[str]
    state: pulumi.Output[str]

    def __init__(self, name: str, *, home: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SupervisorProvider(), name, {"home": home, "state": None}, opts)
