"""Envoy's listener for clients: its address and TLS, the order of its filters, the access log, and the form of Envoy's own errors.

Replaced as a file (LDS): another limit or certificate takes effect without a restart, and connections that are open finish on the old one.
Which keys are valid is in envoy_routes, what each filter does in envoy_gateway.
"""

from __future__ import annotations

from typing import Any

from delivery import client_api as api
from delivery.envoy_gateway import gateway_filters
from delivery.envoy_names import (
    LONGEST_PAUSE,
    METADATA,
    ROUTES_FILE,
    STAT_PREFIX,
    TLS_CERTIFICATE,
    TLS_KEY,
    file_source,
    socket,
)
from delivery.topology import Topology

_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_STDOUT_LOG = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_EARLY = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"

LEAST_BUFFER_BYTES = 16 * 1024 * 1024  # a request must fit, or it can't be sent a second time

# Names of what is logged. Of the request's headers only the id and the client's name are, which is no client's to set: no keys, no secrets.
_LOG_FIELDS = {
    "time": "%START_TIME%",
    "service": f"%METADATA(ROUTE:{METADATA}:service)%",
    "color": f"%UPSTREAM_METADATA({METADATA}:color)%",
    "release": f"%UPSTREAM_METADATA({METADATA}:release)%",
    "forced": f"%METADATA(ROUTE:{METADATA}:forced)%",
    "client": f"%REQ({api.CLIENT_HEADER.upper()})%",
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


def listener_configs(topology: Topology, folder: str) -> list[dict[str, Any]]:
    """The one listener, with the files in `folder`. It names no service and no key, so it changes only with the router's own settings."""
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": _connection_manager(topology, folder)}]}
    if topology.tls is not None:
        chain |= {"name": topology.tls.digest, "transport_socket": _tls(folder)}
    listener = {
        "@type": _LISTENER,
        "name": "clients",
        "address": socket(topology.router_host, topology.router_port),
        # With port sharing a second Envoy on the same port would start without an error and take half of the connections.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": max(LEAST_BUFFER_BYTES, topology.max_request_bytes),
        "filter_chains": [chain],
    }
    return [listener]


def _tls(folder: str) -> dict[str, Any]:
    """The files are copies in the router's folder; the digest of what is in them names the filter chain, so that new ones are loaded."""
    files = {"certificate_chain": {"filename": f"{folder}/{TLS_CERTIFICATE}"}, "private_key": {"filename": f"{folder}/{TLS_KEY}"}}
    common = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [files]}
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": _TLS, "common_tls_context": common}}


def _connection_manager(topology: Topology, folder: str) -> dict[str, Any]:
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True}}
    return {
        "@type": _HCM,
        "stat_prefix": STAT_PREFIX,
        "rds": {"route_config_name": STAT_PREFIX, "config_source": file_source(folder, ROUTES_FILE)},
        "http_filters": [*gateway_filters(topology), router],
        "stream_idle_timeout": LONGEST_PAUSE,
        # Nobody is internal: a client's x-envoy-* headers would otherwise change timeouts and retries.
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "192.0.2.0", "prefix_len": 32}]},  # a documentation address
        "early_header_mutation_extensions": [{"name": "own-headers", "typed_config": _without_client_name()}],
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "server_header_transformation": "PASS_THROUGH",
        "access_log": [{"name": "stdout", "typed_config": _access_log()}],
        "local_reply_config": {"mappers": [*_refusals(topology), _engines_unavailable()]},
    }


def _without_client_name() -> dict[str, Any]:
    """The name of a client counts its requests and is logged: it comes from its key alone."""
    return {"@type": _EARLY, "mutations": [{"remove": api.CLIENT_HEADER}]}


def _access_log() -> dict[str, Any]:
    """To standard output, which whoever runs Envoy rotates. A thread of Envoy's own writes it: where nobody reads, no request waits."""
    return {"@type": _STDOUT_LOG, "log_format": {"json_format": _LOG_FIELDS}}


def _refusals(topology: Topology) -> list[dict[str, Any]]:
    """What the filters before the router say, in the form of OpenAI's errors. An engine's own answers are never changed."""
    retry = api.retry_after_seconds(topology.requests_per_minute or 60)
    wait = [{"header": {"key": "retry-after", "value": str(retry)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return [
        _mapper(401, api.ErrorCode.NO_KEY, api.NO_KEY_MESSAGE),
        _mapper(413, api.ErrorCode.TOO_LARGE, api.TOO_LARGE_MESSAGE),
        _mapper(429, api.ErrorCode.TOO_MANY, api.TOO_MANY_MESSAGE) | {"headers_to_add": wait},
    ]


def _mapper(status: int, code: api.ErrorCode, message: str) -> dict[str, Any]:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"verdigris.status_{status}"}}
    body = {"json_format": {"error": api.error_object(code, message)}}
    return {"filter": {"status_code_filter": {"comparison": comparison}}, "body_format_override": body}


def _engines_unavailable() -> dict[str, Any]:
    """Envoy's own failures (no engine reached, stream reset) in the form of OpenAI's errors. Direct answers carry no flag: untouched."""
    error = api.error_object(api.ErrorCode.UPSTREAM, "%LOCAL_REPLY_BODY%")
    return {"filter": {"response_flag_filter": {}}, "body_format_override": {"json_format": {"error": error}}}
