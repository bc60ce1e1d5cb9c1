"""The resource of one program (an engine, the router) under the stack's supervisord. When one may be restarted or stopped is decided by
the graph: this restarts whenever command, environment or fingerprint differ from what runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from pydantic import Field

from delivery.refusal import Refusal
from probes import own_processes, programs, supervisor
from probes.envoy_drain import drain
from probes.ports import Listener, listeners
from probes.readiness import answers, await_ready
from probes.stack_home import StackHome
from probes.supervisor_conf import ProgramSpec, valid_name
from probes.supervisor_rpc import SupervisorUnreachable
from providers.progress import about
from providers.refused import refusals
from providers.resource import Inputs, Provider, inputs


class ProcessInputs(Inputs):
    """What to run and how to treat it.

    `environment_files` maps a variable to the file with its secret value, read at each start. `stop_seconds` is the time to drain between
    `stop_signal` and SIGKILL. `logs_requests`: its standard output is a log of requests, kept apart. `ports` are those it will listen on.
    `url_ready` is polled until it answers 200, at most `ready_seconds`; only with `ready_required` does it fail the `up` when it does not.
    `fingerprint`: another value means a restart. `drain_url`: the address of an Envoy's admin interface, drained before it is stopped.
    `directory`: where it runs, the home when empty.
    """

    home: str
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    command: list[str] = Field(min_length=1)
    directory: str = ""
    environment: dict[str, str] = {}
    environment_files: dict[str, str] = {}
    stop_seconds: int = Field(default=120, ge=0)
    stop_signal: str = "TERM"
    logs_requests: bool = False
    ports: list[int] = []
    url_ready: str = ""
    ready_seconds: float = Field(default=60, gt=0)
    ready_required: bool = False
    fingerprint: str = ""
    drain_url: str = ""

    @property
    def stack_home(self) -> StackHome:
        """The folder as an object."""
        return StackHome(Path(self.home))

    def spec(self) -> ProgramSpec:
        """What has to run, with the digest of the secret files as they are now."""
        return ProgramSpec(
            command=tuple(self.command),
            directory=self.directory or str(self.stack_home.path),
            environment=self.environment,
            environment_files=self.environment_files,
            files_digest=programs.files_digest([Path(file) for file in self.environment_files.values()]),
            fingerprint=self.fingerprint,
        )

    def outputs(self) -> dict[str, Any]:
        """The inputs, without a pid: it changes whenever supervisord restarts the program."""
        return {**self.model_dump(), "state": "running"}


class ProcessProvider(Provider):
    """Adds, restarts and removes one program."""

    model = ProcessInputs
    identity = ("home", "name")

    def objections(self, _known: Mapping[str, Any], *, is_new: bool) -> list[str]:
        """A port of a new program that a stranger holds; programs of this stack may give theirs up during the `up`."""
        if not is_new or not {"home", "name", "ports"} <= _known.keys():
            return []
        own = own_processes.mark(StackHome(Path(_known["home"])).path, "")
        taken = listeners(int(port) for port in _known["ports"])
        return [str(_taken(_known["name"], listener)) for listener in taken if not (listener.mark or "").startswith(own)]

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Add the program and wait for it; one that an interrupted `up` left running as wanted is kept. Nothing stays when this fails."""
        wanted = inputs(ProcessInputs, props)
        with refusals():
            supervisor.start(wanted.stack_home, about("supervisor"))
            _refuse_taken_ports(wanted)
            try:
                _bring_about(wanted)
            except BaseException:
                with contextlib.suppress(SupervisorUnreachable, Refusal, OSError):
                    programs.remove(wanted.stack_home, wanted.name, 0)
                    programs.forget(wanted.stack_home, wanted.name)
                raise
        return CreateResult(wanted.name, wanted.outputs())

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Restart it if something else than its treatment changed, or it does not run."""
        wanted = inputs(ProcessInputs, _news)
        with refusals():
            supervisor.start(wanted.stack_home, about("supervisor"))
            _refuse_taken_ports(wanted)
            _bring_about(wanted)
        return UpdateResult(wanted.outputs())

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Stop it with time to drain. Without a daemon, what still runs of it is ended."""
        old = inputs(ProcessInputs, _props)
        with refusals():
            _stop(old)
            programs.forget(old.stack_home, old.name)

    def changed(self, _olds: dict[str, Any], _wanted: ProcessInputs) -> bool:
        """Other inputs than before, other files than wanted, or a program that neither runs nor is about to."""
        try:
            status = programs.status(_wanted.stack_home, _wanted.name)
        except SupervisorUnreachable:
            return True
        if not status.state.cared_for or not programs.is_written(_wanted.stack_home, _wanted.name, _wanted.spec()):
            return True
        if _wanted.url_ready and _wanted.ready_required and not answers(_wanted.url_ready):
            return True  # a supervisord that was just started again: others wait for this one
        return inputs(ProcessInputs, _olds) != _wanted

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """Gone when it has no file; else its live state."""
        old = inputs(ProcessInputs, _props)
        if not old.stack_home.program_conf(old.name).is_file():
            return None
        try:
            state = programs.status(old.stack_home, old.name).state
        except SupervisorUnreachable:
            state = programs.ProcessState.UNKNOWN
        return {**_props, "state": "running" if state.cared_for else str(state)}


