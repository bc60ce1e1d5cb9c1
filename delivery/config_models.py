"""The shape of the stack config: every field, its bounds and default. Rules between fields are delivery/config_rules.py's.

camelCase in YAML, snake_case in Python, unknown keys are errors, nothing is converted ("25" is not 25). Import from delivery/config.py.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from delivery.color import Color, Weights
from delivery.gate_settings import EvalSettings, WarmupSettings

LOWEST_PORT = 1024
"""Ports below need root, and no part of a stack runs as root."""

HIGHEST_PORT = 65535
MAX_REPLICAS = 50
"""Each color of a service owns this many ports in a row (delivery/addresses.py)."""


DEFAULT_REQUEST_BYTES = 16 * 1024 * 1024
"""Of a request's body: long contexts and a few images. The router holds it in memory, so that it can be sent a second time."""


class Target(StrEnum):
    """Where engines and router run."""

    LOCAL = "local"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"
    SSH = "ssh"


class RouterKind(StrEnum):
    """The program that splits the traffic."""

    ENVOY = "envoy"
    NGINX = "nginx"


class Routing(StrEnum):
    """How the router tells services apart: by the path's beginning, or by the field `model` of the request's body."""

    PATH = "path"
    MODEL = "model"


class Standby(StrEnum):
    """What a color with weight 0 does: ready at once, vLLM's sleep mode, or no processes at all."""

    WARM = "warm"
    ASLEEP = "asleep"
    OFF = "off"


class _ConfigModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", alias_generator=to_camel, allow_inf_nan=False)


class RateLimitConfig(_ConfigModel):
    """What each client key may send, counted by this router alone."""

    requests_per_minute: int = Field(ge=1, le=1_000_000)


class TlsConfig(_ConfigModel):
    """PEM files that exist already, absolute or from the project's root: the certificate with its chain, and its key."""

    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)


class RouterConfig(_ConfigModel):
    """The one router of a stack. Without `port` it listens on the stack's base port; `listen` is an IPv4 address."""

    kind: RouterKind = RouterKind.ENVOY
    port: int | None = Field(default=None, ge=LOWEST_PORT, le=HIGHEST_PORT)
    listen: str = "127.0.0.1"
    routing: Routing = Routing.PATH
    max_request_bytes: int = Field(default=DEFAULT_REQUEST_BYTES, ge=1024, le=1024**3)
    rate_limit: RateLimitConfig | None = None
    tls: TlsConfig | None = None


class DockerConfig(_ConfigModel):
    """The docker target. `host`: the engine's address, None for docker's own choice (DOCKER_HOST, else its socket). `subnet`: the stack's
    network, None for one that follows from the base port (delivery/docker_addresses.py). `router_image`: None: of scripts/make-images.
    """

    host: str | None = Field(default=None, min_length=1)
    subnet: str | None = Field(default=None, min_length=1)
    router_image: str | None = Field(default=None, min_length=1)


class PoolConfig(_ConfigModel):
    """The engines of one color. `gpus` are device ids, dealt out evenly to the replicas; a replica with several uses tensor parallelism.

    `gpu_memory_utilization` is the fraction of each GPU that one engine may take; None leaves it to the engine (delivery/gpus.py).
    """

    release: str = Field(min_length=1)
    replicas: int = Field(default=1, ge=1, le=MAX_REPLICAS)
    gpus: tuple[int, ...] = ()
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    standby: Standby = Standby.WARM

    @property
    def tensor_parallel_size(self) -> int:
        """GPUs of one replica; 1 for a pool without GPUs."""
        return max(1, len(self.gpus) // self.replicas)

    def gpus_of(self, replica: int) -> tuple[int, ...]:
        """The device ids of one replica, counted from 0."""
        share = len(self.gpus) // self.replicas
        return self.gpus[replica * share : (replica + 1) * share]


class GatesConfig(_ConfigModel):
    """The gates of a service; None where the config states none."""

    warmup: WarmupSettings | None = None
    eval: EvalSettings | None = None


class DrainConfig(_ConfigModel):
    """How long the requests in flight on a color at weight 0 may take before its pool may be touched."""

    deadline_seconds: int = Field(default=120, ge=1, le=86_400)


class ProofConfig(_ConfigModel):
    """How many requests prove a new split, at least. 200 bound each color's share to about ±17 points at 50 % (delivery/split_proof.py);
    a small weight takes more, so that silence of the smaller color is a surprise: 1,445 at 1 %."""

    probes: int = Field(default=200, ge=20, le=10_000)


class ServiceConfig(_ConfigModel):
    """One model endpoint: two pools, who is active, and the percent of traffic on the other one."""

    active: Color
    canary_weight: int = Field(default=0, ge=0, le=100)
    steps: tuple[int, ...] = Field(default=(1, 25, 75, 100), min_length=1)
    engine_port: int | None = Field(default=None, ge=LOWEST_PORT, le=HIGHEST_PORT)
    path_prefix: str = "/"
    sticky_header: str | None = None
    blue: PoolConfig | None = None
    green: PoolConfig | None = None
    gates: GatesConfig = GatesConfig()
    drain: DrainConfig = DrainConfig()
    proof: ProofConfig = ProofConfig()

    def pool(self, color: Color) -> PoolConfig | None:
        """The pool of a color, None where the config has none."""
        return self.blue if color is Color.BLUE else self.green

    @property
    def pools(self) -> dict[Color, PoolConfig]:
        """The pools that the config has, blue first."""
        return {color: pool for color in Color if (pool := self.pool(color)) is not None}

    @property
    def target_weights(self) -> Weights:
        """The weights that the config asks for."""
        return Weights.of_canary(self.active, self.canary_weight)


class StackConfig(_ConfigModel):
    """A whole stack: one router and the services behind it. `base_port` is where the ports that the config doesn't name begin."""

    target: Target
    base_port: int = Field(default=9600, ge=LOWEST_PORT, le=HIGHEST_PORT - 300)
    router: RouterConfig = RouterConfig()
    docker: DockerConfig = DockerConfig()
    services: dict[str, ServiceConfig] = Field(min_length=1)
