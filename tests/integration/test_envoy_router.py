"""What the real Envoy does with our files: who answers, what is let through, and what the client reads back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from delivery.color import Color, Weights
from delivery.topology import ServiceRoute
from probes.envoy_router import EnvoyRouter
from probes.router import RouterTimeout, RouterUnreachable
from probes.router_files import write_topology
from tests.fakes.routers import World, forced, two_colors, wait_until

HALF = Weights(50, 50)
REFUSED = [
    ("POST", "/pause"),
    ("POST", "//pause"),
    ("POST", "/fault"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("POST", "/v1/models"),
    ("DELETE", "/v1/models"),
    ("GET", "/v1/completions"),
    ("POST", "/v1/completionsx"),
    ("POST", "/v1/completions/../../pause"),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as it:
        write_topology(it.home, it.topology(two_colors(it, sticky_header="x-session-id")))
        it.envoy()
        yield it


@pytest.fixture(scope="module")
def calm_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same, for all tests that break nothing in it."""
    with World(tmp_path_factory.mktemp("calm")) as it:
        write_topology(it.home, it.topology(two_colors(it, sticky_header="x-session-id")))
        it.envoy()
        yield it


@pytest.fixture
def calm_router(calm_world: World) -> EnvoyRouter:
    """Without weights, as it begins."""
    router = EnvoyRouter(calm_world.home)
    if router.live_weights("chat") is not None:
        set_weights(router, None)
    return router


@pytest.fixture
def calm_client(calm_world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=calm_world.url, timeout=60, trust_env=False) as it:
        yield it


@pytest.fixture
def router(world: World) -> EnvoyRouter:
    return EnvoyRouter(world.home)


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, timeout=60, trust_env=False) as it:
        yield it


def set_weights(router: EnvoyRouter, weights: Weights | None, service: str = "chat") -> None:
    router.write_weights(service, weights)
    router.await_weights(service, weights, 60)


def complete(client: httpx.Client, headers: dict[str, str] | None = None, **body: object) -> httpx.Response:
    return client.post("/v1/completions", json={"prompt": "hi", **body}, headers=headers or {})


def who(client: httpx.Client, count: int, headers: dict[str, str] | None = None) -> Counter[str]:
    answers = [complete(client, headers) for _ in range(count)]
    assert all(answer.json()["engine"] == answer.headers["x-verdigris-color"] for answer in answers)
    return Counter(answer.headers["x-verdigris-color"] for answer in answers)


