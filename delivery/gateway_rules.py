"""The rules about what a router does before it routes: which kind of router can do what, and how services are told apart by their model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from delivery.config_advice import how_to_set
from delivery.config_models import RouterKind, Routing, StackConfig
from delivery.refusal import Refusal

BY_MODEL = frozenset({RouterKind.ENVOY})
"""Routers that can read a request's body."""


def gateway_refusals(config: StackConfig) -> list[Refusal]:
    """Every rule about the router that a well-formed config breaks."""
    if config.router.routing is not Routing.MODEL:
        return []
    return [*_kind(config), *_prefixes(config)]


def _kind(config: StackConfig) -> Iterator[Refusal]:
    kind = config.router.kind
    if kind not in BY_MODEL:
        because = f"{kind} doesn't read the bodies of requests"
        yield Refusal("router.routing", Routing.MODEL, f"path with {kind}", because,
                      f"{how_to_set('router.kind', RouterKind.ENVOY)}, or {how_to_set('router.routing', Routing.PATH)}")  # fmt: skip


def _prefixes(config: StackConfig) -> Iterator[Refusal]:
    for name, service in config.services.items():
        if service.path_prefix != "/":
            path = f"services.{name}.pathPrefix"
            because = "with routing: model all services have the same paths"
            yield Refusal(path, repr(service.path_prefix), "none", because, f"remove it, or {how_to_set('router.routing', Routing.PATH)}")


def model_refusals(config: StackConfig, models: Mapping[str, str]) -> list[Refusal]:
    """Services that serve one model name and so can't be told apart by it. `models`: the served name of each service."""
    if config.router.routing is not Routing.MODEL:
        return []
    owners: dict[str, str] = {}
    refusals = []
    for name, model in sorted(models.items()):
        owner = owners.setdefault(model, name)
        if owner != name:
            because = f"requests for it would all go to {owner}"
            do = f"set another servedModelName in its releases, or {how_to_set('router.routing', Routing.PATH)}"
            got = f"the model {model!r}, which {owner} serves too"
            refusals.append(Refusal(f"services.{name}", got, "a model of its own", because, do))
    return refusals
