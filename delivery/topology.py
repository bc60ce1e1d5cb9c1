"""What a router has to know of the services behind it, apart from the weights. Rendering it is delivery/router_config.py's."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from delivery.color import Color, Weights
from delivery.config_models import RouterKind
from delivery.refusal import Refusal


class Pool(BaseModel):
    """The engines of one color: the digest of the release they run, their addresses (`host:port`), and the digest of everything that
    would restart them (`spec`: command lines and environment)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    engines: tuple[str, ...]
    spec: str = ""


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


class Topology(BaseModel):
    """The router and everything behind it. `forced_color_secret` is the value that `x-verdigris-secret` must carry to force a color."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    router_host: str
    router_port: int
    admin_port: int
    forced_color_secret: str
    services: tuple[ServiceRoute, ...] = ()
    kind: RouterKind = RouterKind.ENVOY

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
