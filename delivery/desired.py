"""From the config and its releases to what should exist: engines with their commands, pools, routes. Every target builds this."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from delivery.addresses import LOOPBACK, admin_port, engine_port, router_port
from delivery.color import Color
from delivery.config import PoolConfig, ServiceConfig, StackConfig, Standby, Target
from delivery.docker_addresses import engine_ip
from delivery.engine_args import EngineCommand, engine_command
from delivery.gateway_rules import model_refusals
from delivery.plan import DesiredPool
from delivery.refusal import Refusal, Refusals
from delivery.release import EngineKind, Release
from delivery.topology import Pool, ServiceRoute, TlsFiles, Topology


@dataclass(frozen=True)
class ReleaseRef:
    """A release with its digest, as read from its file."""

    release: Release
    digest: str


@dataclass(frozen=True)
class Machine:
    """Absolute paths where engines start: the project's root and the Pythons that have the simulator and vLLM; where engines listen.

    `marks` are variables that every engine gets: another value makes it another engine.
    """

    root: str
    simulator: str
    vllm: str
    listen: str = LOOPBACK
    marks: tuple[tuple[str, str], ...] = ()

    def python(self, kind: EngineKind) -> str:
        """The interpreter for an engine kind."""
        return self.vllm if kind.is_vllm else self.simulator


@dataclass(frozen=True)
class DesiredEngine:
    """One engine process: its name (service, color, replica), address, command and GPUs; `ip` is its container's, where it has one."""

    name: str
    host: str
    port: int
    command: EngineCommand
    gpus: tuple[int, ...]
    ip: str = ""

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def upstream(self) -> str:
        """`host:port` as the router reaches it."""
        return f"{self.ip or self.host}:{self.port}"


@dataclass(frozen=True)
class DesiredService:
    """One service as the config wants it. A color that is `off` at weight 0 has no engines, yet keeps its addresses in the route."""

    name: str
    config: ServiceConfig
    releases: Mapping[Color, ReleaseRef]
    engines: Mapping[Color, tuple[DesiredEngine, ...]]
    route: ServiceRoute

    def sleeps(self, color: Color) -> bool:
        """Whether a color's engines are to sleep: at weight 0, where the config says so."""
        pool = self.config.pool(color)
        return pool is not None and pool.standby is Standby.ASLEEP and self.config.target_weights.of(color) == 0

    def pools(self) -> dict[Color, DesiredPool]:
        """The pools as the plan reads them."""
        return {
            color: DesiredPool(ref.digest, spec_of(ref.digest, pool), tuple(engine.address for engine in pool))
            for color, ref in self.releases.items()
            for pool in [self.engines[color]]
        }


def desired_service(config: StackConfig, name: str, releases: Mapping[Color, ReleaseRef], machine: Machine) -> DesiredService:
    """What should exist for one service. Raises Refusal when its colors serve different model names."""
    service = config.services[name]
    _refuse_two_names(name, releases)
    every = {color: _engines(config, name, color, ref, machine) for color, ref in releases.items()}
    engines = {color: () if _is_off(service, color) else pool for color, pool in every.items()}
    pools = {color: _pool(ref.digest, every[color], engines[color]) for color, ref in releases.items()}
    route = ServiceRoute(
        name=name, path_prefix=service.path_prefix, sticky_header=service.sticky_header,
        served_model=releases[service.active].release.served_name, blue=pools.get(Color.BLUE), green=pools.get(Color.GREEN),
    )  # fmt: skip
    return DesiredService(name, service, releases, engines, route)