def test_a_service_without_weights_answers_503_in_openai_form(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    answer = complete(calm_client)
    assert calm_router.live_weights("chat") is None
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
    assert answer.json()["error"]["code"] == "service_has_no_weights"
    assert "x-verdigris-color" not in answer.headers


def test_weights_decide_who_answers_and_are_read_back(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    for color in Color:
        set_weights(calm_router, Weights.all_on(color))
        assert who(calm_client, 30) == {color.value: 30}
        assert complete(calm_client).headers["x-verdigris-release"] == f"release-{color.value[0]}"
    set_weights(calm_router, HALF)
    seen = who(calm_client, 200)
    assert min(seen[color.value] for color in Color) > 50
    set_weights(calm_router, None)
    assert complete(calm_client).status_code == 503


def test_only_listed_endpoints_reach_an_engine(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    set_weights(calm_router, HALF)
    assert calm_client.get("/v1/models").json()["object"] == "list"
    assert calm_client.get("/health").json() == {"status": "ok"}
    for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/completions?x=1"):
        assert calm_client.post(path, json={}).status_code == 200
    for method, path in REFUSED:
        answer = calm_client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json"), path
        assert answer.json()["error"]["code"] == "not_found"
    assert calm_client.post("/v1/completions%2f..%2f..%2fpause").status_code in (400, 404)


def test_a_color_is_forced_only_with_the_secret(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    assert complete(calm_client, forced(Color.GREEN)).json()["engine"] == "green"  # before there are any weights: gates need it
    set_weights(calm_router, Weights.all_on(Color.BLUE))
    assert who(calm_client, 20, forced(Color.GREEN)) == {"green": 20}
    for headers in (forced(Color.GREEN, "wrong"), {"x-verdigris-color": "green"}, forced(Color.GREEN, "")):
        assert who(calm_client, 20, headers) == {"blue": 20}
    for headers in (forced(Color.GREEN), forced(Color.GREEN, "wrong")):
        assert not {"x-verdigris-secret", "x-verdigris-color"} & set(complete(calm_client, headers).json()["headers"])


def test_a_forced_color_that_is_dead_never_falls_back(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, HALF)
    world.engines["green"].kill()
    for _ in range(20):
        answer = complete(client, forced(Color.GREEN))
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
        assert answer.json()["error"]["code"] == "engines_unavailable"


def test_the_color_header_is_that_of_the_color_that_answered_after_a_retry(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights(1, 99))
    world.engines["green"].set_fault(busy=True)
    assert who(client, 50) == {"blue": 50}
    world.engines["green"].kill()
    assert who(client, 50) == {"blue": 50}
    assert who(client, 50, {"x-session-id": "ann"}) == {"blue": 50}
    assert complete(client).headers["x-verdigris-release"] == "release-b"


def test_an_engine_that_dies_with_the_request_in_its_hands_costs_nothing(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights(1, 99))
    world.engines["green"].set_fault(deadly=True)
    assert who(client, 20) == {"blue": 20}


def test_a_request_of_several_megabytes_can_be_retried(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights(1, 99))
    world.engines["green"].set_fault(busy=True)
    answer = complete(client, padding="x" * (8 * 1024 * 1024))
    assert (answer.status_code, answer.json()["engine"]) == (200, "blue")
    assert answer.json()["size"] > 8 * 1024 * 1024


def test_a_color_with_weight_0_gets_nothing_even_when_the_other_is_dead(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights.all_on(Color.GREEN))
    world.engines["green"].kill()
    answer = complete(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engines_unavailable")


def test_who_is_in_the_canary_stays_in_it_when_it_grows(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    sessions = [f"session-{number}" for number in range(60)]
    before: set[str] = set()
    for percent in (10, 30, 60, 100):
        set_weights(calm_router, Weights.of_canary(Color.BLUE, percent))
        now = {session for session in sessions if who(calm_client, 2, {"x-session-id": session}).get("green", 0) == 2}
        assert before <= now
        assert all(who(calm_client, 2, {"x-session-id": session}) == {"blue": 2} for session in set(sessions) - now)
        before = now
    assert before == set(sessions)


def test_without_the_sticky_header_requests_are_split_by_chance(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    set_weights(calm_router, HALF)
    assert len(who(calm_client, 60)) == 2


def test_a_client_cannot_set_timeouts_or_retries_of_the_router(calm_router: EnvoyRouter, calm_client: httpx.Client) -> None:
    set_weights(calm_router, HALF)
    answer = complete(calm_client, {"x-envoy-upstream-rq-timeout-ms": "1"}, seconds=0.5)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("x-envoy")]


def test_services_are_told_apart_by_path_and_keep_their_own_weights(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights(40, 60))
    second = ServiceRoute(name="code", path_prefix="/code", blue=world.pool("code-b", "blue"))
    write_topology(world.home, world.topology(two_colors(world), second))
    set_weights(router, Weights(100, 0), "code")
    answer = client.post("/code/v1/completions?x=1", json={})
    assert (answer.json()["path"], answer.headers["x-verdigris-release"]) == ("/v1/completions", "code-b")
    assert router.live_weights("chat") == Weights(40, 60)
    assert client.post("/code/pause", json={}).status_code == 404
    forced_green = client.post("/code/v1/completions", json={}, headers=forced(Color.GREEN))
    assert (forced_green.status_code, forced_green.json()["error"]["code"]) == (503, "color_has_no_pool")


def test_a_new_release_of_an_idle_color_shows_in_the_header(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights.all_on(Color.BLUE))
    changed = ServiceRoute(name="chat", blue=world.pool("release-b", "blue"), green=world.pool("next", "green"))
    write_topology(world.home, world.topology(changed))
    wait_until(lambda: complete(client, forced(Color.GREEN)).headers.get("x-verdigris-release") == "next", "the new release is named")
    assert who(client, 10) == {"blue": 10}


def test_the_access_log_names_color_and_release_and_no_secret(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    set_weights(router, Weights.all_on(Color.BLUE))
    headers = {"authorization": "Bearer sk-private", **forced(Color.GREEN)}
    assert complete(client, headers).status_code == 200
    client.get("/metrics")
    log = world.access_log
    wait_until(lambda: '"/metrics"' in log.read_text(), "the access log is written")
    text = log.read_text()
    assert "sk-private" not in text
    assert "open-sesame" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    line = next(line for line in lines if line["path"] == "/v1/completions")
    assert (line["service"], line["color"], line["release"], line["forced"], line["status"]) == ("chat", "green", "release-g", "green", 200)
    assert line["bytes_sent"] > 0
    assert line["duration_ms"] >= 0


def test_a_router_that_is_not_there_is_unreachable_and_not_without_weights(tmp_path: Path) -> None:
    router = EnvoyRouter(tmp_path / "nowhere")
    for ask in (lambda: router.live_weights("chat"), lambda: router.url, lambda: router.in_flight("chat", Color.BLUE)):
        with pytest.raises(RouterUnreachable):
            ask()
    with pytest.raises(RouterUnreachable):
        router.write_weights("chat", HALF)
    with World(tmp_path) as world:
        write_topology(world.home, world.topology())
        with pytest.raises(RouterUnreachable, match="admin"):
            EnvoyRouter(world.home).live_weights("chat")


def test_waiting_for_weights_that_never_come_ends_with_what_was_seen(calm_router: EnvoyRouter) -> None:
    with pytest.raises(RouterTimeout, match="no weights"):
        calm_router.await_weights("chat", HALF, 0.2)


def test_a_dead_replica_of_the_only_color_costs_nothing(world: World, router: EnvoyRouter, client: httpx.Client) -> None:
    replicas = ServiceRoute(name="chat", blue=world.pool("release-b", "blue", "blue-2"))
    write_topology(world.home, world.topology(replicas))
    set_weights(router, Weights.all_on(Color.BLUE))
    wait_until(lambda: complete(client).status_code == 200, "the pool answers")
    world.engines["blue-2"].kill()
    assert [complete(client).status_code for _ in range(100)] == [200] * 100
