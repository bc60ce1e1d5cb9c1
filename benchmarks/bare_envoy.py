"""The peer of the flip bench: the same Envoy with nothing around it but a route file that we write, in front of the same engines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from benchmarks.stacks import await_true
from delivery.client_api import COLOR_HEADER
from delivery.color import Color
from probes.atomic_file import write_atomically
from probes.envoy_router import envoy_binary

_STOP_SECONDS = 10.0
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"


class BareEnvoy:
    """From the entry of a `with` block to its exit; everything goes to blue at first. `engines` are addresses (`host:port`)."""

    def __init__(self, folder: Path, port: int, admin_port: int, engines: Mapping[Color, str]) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self._folder, self._admin_port, self._engines = folder, admin_port, engines
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, color: Color) -> None:
        """Replace the route file: all to this color."""
        write_atomically(self.routes_file, json.dumps(_routes(color)))

    @property
    def routes_file(self) -> Path:
        """What Envoy watches."""
        return self._folder / "routes.json"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.write(Color.BLUE)
        bootstrap = self._folder / "envoy.json"
        bootstrap.write_text(json.dumps(_bootstrap(self.port, self._admin_port, self.routes_file, self._engines)))
        with (self._folder / "envoy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [envoy_binary(), "-c", bootstrap, "--disable-hot-restart", "--log-level", "warning"], stdout=log, stderr=log
            )
        await_true(self._ready, "the bare Envoy is ready")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._admin_port}/ready", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def _routes(color: Color) -> dict[str, Any]:
    answered_by = {"header": {"key": COLOR_HEADER, "value": color.value}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": color.value, "timeout": "0s"}, "response_headers_to_add": [answered_by]}
    table = {"@type": _ROUTES, "name": "bare", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}
    return {"resources": [table]}


def _bootstrap(port: int, admin_port: int, routes_file: Path, engines: Mapping[Color, str]) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(routes_file)}, "resource_api_version": "V3"}
    manager = {
        "@type": _HCM,
        "stat_prefix": "bare",
        "rds": {"route_config_name": "bare", "config_source": source},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    filters = [{"name": "http", "typed_config": manager}]
    listener = {"name": "clients", "address": _socket(f"127.0.0.1:{port}"), "filter_chains": [{"filters": filters}]}
    return {
        "node": {"id": "bare", "cluster": "bare"},
        "admin": {"address": _socket(f"127.0.0.1:{admin_port}")},
        "static_resources": {"listeners": [listener], "clusters": [_cluster(color, engine) for color, engine in engines.items()]},
    }


def _cluster(color: Color, engine: str) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _socket(engine)}}]}]
    return {
        "name": color.value,
        "type": "STATIC",
        "load_assignment": {"cluster_name": color.value, "endpoints": endpoints},
        # The engines' server closes idle connections after 5 s; the peer must not fail for that.
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "4s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _socket(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
