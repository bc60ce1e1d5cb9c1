"""The texts of Envoy's files: what follows from topology and weights, and what must never be in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.client_api import ENDPOINTS
from delivery.color import Color, Weights
from delivery.envoy_bootstrap import command
from delivery.refusal import Refusal
from delivery.router_config import bootstrap, clusters, listeners, routes, weights_in_routes
from delivery.topology import Pool, ServiceRoute, Topology

SECRET = "the-secret"
BLUE, GREEN = Pool(release="rb", engines=("127.0.0.1:1", "127.0.0.1:2")), Pool(release="rg", engines=("engine-green:3",))
CHAT = ServiceRoute(name="chat", blue=BLUE, green=GREEN)
CODE = ServiceRoute(name="code", path_prefix="/code/", sticky_header="x-who", blue=BLUE)


def topology(*services: ServiceRoute) -> Topology:
    return Topology(router_host="0.0.0.0", router_port=80, admin_port=81, forced_color_secret=SECRET, services=services)


def route_table(*services: ServiceRoute, **weights: Weights | None) -> list[dict[str, Any]]:
    [table] = json.loads(routes(topology(*services), weights))["resources"]
    return list(table["virtual_hosts"][0]["routes"])


@given(st.permutations([CHAT, CODE, ServiceRoute(name="a", path_prefix="/a")]))
def test_the_same_services_in_any_order_give_the_same_bytes(services: list[ServiceRoute]) -> None:
    weights = {"chat": Weights(1, 99), "code": Weights(100, 0)}
    assert routes(topology(*services), weights) == routes(topology(*reversed(services)), dict(reversed(weights.items())))
    assert clusters(topology(*services)) == clusters(topology(*reversed(services)))


@given(st.integers(0, 100), st.integers(0, 100))
def test_weights_can_be_read_back_from_the_routes(chat: int, code: int) -> None:
    other = CODE.model_copy(update={"green": GREEN})
    weights = {"chat": Weights(chat, 100 - chat), "code": Weights(code, 100 - code)}
    assert weights_in_routes(routes(topology(CHAT, other), weights)) == weights


def test_weights_of_services_whose_names_begin_alike_are_not_mixed_up() -> None:
    longer = ServiceRoute(name="chat-blue", path_prefix="/b", blue=BLUE, green=GREEN)
    weights = {"chat": Weights(10, 90), "chat-blue": Weights(80, 20)}
    assert weights_in_routes(routes(topology(CHAT, longer), weights)) == weights


def test_a_service_without_weights_has_none_and_forcing_a_color_still_works() -> None:
    table = route_table(CHAT)
    assert weights_in_routes(routes(topology(CHAT), {})) == {}
    assert {route["direct_response"]["status"] for route in table if route["name"] == "chat"} == {503}
    assert [route["route"]["cluster"] for route in table if route["name"] == "chat/green"] == ["chat-green"]


def test_a_color_with_weight_0_is_not_in_the_split_so_that_no_retry_can_pick_it() -> None:
    splits = [route["route"]["weighted_clusters"] for route in route_table(CHAT, chat=Weights(100, 0)) if route["name"] == "chat"]
    assert splits == [{"clusters": [{"name": "chat-blue", "weight": 100}]}] * len(ENDPOINTS)


def test_weight_0_on_a_color_without_a_pool_works_and_more_is_refused() -> None:
    assert route_table(CODE, code=Weights(100, 0))
    with pytest.raises(Refusal, match=r"services\.code\.green: got weight 1 and no pool"):
        routes(topology(CODE), {"code": Weights(99, 1)})


def test_a_forced_color_is_never_retried_elsewhere() -> None:
    forced = [route for route in route_table(CHAT, chat=Weights(50, 50)) if "/" in route["name"]]
    assert [route["route"]["cluster"] for route in forced] == ["chat-blue", "chat-green"]
    assert all(route["route"]["retry_policy"] == {} for route in forced)  # its own, in place of the host's
    for route in forced:
        headers = {header["name"]: header["string_match"]["exact"] for header in route["match"]["headers"]}
        assert headers["x-verdigris-secret"] == SECRET


def test_every_route_of_clients_to_an_engine_is_an_exact_path_and_method_of_the_list() -> None:
    for route in route_table(CHAT, CODE, chat=Weights(50, 50), code=Weights(100, 0)):
        if "route" not in route or "/" in route["name"]:
            continue
        prefix = "/code" if route["name"].startswith("code") else ""
        method = next(header["string_match"]["exact"] for header in route["match"]["headers"] if header["name"] == ":method")
        assert (method, route["match"]["path"].removeprefix(prefix)) in ENDPOINTS
        assert route["route"]["prefix_rewrite"] == route["match"]["path"].removeprefix(prefix)
        assert route["route"]["timeout"] == "0s"


def test_sticky_sessions_hash_the_header_and_keep_the_order_of_the_colors() -> None:
    both = CODE.model_copy(update={"green": GREEN})
    for weights in (Weights(1, 99), Weights(99, 1)):
        split = next(route["route"] for route in route_table(both, code=weights) if route["name"] == "code")
        assert split["weighted_clusters"]["use_hash_policy"] is True
        assert split["hash_policy"] == [{"header": {"header_name": "x-who"}}]
        assert [entry["name"] for entry in split["weighted_clusters"]["clusters"]] == ["code-blue", "code-green"]


def test_clusters_are_named_by_color_and_their_engines_say_which_release_they_run() -> None:
    found = {cluster["name"]: cluster for cluster in json.loads(clusters(topology(CHAT, CODE)))["resources"]}
    assert list(found) == ["chat-blue", "chat-green", "code-blue"]
    assert (found["chat-blue"]["type"], found["chat-green"]["type"]) == ("STATIC", "STRICT_DNS")
    [group] = found["chat-green"]["load_assignment"]["endpoints"]
    assert group["lb_endpoints"][0]["metadata"]["filter_metadata"]["verdigris"] == {"service": "chat", "color": "green", "release": "rg"}
    limits = found["chat-blue"]["circuit_breakers"]["thresholds"][0]
    assert limits["max_retries"] == 1024


def test_only_the_route_file_holds_the_secret_and_the_admin_interface_is_on_loopback() -> None:
    text = bootstrap(topology(CHAT), "/srv/router")
    assert SECRET not in text + clusters(topology(CHAT)) + " ".join(command("envoy", "/srv/router", 2))
    assert json.loads(text)["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 81}


def test_the_bootstrap_names_no_service_so_that_envoy_is_never_restarted_for_one() -> None:
    assert bootstrap(topology(CHAT), "/srv") == bootstrap(topology(CODE), "/srv") == bootstrap(topology(), "/srv")


def test_the_access_log_holds_no_header_of_the_client_but_the_request_id_and_its_name() -> None:
    [listener] = json.loads(listeners(topology(), "/srv"))["resources"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    [log] = [each["typed_config"] for each in manager["access_log"]]
    assert log["@type"].endswith(".StdoutAccessLog"), "whoever runs Envoy rotates it"
    fields = log["log_format"]["json_format"]
    assert {"service", "color", "release", "status", "flags", "duration_ms", "bytes_sent"} <= set(fields)
    requests = {value for value in fields.values() if "REQ(" in value}
    assert requests == {"%REQ(:METHOD)%", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "%REQ(X-REQUEST-ID)%", "%REQ(X-VERDIGRIS-CLIENT)%"}
    # The client's name is the router's own: what a client sends under that name is dropped before anything reads it.
    assert manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"] == [{"remove": "x-verdigris-client"}]


def test_each_color_has_a_split_entry_named_like_its_cluster() -> None:
    names = {cluster["name"] for cluster in json.loads(clusters(topology(CHAT)))["resources"]}
    assert names == {CHAT.cluster(color) for color in Color}
