"""The texts of both routers' gateways: the same bytes for the same keys, keys only where they belong, and nothing without a key open."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from delivery.color import Weights
from delivery.config_models import RouterKind, Routing
from delivery.nginx_config import MAIN_FILE, nginx_files
from delivery.nginx_gateway import GATEWAY_FILE
from delivery.refusal import Refusal
from delivery.router_config import bootstrap, clusters, listeners, routes, weights_in_routes
from delivery.topology import Pool, ServiceRoute, TlsFiles, Topology

KEYS = {"alice": "sk-alice-0123456789", "bob": "sk-bob-0123456789ab", "carol": "sk-carol-0123456789"}
SECRET, ENGINE_KEY = "the-secret", "sk-engine-key"
POOL = Pool(release="r", engines=("127.0.0.1:1",))
CHAT = ServiceRoute(name="chat", path_prefix="/chat", served_model="small", blue=POOL, green=POOL)
CODE = ServiceRoute(name="code", path_prefix="/code", served_model="large", blue=POOL)
WEIGHTS = {"chat": Weights(75, 25), "code": Weights(100, 0)}


def topology(kind: RouterKind = RouterKind.ENVOY, **more: Any) -> Topology:
    plain = Topology(router_host="127.0.0.1", router_port=80, admin_port=81, forced_color_secret=SECRET, services=(CHAT, CODE), kind=kind)
    return plain.model_copy(update={"keyed": True, "client_keys": KEYS, "engine_key": ENGINE_KEY} | more)


def envoy_routes(wanted: Topology) -> list[dict[str, Any]]:
    return list(json.loads(routes(wanted, WEIGHTS))["resources"][0]["virtual_hosts"][0]["routes"])


def filters(wanted: Topology) -> list[str]:
    [listener] = json.loads(listeners(wanted, "/srv"))["resources"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return [each["name"].rpartition(".")[2] for each in manager["http_filters"]]


def test_the_same_keys_in_any_order_give_the_same_bytes() -> None:
    for kind, keys in itertools.product(RouterKind, itertools.permutations(KEYS.items())):
        one, other = topology(kind), topology(kind, client_keys=dict(keys), services=(CODE, CHAT))
        assert routes(one, WEIGHTS) == routes(other, WEIGHTS)
        assert listeners(one, "/srv") == listeners(other, "/srv")
        assert nginx_files(one, WEIGHTS) == nginx_files(other, WEIGHTS)


def test_keys_are_in_envoys_routes_and_in_nginxs_gateway_only() -> None:
    wanted = topology(requests_per_minute=60)
    for key in (*KEYS.values(), ENGINE_KEY):
        assert key in routes(wanted, WEIGHTS)
        assert key not in listeners(wanted, "/srv") + clusters(wanted) + bootstrap(wanted, "/srv")
        holders = [name for name, text in nginx_files(topology(RouterKind.NGINX), WEIGHTS).items() if key in text.replace("\\", "")]
        assert holders == [GATEWAY_FILE]


def test_only_health_the_unlisted_and_what_carries_the_secret_need_no_key() -> None:
    for routing in Routing:
        for route in envoy_routes(topology(routing=routing)):
            is_open = "envoy.filters.http.api_key_auth" in route.get("typed_per_filter_config", {})
            wanted = {header["name"]: header["string_match"]["exact"] for header in route["match"].get("headers", [])}
            assert is_open == (route["name"] in ("health", "not-found") or wanted.get("x-verdigris-secret") == SECRET), route


def test_filters_say_no_in_the_order_key_limit_size_model() -> None:
    assert filters(topology(requests_per_minute=60, routing=Routing.MODEL)) == [
        "api_key_auth", "local_ratelimit", "buffer", "json_to_metadata", "router",
    ]  # fmt: skip
    assert filters(topology(keyed=False, client_keys={}, requests_per_minute=60)) == ["buffer", "router"]


def test_a_shift_changes_no_listener_and_no_gateway() -> None:
    before, after = (nginx_files(topology(RouterKind.NGINX), {**WEIGHTS, "chat": Weights(blue, 100 - blue)}) for blue in (75, 25))
    assert [name for name in after if before[name] != after[name]] == ["services.d/chat.http"]


def test_weights_are_read_back_where_probes_and_models_have_routes_of_their_own() -> None:
    for more in ({}, {"routing": Routing.MODEL}, {"keyed": False, "routing": Routing.MODEL}):
        assert weights_in_routes(routes(topology(**more), WEIGHTS)) == WEIGHTS


def test_a_service_by_model_is_reached_by_its_model_alone() -> None:
    table = envoy_routes(topology(routing=Routing.MODEL, services=tuple(s.model_copy(update={"path_prefix": "/"}) for s in (CHAT, CODE))))
    for route in table:
        if "weighted_clusters" in route.get("route", {}):
            names = {header["name"] for header in route["match"]["headers"]}
            models = [each["value"]["string_match"]["exact"] for each in route["match"].get("dynamic_metadata", [])]
            assert models == [{"chat": "small", "code": "large"}[route["name"]]] or {"x-verdigris-secret", "x-verdigris-service"} <= names


def test_the_engines_key_replaces_the_clients_and_its_signs_are_not_envoys() -> None:
    [table] = json.loads(routes(topology(engine_key="50%off"), WEIGHTS))["resources"]
    assert table["request_headers_to_add"][0]["header"] == {"key": "authorization", "value": "Bearer 50%%off"}
    [plain] = json.loads(routes(topology(keyed=False, client_keys={}), WEIGHTS))["resources"]
    assert "request_headers_to_add" not in plain
    with pytest.raises(Refusal, match=r"apiKey: got a key with a \$"):
        nginx_files(topology(RouterKind.NGINX, engine_key="5$off"), WEIGHTS)


def test_another_certificate_is_another_text_so_that_it_is_loaded() -> None:
    one, other = (TlsFiles(certificate="/c", key="/k", digest=digest) for digest in ("d1", "d2"))
    assert listeners(topology(tls=one), "/srv") != listeners(topology(tls=other), "/srv")
    first, second = (nginx_files(topology(RouterKind.NGINX, tls=tls), WEIGHTS)[MAIN_FILE] for tls in (one, other))
    assert first != second
    assert "listen 127.0.0.1:80 ssl" in first