def _taken(name: str, listener: Listener) -> Refusal:
    who = f"taken by pid {listener.pid} ({listener.name})" if listener.pid else f"taken by {listener.name}"
    return Refusal(
        name, f"port {listener.port} {who}", "it free", f"{name} listens there", "choose another verdigris:basePort, or end that process"
    )


def _refuse_taken_ports(wanted: ProcessInputs) -> None:
    mine = own_processes.mark(wanted.stack_home.path, wanted.name)
    for listener in listeners(wanted.ports):
        if listener.mark != mine:
            raise _taken(wanted.name, listener)


def _bring_about(wanted: ProcessInputs) -> None:
    home, name, spec = wanted.stack_home, valid_name(wanted.name), wanted.spec()
    if programs.is_written(home, name, spec) and programs.status(home, name).state.cared_for:
        programs.write_conf(home, name, wanted.stop_seconds, wanted.stop_signal, logs_requests=wanted.logs_requests)
    else:
        _stop(wanted)
        programs.add(home, name, spec, wanted.stop_seconds, wanted.stop_signal, logs_requests=wanted.logs_requests)
    if wanted.url_ready:
        await_ready(home, name, wanted.url_ready, wanted.ready_seconds, required=wanted.ready_required, say=about(name))


def _stop(old: ProcessInputs) -> None:
    home, say = old.stack_home, about(old.name)
    try:
        status = programs.status(home, old.name)
        if old.drain_url and status.pid:
            drain(old.drain_url, old.stop_seconds, say)
        programs.remove(home, old.name, old.stop_seconds, say)
    except SupervisorUnreachable:
        own_processes.end(home.path, old.name, old.stop_seconds)


class Process(Resource, module="verdigris", name="Process"):
    """A program that is kept running. It depends on the stack's `Supervisor`."""

    home: pulumi.Output[str]
    name: pulumi.Output[str]
    ports: pulumi.Output[Sequence[int]]
    state: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        home: pulumi.Input[str],
        name: str,
        command: pulumi.Input[Sequence[pulumi.Input[str]]],
        directory: pulumi.Input[str] = "",
        environment: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        environment_files: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        stop_seconds: int = 120,
        stop_signal: str = "TERM",
        logs_requests: bool = False,
        ports: Sequence[int] = (),
        url_ready: str = "",
        ready_seconds: float = 60,
        ready_required: bool = False,
        fingerprint: pulumi.Input[str] = "",
        drain_url: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "home": home,
            "name": name,
            "command": command,
            "directory": directory,
            "environment": environment or {},
            "environment_files": environment_files or {},
            "stop_seconds": stop_seconds,
            "stop_signal": stop_signal,
            "logs_requests": logs_requests,
            "ports": list(ports),
            "url_ready": url_ready,
            "ready_seconds": ready_seconds,
            "ready_required": ready_required,
            "fingerprint": fingerprint,
            "drain_url": drain_url,
            "state": None,
        }
        super().__init__(ProcessProvider(), resource_name, props, opts)
