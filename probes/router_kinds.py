"""The client for the router that a stack has."""

from __future__ import annotations

from pathlib import Path

from delivery.config_models import RouterKind
from probes.envoy_router import EnvoyRouter
from probes.nginx_router import NginxRouter
from probes.router import RouterClient, RouterUnreachable
from probes.router_files import read_topology


def open_router(home: Path) -> RouterClient:
    """The router of the stack in `home`. Where its files aren't there yet it is an Envoy whose every answer is RouterUnreachable."""
    try:
        kind = read_topology(home).kind
    except RouterUnreachable:
        return EnvoyRouter(home)
    return NginxRouter(home) if kind is RouterKind.NGINX else EnvoyRouter(home)
