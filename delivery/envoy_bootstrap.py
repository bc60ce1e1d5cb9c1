"""Envoy's bootstrap: listener, admin interface, access log, and where to find clusters and routes (envoy_clusters, envoy_routes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from delivery.client_api import ErrorCode
from delivery.topology import Topology

BOOTSTRAP_FILE, CLUSTERS_FILE, ROUTES_FILE, ACCESS_LOG = "envoy.json", "clusters.json", "routes.json", "access.log"
STAT_PREFIX = "verdigris"
METADATA = "verdigris"  # namespace of what routes and endpoints say about themselves
LONGEST_PAUSE = "3600s"  # between two bytes of a stream, or while an engine queues a request
BUFFER_BYTES = 16 * 1024 * 1024  # a request must fit, or it can't be sent a second time
ADMIN_HOST = "127.0.0.1"

_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"

# Names of what is logged. No request header but the id is, so that neither keys nor secrets get into the log.
_LOG_FIELDS = {
    "time": "%START_TIME%",
    "service": f"%METADATA(ROUTE:{METADATA}:service)%",
    "color": f"%UPSTREAM_METADATA({METADATA}:color)%",
    "release": f"%UPSTREAM_METADATA({METADATA}:release)%",
    "forced": f"%METADATA(ROUTE:{METADATA}:forced)%",
    "engine": "%UPSTREAM_HOST%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "detail": "%RESPONSE_CODE_DETAILS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration_ms": "%DURATION%",
    "first_byte_ms": "%RESPONSE_DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}


def bootstrap_config(topology: Topology, folder: str) -> dict[str, Any]:
    """The bootstrap for the files in `folder` (an absolute path). It names no service, so it changes only with ports and folder."""
    return {
        "node": {"id": "verdigris", "cluster": "verdigris"},
        "admin": {"address": _socket(ADMIN_HOST, topology.admin_port)},
        "dynamic_resources": {"cds_config": _file_source(folder, CLUSTERS_FILE)},
        "static_resources": {"listeners": [_listener(topology, folder)]},
    }


def command(binary: str, folder: str, concurrency: int) -> list[str]:
    """The command line of Envoy with `concurrency` worker threads; nothing secret is in it.

    Without hot restart, so that several stacks can run on one machine; the access log is written out every second instead of every ten.
    """
    return [binary, "-c", f"{folder}/{BOOTSTRAP_FILE}", "--disable-hot-restart", "--concurrency", str(concurrency),
            "--file-flush-interval-msec", "1000", "--log-level", "warning"]  # fmt: skip


def _listener(topology: Topology, folder: str) -> dict[str, Any]:
    return {
        "name": "clients",
        "address": _socket(topology.router_host, topology.router_port),
        # With port sharing a second Envoy on the same port would start without an error and take half of the connections.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _connection_manager(folder)}]}],
    }


def _connection_manager(folder: str) -> dict[str, Any]:
    return {
        "@type": _HCM,
        "stat_prefix": STAT_PREFIX,
        "rds": {"route_config_name": STAT_PREFIX, "config_source": _file_source(folder, ROUTES_FILE)},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True}}],
        "stream_idle_timeout": LONGEST_PAUSE,
        # Nobody is internal: a client's x-envoy-* headers would otherwise change timeouts and retries.
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "192.0.2.0", "prefix_len": 32}]},  # a documentation address
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "server_header_transformation": "PASS_THROUGH",
        "access_log": [{"name": "file", "typed_config": _access_log(folder)}],
        "local_reply_config": {"mappers": [_engines_unavailable()]},
    }


def _access_log(folder: str) -> dict[str, Any]:
    return {"@type": _FILE_LOG, "path": f"{folder}/{ACCESS_LOG}", "log_format": {"json_format": _LOG_FIELDS}}


def _engines_unavailable() -> dict[str, Any]:
    """Envoy's own failures (no engine reached, stream reset) in the form of OpenAI's errors. Direct answers carry no flag: untouched."""
    error = {"message": "%LOCAL_REPLY_BODY%", "type": "server_error", "param": None, "code": ErrorCode.UPSTREAM.value}
    return {"filter": {"response_flag_filter": {}}, "body_format_override": {"json_format": {"error": error}}}


def _file_source(folder: str, name: str) -> dict[str, Any]:
    return {"path_config_source": {"path": f"{folder}/{name}"}, "resource_api_version": "V3"}


def _socket(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def binds(topology: Topology) -> Sequence[tuple[str, int]]:
    """The addresses that Envoy will listen on."""
    return ((topology.router_host, topology.router_port), (ADMIN_HOST, topology.admin_port))
