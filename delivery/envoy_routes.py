"""Envoy's route table: which requests are let through, and to which color. The weights are arguments; engines are in envoy_clusters.

Envoy builds the whole table anew at each flip, so what a flip takes follows from its size: what routes share is said once, for the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from delivery import client_api as api
from delivery.color import Color, Weights
from delivery.config_models import Routing
from delivery.envoy_gateway import keys_of, model_is, without_gateway, without_key
from delivery.envoy_names import METADATA, STAT_PREFIX
from delivery.topology import ServiceRoute, Topology, refuse_weight_without_pool

_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_API = "/v1/"
_JSON = [{"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]


def route_config(topology: Topology, weights: Mapping[str, Weights | None]) -> dict[str, Any]:
    """The route table. A service without weights answers 503.

    Raises Refusal where a color with a weight has no pool: its share of the requests would fail.
    """
    services = sorted(topology.services, key=lambda service: service.name)
    routes = [_direct("health", _match("GET", api.HEALTH_PATH), 200, api.HEALTH_TEXT) | _open(topology)]
    for service in services:
        routes += _probe_routes(topology, service, weights.get(service.name))
    for service in services:
        routes += _client_routes(topology, service, weights.get(service.name))
    if topology.routing is Routing.MODEL:
        routes += _model_routes([service.served_model for service in services])
    routes.append(_direct("not-found", {"prefix": "/"}, 404, api.NOT_FOUND_TEXT) | _open(topology))
    host: dict[str, Any] = {"name": "clients", "domains": ["*"], "routes": routes, "retry_policy": _retry_policy()}
    if topology.keyed:
        host["typed_per_filter_config"] = keys_of(topology)
    table = {
        "@type": _ROUTES,
        "name": STAT_PREFIX,
        "virtual_hosts": [host],
        "request_headers_to_remove": [api.SECRET_HEADER, api.COLOR_HEADER, api.SERVICE_HEADER],
        "response_headers_to_add": [_answered_by(api.COLOR_HEADER, "color"), _answered_by(api.RELEASE_HEADER, "release")],
    }
    return table | _engine_key(topology)


def _open(topology: Topology) -> dict[str, Any]:
    """For what everyone may ask: it reaches no engine."""
    return {"typed_per_filter_config": without_gateway(topology)}


def _engine_key(topology: Topology) -> dict[str, Any]:
    """Clients that have keys of their own don't know the engines' key. Without keys of clients their header is passed on as it is."""
    if not (topology.keyed and topology.engine_key):
        return {}
    value = f"Bearer {topology.engine_key}".replace("%", "%%")  # Envoy's sign for a variable
    return {"request_headers_to_add": [{"header": {"key": "authorization", "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}


def _answered_by(header: str, key: str) -> dict[str, Any]:
    """A response header with what the engine that answered says of itself: after a retry that is not the color first chosen."""
    value = f"%UPSTREAM_METADATA({METADATA}:{key})%"
    return {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _probe_routes(topology: Topology, service: ServiceRoute, weights: Weights | None) -> Iterator[dict[str, Any]]:
    """Our own probes, which carry the secret: to one color, and, where clients need a key or a model, to the split without either. Who
    knows the secret is us, so a route for all of `/v1/` will do."""
    by_model = {api.SERVICE_HEADER: service.name} if topology.routing is Routing.MODEL else {}
    own = {api.SECRET_HEADER: topology.forced_color_secret} | by_model
    prefix = {"prefix": api.path_under(service.path_prefix, _API)}
    for color in Color:
        match = prefix | _with_headers(own | {api.COLOR_HEADER: color.value})
        yield _forced(service, color, match, _API) | _keyless(topology)
    if topology.knows_our_probes:
        yield _weighted(service, weights, prefix | _with_headers(own), _API) | _keyless(topology)


def _keyless(topology: Topology) -> dict[str, Any]:
    return {"typed_per_filter_config": without_key()} if topology.keyed else {}


def _client_routes(topology: Topology, service: ServiceRoute, weights: Weights | None) -> Iterator[dict[str, Any]]:
    for endpoint in api.ENDPOINTS:
        match = _match(endpoint.method, api.path_under(service.path_prefix, endpoint.path))
        if topology.routing is Routing.MODEL:
            if endpoint.method == "GET":
                continue  # it has no body that names a model
            match["dynamic_metadata"] = [model_is(service.served_model)]
        yield _weighted(service, weights, match, endpoint.path)


def _model_routes(models: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What a request gets whose model no service has. Matched first of all too, before its body is read: so its key is asked for."""
    for endpoint in api.ENDPOINTS:
        match = _match(endpoint.method, endpoint.path)
        if endpoint.method == "GET":
            yield _direct("models", match, 200, api.models_text(models))
        else:
            yield _direct("no-model", match, 404, api.NO_MODEL_TEXT)


def _weighted(service: ServiceRoute, weights: Weights | None, match: dict[str, Any], path: str) -> dict[str, Any]:
    if weights is None:
        return _direct(service.name, match, 503, api.no_weights_text(service.name))
    return _split(service, weights, match, path)


def _split(service: ServiceRoute, weights: Weights, match: dict[str, Any], path: str) -> dict[str, Any]:
    refuse_weight_without_pool(service, weights)
    # The order never changes: with hashing it decides who is in the canary. A color with weight 0 is left out, else a retry could pick it.
    entries = [{"name": service.cluster(color), "weight": weights.of(color)} for color in Color if weights.of(color)]
    weighted: dict[str, Any] = {"clusters": entries}
    action: dict[str, Any] = {"weighted_clusters": weighted, **_common(path)}
    if service.sticky_header is not None:
        weighted["use_hash_policy"] = True
        action["hash_policy"] = [{"header": {"header_name": service.sticky_header}}]
    return {"name": service.name, "match": match, "metadata": _metadata(service.name), "route": action}


def _forced(service: ServiceRoute, color: Color, match: dict[str, Any], path: str) -> dict[str, Any]:
    """One color and nothing else, without the host's retries: whoever asks wants to see how that color does."""
    name = f"{service.name}/{color}"
    if service.pool(color) is None:
        return _direct(name, match, 503, api.no_pool_text(service.name, color))
    action = {"cluster": service.cluster(color), "retry_policy": {}, **_common(path)}
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


def _match(method: str, path: str) -> dict[str, Any]:
    return {"path": path} | _with_headers({":method": method})


def _with_headers(wanted: Mapping[str, str]) -> dict[str, Any]:
    return {"headers": [{"name": name, "string_match": {"exact": value}} for name, value in wanted.items()]}


def _direct(name: str, match: dict[str, Any], status: int, text: str) -> dict[str, Any]:
    answer = {"status": status, "body": {"inline_string": text}}
    return {"name": name, "match": match, "direct_response": answer, "response_headers_to_add": _JSON}
