"""nginx as a router: weights go in by its files and a reload; what it uses it says on its loopback listener."""

from __future__ import annotations

import re
import time
from pathlib import Path

from delivery.color import Color, Weights
from delivery.nginx_config import ADMIN_HOST
from delivery.nginx_service import weights_of_json, weights_path
from probes.nginx_process import find_master
from probes.process_sockets import children_of, count_connections
from probes.router import ForeignWeights, RouterTimeout, RouterUnreachable, await_live_weights
from probes.router_files import read_topology, router_folder, router_url, write_routes

CALL_SECONDS = 3.0
DRAIN_POLL_SECONDS = 0.1
WORKER_ANSWERS = 5  # the old workers accept connections until they have seen the reload: one new answer isn't proof


class NginxRouter:
    """The nginx of the stack in `home` (a RouterClient)."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @property
    def url(self) -> str:
        """Where clients send requests."""
        return router_url(read_topology(self._home))

    def live_weights(self, service: str) -> Weights | None:
        """The weights that a worker says it uses. None for a service that nginx doesn't know."""
        status, text = self._admin(weights_path(service))
        try:
            return weights_of_json(text) if status == 200 else None
        except ValueError as error:
            raise ForeignWeights(f"{service}: the router's weights aren't ours: {error}") from error

    def write_weights(self, service: str, weights: Weights | None) -> None:
        """Check the new files, replace the old ones and reload."""
        write_routes(self._home, service, weights)

    def await_weights(self, service: str, weights: Weights | None, deadline_seconds: float) -> None:
        """Ask until several answers in a row say these weights."""
        ends = time.monotonic() + deadline_seconds
        while True:
            await_live_weights(self, service, weights, max(0.0, ends - time.monotonic()))
            if all(self.live_weights(service) == weights for _ in range(WORKER_ANSWERS)):
                return

    def in_flight(self, service: str, color: Color) -> int:
        """Connections of nginx's workers, the leaving ones too, to the engines of a color. One is one request: none are kept alive."""
        topology = read_topology(self._home)
        route = topology.service(service)
        pool = None if route is None else route.pool(color)
        if pool is None:
            return 0
        master = find_master(router_folder(self._home))
        if master is None:
            raise RouterUnreachable(f"{router_folder(self._home)}: no nginx runs there")
        return count_connections(children_of(master), pool.behind_router)

    def drain(self, deadline_seconds: float) -> None:
        """Wait until no request is open. Connections of clients end by themselves: none are kept alive."""
        ends = time.monotonic() + deadline_seconds
        while (still_open := self._open_requests()) > 0:
            if time.monotonic() > ends:
                raise RouterTimeout(f"{still_open} requests are still open after {deadline_seconds:g} s of draining")
            time.sleep(DRAIN_POLL_SECONDS)

    def _open_requests(self) -> int:
        found = re.search(r"Active connections: (\d+)", self._admin("/connections")[1])
        if found is None:
            raise RouterUnreachable("nginx doesn't say how many connections it has")
        return int(found.group(1)) - 1  # without this question's own

    def _admin(self, path: str) -> tuple[int, str]:
        import httpx  # slow to load, and most readers of this module only write files

        url = f"http://{ADMIN_HOST}:{read_topology(self._home).admin_port}{path}"
        try:
            with httpx.Client(timeout=CALL_SECONDS, trust_env=False, verify=False) as client:
                answer = client.get(url)
        except httpx.HTTPError as error:
            raise RouterUnreachable(f"nginx's own listener at {url} doesn't answer: {error}") from error
        if answer.status_code >= 500:
            raise RouterUnreachable(f"nginx's own listener at {url} answers {answer.status_code}")
        return answer.status_code, answer.text
