"""The docker target: a container an engine, in a network of the stack, and the router's container. Images are made or pulled by others.

Nothing that changes with a rollout (weights, active color) is in a container's environment, labels or command: Docker would replace it.
Engines have fixed addresses in the network and the router, in the machine's own network, goes to them directly: Docker's proxy for
published ports ends with dockerd, so a restart of dockerd would cut requests (docs/adr/0010-docker-router-in-the-hosts-network.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from components.targets.target import STOP_MARGIN_SECONDS
from delivery import container as parts
from delivery.addresses import LOOPBACK
from delivery.config import RouterKind, StackConfig
from delivery.desired import DesiredEngine, ReleaseRef
from delivery.docker_addresses import subnet_of
from delivery.envoy_bootstrap import command as envoy_command
from delivery.nginx_config import command as nginx_command
from delivery.topology import Topology
from probes.stack_home import StackHome
from providers.ready import Ready

ROUTER_READY_SECONDS = 60.0
ROUTER_STOP_SECONDS = 120
"""nginx drains by itself after SIGQUIT."""

ROUTER_DRAIN_SECONDS = 120.0
"""Envoy is drained before it is stopped: SIGTERM cuts its requests."""

START_PERIOD = "30m0s"
"""Docker counts no failed health check as one while a model may still be loading."""

_LOGS = {"max-size": "20m", "max-file": "5"}


class DockerTarget:
    """Engines and router in containers of one Docker engine. `keyed` says whether the engines want an API key."""

    def __init__(self, root: Path, home: StackHome, config: StackConfig, *, keyed: bool, load_seconds: float) -> None:
        self._root, self._home, self._keyed, self._load_seconds = root, home, keyed, load_seconds
        self._prefix = f"verdigris-{pulumi.get_stack()}"
        self._on_gpu: dict[int, pulumi.Resource] = {}
        self._cache: docker.Volume | None = None
        self.key: pulumi.Resource | None = None
        # Without the check a preview works where the engine can't be reached, as one does without the router.
        self._provider = docker.Provider("docker", host=config.docker.host, disable_docker_daemon_check=True)
        self._network = docker.Network(
            "network",
            name=self._prefix,
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(subnet_of(config)))],
            labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in self._labels("network").items()],
            opts=self._options(delete_before_replace=True),
        )

    @property
    def ground(self) -> Sequence[pulumi.Resource]:
        """The network, and the key's file where engines read it."""
        return [self._network] if self.key is None else [self._network, self.key]

    def router(self, topology: Topology, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """Envoy or nginx in the machine's own network, as the user of this program: its files are read and written by both."""
        name, folder = f"{self._prefix}-router", str(self._home.router)
        is_nginx, is_root = topology.kind is RouterKind.NGINX, os.getuid() == 0
        command = _nginx(folder, is_root=is_root) if is_nginx else envoy_command("envoy", folder, os.cpu_count() or 1)
        container = docker.Container(
            "router",
            name=name,
            image=topology.image,
            entrypoints=command[:1],
            command=command[1:],
            user=f"{os.getuid()}:{os.getgid()}",
            network_mode="host",
            mounts=[docker.ContainerMountArgs(type="bind", source=folder, target=folder)],
            # As root nginx sets the groups of its workers, even to what they are.
            capabilities=_capabilities(["CAP_SETGID"] if is_nginx and is_root else []),
            read_only=True,
            stop_signal="SIGQUIT" if is_nginx else "SIGTERM",
            # Envoy reads where its admin interface listens only when it starts.
            **self._common("router", ROUTER_STOP_SECONDS, {"dev.verdigris.admin": str(topology.admin_port)}),
            opts=pulumi.ResourceOptions.merge(opts, self._options(delete_before_replace=True)),
        )
        admin = f"http://{LOOPBACK}:{topology.admin_port}"
        ready: pulumi.Resource = Ready(
            "router-ready", url=f"{admin}/ready", container=container.id, seconds=ROUTER_READY_SECONDS, required=True,
            look=f"docker logs {name}", drain_url="" if is_nginx else admin, drain_seconds=ROUTER_DRAIN_SECONDS,
            opts=pulumi.ResourceOptions(parent=opts.parent, depends_on=[container]),
        )  # fmt: skip
        return ready

    def engine(
        self, engine: DesiredEngine, ref: ReleaseRef, stop_seconds: int, depends_on: Sequence[pulumi.Resource], parent: pulumi.Resource
    ) -> pulumi.Resource:
        """One engine, published on loopback only. Where engines share a GPU the next one starts when this one has loaded."""
        release, name = ref.release, f"{self._prefix}-{engine.name}"
        before = [self._on_gpu[gpu] for gpu in engine.gpus if gpu in self._on_gpu]
        entry_point, command = parts.entry_point(engine, keyed=self._keyed)
        container = docker.Container(
            engine.name,
            name=name,
            image=release.image or "",
            entrypoints=entry_point,
            command=command,
            envs=[f"{key}={value}" for key, value in sorted(parts.environment(engine, release).items())],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=self._network.name, ipv4_address=engine.ip)],
            ports=[docker.ContainerPortArgs(internal=engine.port, external=engine.port, ip=LOOPBACK)],
            mounts=self._mounts(ref),
            device_requests=_gpus(engine.gpus),
            ipc_mode="private",
            shm_size=parts.shared_memory_mib(release),
            # Without capabilities root can't read another user's file, and the key's belongs to whoever runs this program.
            capabilities=_capabilities(["CAP_DAC_READ_SEARCH"] if self._keyed and os.getuid() != 0 else []),
            read_only=parts.read_only(release),
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=parts.health_command(engine.port), interval="10s", timeout="10s", retries=3, start_period=START_PERIOD
            ),
            **self._common(engine.name, stop_seconds + STOP_MARGIN_SECONDS),
            opts=self._options(parent=parent, depends_on=[*self.ground, *before, *depends_on], delete_before_replace=True),
        )
        if not engine.gpus:
            return container
        ready: pulumi.Resource = Ready(
            f"{engine.name}-ready", url=f"http://{engine.address}/health", container=container.id, seconds=self._load_seconds,
            required=False, look=f"docker logs {name}", opts=pulumi.ResourceOptions(parent=parent, depends_on=[container]),
        )  # fmt: skip
        self._on_gpu.update(dict.fromkeys(engine.gpus, ready))
        return ready

    def _common(self, part: str, stop_seconds: int, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
        every = {**self._labels(part), **(labels or {})}
        return {
            "restart": "unless-stopped",
            "stop_timeout": stop_seconds,
            "destroy_grace_seconds": stop_seconds,
            "log_driver": "json-file",
            "log_opts": _LOGS,
            "security_opts": ["no-new-privileges:true"],
            "tmpfs": {"/tmp": "exec,mode=1777"},
            "labels": [docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(every.items())],
        }

    def _mounts(self, ref: ReleaseRef) -> list[docker.ContainerMountArgs]:
        wanted = parts.mounts(ref.release, str(self._root))
        if self._keyed:
            wanted.append(parts.Mount(str(self._home.engine_key), parts.KEY_FILE))
        found = [docker.ContainerMountArgs(type="bind", source=each.source, target=each.target, read_only=True) for each in wanted]
        if parts.needs_cache(ref.release):
            found.append(docker.ContainerMountArgs(type="volume", source=self._hub_cache().name, target=parts.CACHE))
        return found

    def _hub_cache(self) -> docker.Volume:
        """Models from the hub, kept for all engines of the stack until it is destroyed."""
        if self._cache is None:
            self._cache = docker.Volume("hub-cache", name=f"{self._prefix}-hub-cache", opts=self._options())
        return self._cache

    def _labels(self, part: str) -> Mapping[str, str]:
        return {"dev.verdigris.part": part, "dev.verdigris.stack": pulumi.get_stack()}

    def _options(
        self, parent: pulumi.Resource | None = None, depends_on: Sequence[pulumi.Resource] = (), *, delete_before_replace: bool = False
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=parent, depends_on=list(depends_on), provider=self._provider, delete_before_replace=delete_before_replace
        )


def _nginx(folder: str, *, is_root: bool) -> list[str]:
    command = nginx_command("nginx", folder)
    # Else the workers of a root's nginx run as a user of the image's, who can't write below this folder.
    return [f"{word} user root;" if is_root and word == "daemon off;" else word for word in command]


def _capabilities(added: list[str]) -> docker.ContainerCapabilitiesArgs:
    return docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=added)


def _gpus(ids: Sequence[int]) -> list[docker.ContainerDeviceRequestArgs] | None:
    if not ids:
        return None
    return [docker.ContainerDeviceRequestArgs(driver="nvidia", device_ids=[str(each) for each in ids], capabilities=["gpu"])]
