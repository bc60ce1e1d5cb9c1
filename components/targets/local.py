"""The local target: engines and router as processes under one supervisord. What they run is delivery's, how they run is providers'."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.targets.target import ENGINE_KEY_VARIABLE, STOP_MARGIN_SECONDS
from delivery.addresses import LOOPBACK
from delivery.config import RouterKind
from delivery.desired import DesiredEngine, ReleaseRef
from delivery.envoy_bootstrap import command as envoy_command
from delivery.nginx_config import command as nginx_command
from delivery.topology import Topology
from probes.envoy_router import envoy_binary
from probes.nginx_files import nginx_binary
from probes.stack_home import StackHome
from providers.process import Process
from providers.supervisor import Supervisor


class LocalTarget:
    """Engines and Envoy on this machine. `keyed` says whether the engines want an API key."""

    def __init__(self, root: Path, home: StackHome, *, keyed: bool, load_seconds: float) -> None:
        self._root, self._home, self._keyed, self._load_seconds = root, home, keyed, load_seconds
        self._on_gpu: dict[int, Process] = {}
        self.supervisor = Supervisor("supervisor", home=str(home.path))
        self.key: pulumi.Resource | None = None

    def router(self, topology: Topology, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """Envoy or nginx, started again when one of its own addresses changes; everything else reaches it by files."""
        admin = f"http://{LOOPBACK}:{topology.admin_port}"
        is_nginx = topology.kind is RouterKind.NGINX
        return Process(
            "router",
            home=str(self._home.path),
            name="router",
            command=self._nginx() if is_nginx else self._envoy(),
            stop_signal="QUIT" if is_nginx else "TERM",
            logs_requests=not is_nginx,  # nginx's are in a file beside its others
            ports=[topology.router_port, topology.admin_port],
            url_ready=f"{admin}/ready",
            ready_seconds=60,
            ready_required=True,
            fingerprint=f"{topology.router_host}:{topology.router_port}:{topology.admin_port}",
            # nginx drains by itself after SIGQUIT; Envoy would cut every stream after SIGTERM.
            drain_url="" if is_nginx else admin,
            opts=opts,
        )

    def _envoy(self) -> list[str]:
        return envoy_command(str(envoy_binary()), str(self._home.router), concurrency=os.cpu_count() or 1)

    def _nginx(self) -> list[str]:
        return nginx_command(str(nginx_binary()), str(self._home.router))

    def engine(
        self, engine: DesiredEngine, ref: ReleaseRef, stop_seconds: int, depends_on: Sequence[pulumi.Resource], parent: pulumi.Resource
    ) -> pulumi.Resource:
        """One engine. Engines on one GPU start one after the other: vLLM measures the memory that is free while it loads."""
        before = [self._on_gpu[gpu] for gpu in engine.gpus if gpu in self._on_gpu]
        process = Process(
            engine.name,
            home=str(self._home.path),
            name=engine.name,
            command=list(engine.command.argv),
            directory=str(self._root),
            environment=dict(engine.command.environment),
            environment_files={ENGINE_KEY_VARIABLE: str(self._home.engine_key)} if self._keyed else {},
            stop_seconds=stop_seconds + STOP_MARGIN_SECONDS,
            ports=[engine.port],
            url_ready=f"http://{engine.address}/health" if engine.gpus else "",
            ready_seconds=self._load_seconds,
            fingerprint=ref.digest,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[*self.ground, *before, *depends_on]),
        )
        self._on_gpu.update(dict.fromkeys(engine.gpus, process))
        return process

    @property
    def ground(self) -> Sequence[pulumi.Resource]:
        """supervisord, and the key's file where engines read it."""
        return [self.supervisor] if self.key is None else [self.supervisor, self.key]
