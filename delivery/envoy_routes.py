"""Envoy's route table: which requests are let through, and to which color. The weights are arguments; engines are in envoy_clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from delivery import client_api as api
from delivery.color import Color, Weights
from delivery.envoy_bootstrap import METADATA, STAT_PREFIX
from delivery.topology import ServiceRoute, Topology, refuse_weight_without_pool

_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_JSON = [{"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]


def route_config(topology: Topology, weights: Mapping[str, Weights | None]) -> dict[str, Any]:
    """The route table. A service without weights answers 503.

    Raises Refusal where a color with a weight has no pool: its share of the requests would fail.
    """
    services = sorted(topology.services, key=lambda service: service.name)
    routes = [_direct("health", _match("GET", api.HEALTH_PATH), 200, api.HEALTH_TEXT)]
    for service in services:
        routes += _service_routes(service, weights.get(service.name), topology.forced_color_secret)
    routes.append(_direct("not-found", {"prefix": "/"}, 404, api.NOT_FOUND_TEXT))
    host = {"name": "clients", "domains": ["*"], "routes": routes}
    return {
        "@type": _ROUTES,
        "name": STAT_PREFIX,
        "virtual_hosts": [host],
        "request_headers_to_remove": [api.SECRET_HEADER, api.COLOR_HEADER],
        "response_headers_to_add": [_answered_by(api.COLOR_HEADER, "color"), _answered_by(api.RELEASE_HEADER, "release")],
    }


def _answered_by(header: str, key: str) -> dict[str, Any]:
    """A response header with what the engine that answered says of itself: after a retry that is not the color first chosen."""
    value = f"%UPSTREAM_METADATA({METADATA}:{key})%"
    return {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _service_routes(service: ServiceRoute, weights: Weights | None, secret: str) -> Iterator[dict[str, Any]]:
    for endpoint in api.ENDPOINTS:
        path = api.path_under(service.path_prefix, endpoint.path)
        for color in Color:
            headers = {api.SECRET_HEADER: secret, api.COLOR_HEADER: color.value}
            yield _forced(service, color, _match(endpoint.method, path, headers), endpoint.path)
        match = _match(endpoint.method, path)
        if weights is None:
            yield _direct(service.name, match, 503, api.no_weights_text(service.name))
        else:
            yield _split(service, weights, match, endpoint.path)


def _split(service: ServiceRoute, weights: Weights, match: dict[str, Any], path: str) -> dict[str, Any]:
    refuse_weight_without_pool(service, weights)
    # The order never changes: with hashing it decides who is in the canary. A color with weight 0 is left out, else a retry could pick it.
    entries = [{"name": service.cluster(color), "weight": weights.of(color)} for color in Color if weights.of(color)]
    weighted: dict[str, Any] = {"clusters": entries}
    action: dict[str, Any] = {"weighted_clusters": weighted, "retry_policy": _retry_policy(), **_common(path)}
    if service.sticky_header is not None:
        weighted["use_hash_policy"] = True
        action["hash_policy"] = [{"header": {"header_name": service.sticky_header}}]
    return {"name": service.name, "match": match, "metadata": _metadata(service.name), "route": action}


def _forced(service: ServiceRoute, color: Color, match: dict[str, Any], path: str) -> dict[str, Any]:
    """One color and nothing else, without retries: whoever asks wants to see how that color does."""
    name = f"{service.name}/{color}"
    if service.pool(color) is None:
        return _direct(name, match, 503, api.no_pool_text(service.name, color))
    action = {"cluster": service.cluster(color), **_common(path)}
    return {"name": name, "match": match, "metadata": _metadata(service.name, forced=color), "route": action}


def _retry_policy() -> dict[str, Any]:
    """Moves a request to another engine, of the other color if it has a share, as long as no byte of an answer came.

    `reset` covers the engine that dies with the request in its hands: the client has seen nothing, and a completion changes nothing, so
    asking again is safe. 503 is what an engine says that is shutting down. `refresh_cluster_on_retry` picks a color not tried yet.
    """
    return {
        "retry_on": "connect-failure,refused-stream,reset-before-request,reset,retriable-status-codes",
        "retriable_status_codes": [503],
        "num_retries": 3,
        "refresh_cluster_on_retry": True,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 5,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }


def _common(path: str) -> dict[str, Any]:
    """No timeout of the whole: a stream may take as long as it likes. An unknown cluster is a 503, which is retried by clients."""
    return {"timeout": "0s", "prefix_rewrite": path, "cluster_not_found_response_code": "SERVICE_UNAVAILABLE"}


def _metadata(service: str, forced: str = "") -> dict[str, Any]:
    values = {"service": service} | ({"forced": forced} if forced else {})
    return {"filter_metadata": {METADATA: values}}


def _match(method: str, path: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    wanted = {":method": method, **(headers or {})}
    return {"path": path, "headers": [{"name": name, "string_match": {"exact": value}} for name, value in wanted.items()]}


def _direct(name: str, match: dict[str, Any], status: int, text: str) -> dict[str, Any]:
    answer = {"status": status, "body": {"inline_string": text}}
    return {"name": name, "match": match, "direct_response": answer, "response_headers_to_add": _JSON}
