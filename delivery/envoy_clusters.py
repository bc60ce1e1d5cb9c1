"""Envoy's clusters: one for each color of each service. What may use them is in envoy_routes."""

from __future__ import annotations

import ipaddress
from typing import Any

from delivery.color import Color
from delivery.envoy_names import METADATA
from delivery.topology import Pool, ServiceRoute, Topology

_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_HTTP_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

CONNECT_TIMEOUT = "2s"
# An engine's server (uvicorn) closes a connection that was idle for 5 s; closing ours first avoids sending into a closed one.
KEEP_ALIVE = "4s"
# The defaults (1024, and 3 retries at once) turn a killed pool under load into thousands of failed requests.
_LIMITS = {"max_connections": 65536, "max_pending_requests": 65536, "max_requests": 65536, "max_retries": 1024}


def cluster_configs(topology: Topology) -> list[dict[str, Any]]:
    """One cluster for each pool, in the order of services and colors."""
    pools = ((service, color, service.pool(color)) for service in sorted(topology.services, key=lambda s: s.name) for color in Color)
    return [_cluster(service, color, pool) for service, color, pool in pools if pool is not None]


def _cluster(service: ServiceRoute, color: Color, pool: Pool) -> dict[str, Any]:
    name = service.cluster(color)
    metadata = {"filter_metadata": {METADATA: {"service": service.name, "color": color.value, "release": pool.release}}}
    endpoints = [{"endpoint": {"address": _address(engine)}, "metadata": metadata} for engine in pool.behind_router]
    return {
        "@type": _CLUSTER,
        "name": name,
        "type": "STATIC" if all(_is_ip(engine) for engine in pool.behind_router) else "STRICT_DNS",
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",  # requests to a language model differ much in length
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "health_checks": [_health_check()],
        "ignore_health_on_host_removal": True,
        "circuit_breakers": {"thresholds": [dict(_LIMITS)]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _http_options()},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _health_check() -> dict[str, Any]:
    """Takes a dead replica out of a pool whose others live.

    With the panic threshold at 1 % a pool without any live replica is still tried: the connection fails, and the retry moves the request
    to the other color. At 0 Envoy would answer 503 at once, without a retry, to that color's whole share.
    """
    return {
        "timeout": "2s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/health"},
    }


def _http_options() -> dict[str, Any]:
    return {
        "@type": _HTTP_OPTIONS,
        "common_http_protocol_options": {"idle_timeout": KEEP_ALIVE},
        "explicit_http_config": {"http_protocol_options": {}},
    }


def _address(engine: str) -> dict[str, Any]:
    host, _, port = engine.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def _is_ip(engine: str) -> bool:
    try:
        ipaddress.ip_address(engine.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True
