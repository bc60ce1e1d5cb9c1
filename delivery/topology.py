"""What a router has to know of the services behind it, apart from the weights. Rendering it is delivery/router_config.py's."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from delivery.color import Color, Weights
from delivery.config_models import DEFAULT_REQUEST_BYTES, RouterKind, Routing
from delivery.refusal import Refusal


class Pool(BaseModel):
    """The engines of one color: the digest of the release they run, their addresses (`host:port`), and the digest of everything that
    would restart them (`spec`: command lines and environment). `upstreams` are the engines as the router reaches them, in the same order,
    where that differs from `engines`, which gates reach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    engines: tuple[str, ...]
    spec: str = ""
    upstreams: tuple[str, ...] = ()

    @property
    def behind_router(self) -> tuple[str, ...]:
        """The addresses that the router connects to."""
        return self.upstreams or self.engines


class ServiceRoute(BaseModel):
    """One service behind the router. `sticky_header` names the request header whose value decides the color of a canary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path_prefix: str = "/"
    sticky_header: str | None = None
    served_model: str = ""
    blue: Pool | None = None
    green: Pool | None = None

    def pool(self, color: Color) -> Pool | None:
        """The pool of a color, None where the config has none."""
        return self.blue if color is Color.BLUE else self.green

    def cluster(self, color: Color) -> str:
        """The router's name for the pool of a color."""
        return f"{self.name}-{color}"


class TlsFiles(BaseModel):
    """The certificate chain and key that the router shows to clients: absolute paths, and a digest of what is in the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: str
    key: str
    digest: str


SECRET_FIELDS = frozenset({"forced_color_secret", "client_keys", "engine_key"})
"""Fields of a Topology that are read from files of the stack's own and are in no state, log or output."""


class Topology(BaseModel):
    """The router and everything behind it. `forced_color_secret` is the value that `x-verdigris-secret` must carry to force a color.

    `keyed`: clients need a key of `client_keys` (name -> key), which the router replaces by `engine_key` ("" for none) on the way to an
    engine. `requests_per_minute` is the limit of each client key, None for none. `image`: what the router's container is made from, "" for
    a process; `docker_host`: the Docker engine's address, "" for docker's own choice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    router_host: str
    router_port: int
    admin_port: int
    forced_color_secret: str
    services: tuple[ServiceRoute, ...] = ()
    kind: RouterKind = RouterKind.ENVOY
    routing: Routing = Routing.PATH
    max_request_bytes: int = DEFAULT_REQUEST_BYTES
    requests_per_minute: int | None = None
    tls: TlsFiles | None = None
    keyed: bool = False
    client_keys: dict[str, str] = {}
    engine_key: str = ""
    image: str = ""
    docker_host: str = ""

    @property
    def knows_our_probes(self) -> bool:
        """Whether the secret alone opens a service's split: where clients need a key, or where a probe's path names no service."""
        return self.keyed or self.routing is Routing.MODEL

    @property
    def scheme(self) -> str:
        """Of the URL that clients use."""
        return "http" if self.tls is None else "https"

    def service(self, name: str) -> ServiceRoute | None:
        """The route of a service, None for one that the router does not know."""
        return next((service for service in self.services if service.name == name), None)


def refuse_weight_without_pool(service: ServiceRoute, weights: Weights | None) -> None:
    """Raises Refusal where a color with a weight has no pool: its share of the requests would fail."""
    for color in Color:
        if weights is not None and weights.of(color) and service.pool(color) is None:
            raise Refusal(
                f"services.{service.name}.{color}",
                f"weight {weights.of(color)} and no pool",
                "a pool or weight 0",
                "its share of the requests would fail",
                f"move the weight to {color.other} first, then remove the pool",
            )
