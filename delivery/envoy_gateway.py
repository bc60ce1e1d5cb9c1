"""What Envoy does with a request before it routes it: key, limit, size, model, in this order. Only bodies of requests are held back.

The filters are in the listener; which keys are valid, and where no key is needed, is said in the routes.
"""

from __future__ import annotations

from typing import Any

from delivery.client_api import CLIENT_HEADER
from delivery.client_keys import MAX_CLIENTS
from delivery.config_models import Routing
from delivery.envoy_names import METADATA
from delivery.topology import Topology

_TYPE = "type.googleapis.com/envoy.extensions.filters.http"
KEY_FILTER, LIMIT_FILTER, SIZE_FILTER, MODEL_FILTER = (
    "envoy.filters.http.api_key_auth", "envoy.filters.http.local_ratelimit", "envoy.filters.http.buffer",
    "envoy.filters.http.json_to_metadata",
)  # fmt: skip
MODEL_KEY = "model"
_FORWARDING = {"header": CLIENT_HEADER, "hide_credentials": True}
_UNLIMITED = 4_000_000_000  # of the bucket that a filter must have for requests without a client: our own probes


def gateway_filters(topology: Topology) -> list[dict[str, Any]]:
    """The filters before the router, in the order in which they say no."""
    filters = []
    if topology.keyed:
        filters.append(_filter(KEY_FILTER, _keys()))
    if topology.keyed and topology.requests_per_minute is not None:
        filters.append(_filter(LIMIT_FILTER, _limit(topology.requests_per_minute)))
    filters.append(_filter(SIZE_FILTER, {"@type": f"{_TYPE}.buffer.v3.Buffer", "max_request_bytes": topology.max_request_bytes}))
    if topology.routing is Routing.MODEL:
        filters.append(_filter(MODEL_FILTER, _model()))
    return filters


def keys_of(topology: Topology) -> dict[str, Any]:
    """For a virtual host: the valid keys. Empty where clients need none."""
    if not topology.keyed:
        return {}
    credentials = [{"client": name, "key": key} for name, key in sorted(topology.client_keys.items())]
    return {KEY_FILTER: {"@type": f"{_TYPE}.api_key_auth.v3.ApiKeyAuthPerRoute", "credentials": credentials, "forwarding": _FORWARDING}}


def without_key() -> dict[str, Any]:
    """For a route that carries the secret in its place."""
    return {KEY_FILTER: _off()}


def without_gateway(topology: Topology) -> dict[str, Any]:
    """For a route that reaches no engine and is the same for everyone: its body isn't read."""
    return {each["name"]: _off() for each in gateway_filters(topology)}


def model_is(model: str) -> dict[str, Any]:
    """What a route of the model's service asks of a request."""
    return {"filter": METADATA, "path": [{"key": MODEL_KEY}], "value": {"string_match": {"exact": model}}}


def _filter(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": config}


def _off() -> dict[str, Any]:
    return {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}


def _keys() -> dict[str, Any]:
    """No key is valid here: a route table without keys lets nobody in."""
    return {
        "@type": f"{_TYPE}.api_key_auth.v3.ApiKeyAuth",
        "credentials": [],
        "key_sources": [{"header": "authorization"}],
    }


def _limit(requests_per_minute: int) -> dict[str, Any]:
    """A bucket for each client, made when it first comes; a shift of weights doesn't refill it, because it isn't in the routes."""
    return {
        "@type": f"{_TYPE}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "clients",
        "token_bucket": _bucket(_UNLIMITED),
        "filter_enabled": _always("enabled"),
        "filter_enforced": _always("enforced"),
        "always_consume_default_token_bucket": False,
        "max_dynamic_descriptors": MAX_CLIENTS,  # with fewer, buckets would be forgotten
        "rate_limits": [{"actions": [{"request_headers": {"header_name": CLIENT_HEADER, "descriptor_key": "client"}}]}],
        "descriptors": [{"entries": [{"key": "client"}], "token_bucket": _bucket(requests_per_minute)}],
    }


def _bucket(per_minute: int) -> dict[str, Any]:
    return {"max_tokens": per_minute, "tokens_per_fill": per_minute, "fill_interval": "60s"}


def _always(what: str) -> dict[str, Any]:
    return {"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": f"verdigris.limit_{what}"}


def _model() -> dict[str, Any]:
    """A body without a model, or none that is JSON, leaves no trace: no service's route then fits."""
    found = {"metadata_namespace": METADATA, "key": MODEL_KEY, "type": "STRING"}
    rule = {"selectors": [{"key": "model"}], "on_present": found}
    # Whatever the client calls it: the engine decides whether it takes that.
    content = {"allow_content_types_regex": {"regex": ".*"}, "allow_empty_content_type": True}
    return {"@type": f"{_TYPE}.json_to_metadata.v3.JsonToMetadata", "request_rules": {"rules": [rule], **content}}