def desired_topology(
    config: StackConfig, services: Mapping[str, DesiredService], tls: TlsFiles | None = None, *, keyed: bool = False
) -> Topology:
    """The router and all services behind it; its secrets are filled in where they are known. `keyed`: clients need a key.

    Raises Refusals for services that a router by model can't tell apart.
    """
    twins = model_refusals(config, {name: service.route.served_model for name, service in services.items()})
    if twins:
        raise Refusals(twins)
    limit = config.router.rate_limit
    routes = tuple(service.route for _, service in sorted(services.items()))
    return Topology(
        router_host=config.router.listen, router_port=router_port(config), admin_port=admin_port(config), forced_color_secret="",
        services=routes, kind=config.router.kind, image=_router_image(config), docker_host=config.docker.host or "",
        routing=config.router.routing, max_request_bytes=config.router.max_request_bytes,
        requests_per_minute=limit.requests_per_minute if limit else None, tls=tls, keyed=keyed,
    )  # fmt: skip


def _pool(release: str, every: tuple[DesiredEngine, ...], running: tuple[DesiredEngine, ...]) -> Pool:
    engines, upstreams = (tuple(addresses) for addresses in ([each.address for each in every], [each.upstream for each in every]))
    return Pool(release=release, engines=engines, spec=spec_of(release, running), upstreams=() if upstreams == engines else upstreams)


def _router_image(config: StackConfig) -> str:
    if config.target is not Target.DOCKER:
        return ""
    return config.docker.router_image or f"verdigris/{config.router.kind}:dev"


def spec_of(release: str, engines: tuple[DesiredEngine, ...]) -> str:
    """Digest of what would restart an engine: release, command, environment, and which GPUs each replica has. Without GPUs it is the same
    for any number of replicas. "" without engines."""
    if not engines:
        return ""
    first = engines[0]
    argv = [part for part in first.command.argv if part != str(first.port)]
    in_network = [engine.ip for engine in engines[:1] if engine.ip]  # a container with another address is another container
    gpus = [engine.gpus for engine in engines if engine.gpus]
    text = json.dumps([release, argv, _shared(first), *in_network, *gpus])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _shared(engine: DesiredEngine) -> list[tuple[str, str]]:
    """The environment without what differs between replicas: which GPUs a replica got of the pool's, which `spec_of` adds for all."""
    return sorted((key, value) for key, value in engine.command.environment.items() if key != "CUDA_VISIBLE_DEVICES")


def _engines(config: StackConfig, name: str, color: Color, ref: ReleaseRef, machine: Machine) -> tuple[DesiredEngine, ...]:
    service = config.services[name]
    pool = service.pool(color)
    assert pool is not None, "a release belongs to a pool"
    ports = [engine_port(config, service, color, replica) for replica in range(pool.replicas)]
    return tuple(
        replace(
            _engine(f"{name}-{color}-{replica}", port, pool.gpus_of(replica), service, pool, ref, machine),
            ip=engine_ip(config, port) if config.target is Target.DOCKER else "",
        )
        for replica, port in enumerate(ports)
    )


def _engine(
    name: str, port: int, gpus: tuple[int, ...], service: ServiceConfig, pool: PoolConfig, ref: ReleaseRef, machine: Machine
) -> DesiredEngine:
    command = engine_command(
        ref.release, python=machine.python(ref.release.engine), model_root=machine.root, host=machine.listen, port=port, gpus=gpus,
        gpu_memory_utilization=pool.gpu_memory_utilization, drain_seconds=service.drain.deadline_seconds,
        sleep_mode=pool.standby is Standby.ASLEEP,
    )  # fmt: skip
    command = replace(command, environment={**command.environment, **dict(machine.marks)})
    return DesiredEngine(name, LOOPBACK, port, command, gpus)


def _is_off(service: ServiceConfig, color: Color) -> bool:
    pool = service.pool(color)
    return pool is not None and pool.standby is Standby.OFF and service.target_weights.of(color) == 0


def _refuse_two_names(name: str, releases: Mapping[Color, ReleaseRef]) -> None:
    served = {color: ref.release.served_name for color, ref in releases.items()}
    if len(set(served.values())) > 1:
        raise Refusal(
            f"services.{name}", " and ".join(f"{color} serving {model!r}" for color, model in sorted(served.items())),
            "one model name for both colors", "clients put it into every request and the router may send that to either color",
            "set the same servedModelName in both releases",
        )  # fmt: skip
