"""The same promises as Envoy's, on the real nginx: who answers, what is let through, what survives a reload."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from delivery import nginx_service
from delivery.color import Color, Weights
from delivery.config_models import RouterKind
from delivery.refusal import Refusal
from delivery.topology import ServiceRoute
from probes import nginx_files
from probes.nginx_router import NginxRouter
from probes.router import RouterUnreachable
from probes.router_files import write_topology
from probes.router_kinds import open_router
from tests.fakes.open_loop import OpenLoop
from tests.fakes.routers import Child, World, forced, two_colors, wait_until

pytestmark = pytest.mark.nginx
HALF = Weights(50, 50)
REFUSED = [("POST", "/pause"), ("POST", "//pause"), ("GET", "/metrics"), ("POST", "/v1/models"), ("POST", "/v1/completions/../../pause"),
           ("POST", "/v1/completionsx"), ("POST", "/v1/completions%2f..%2f..%2fpause"), ("GET", "/verdigris/weights/chat")]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, RouterKind.NGINX) as it:
        write_topology(it.home, it.topology(two_colors(it, sticky_header="x-session-id")))
        yield it


@pytest.fixture
def nginx(world: World) -> Child:
    return world.nginx()


@pytest.fixture
def router(world: World, nginx: Child) -> NginxRouter:
    router = open_router(world.home)
    assert isinstance(router, NginxRouter)
    return router


@pytest.fixture
def client(world: World, nginx: Child) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, timeout=60, trust_env=False) as it:
        yield it


def set_weights(router: NginxRouter, weights: Weights | None, service: str = "chat") -> None:
    router.write_weights(service, weights)
    router.await_weights(service, weights, 60)


def complete(client: httpx.Client, headers: dict[str, str] | None = None, **body: object) -> httpx.Response:
    return client.post("/v1/completions", json={"prompt": "hi", **body}, headers=headers or {})


def who(client: httpx.Client, count: int, headers: dict[str, str] | None = None) -> Counter[str]:
    answers = [complete(client, headers) for _ in range(count)]
    assert all(answer.json()["engine"] == answer.headers["x-verdigris-color"] for answer in answers), [answer.text for answer in answers]
    return Counter(answer.headers["x-verdigris-color"] for answer in answers)


def code_of(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.headers["content-type"], answer.json()["error"]["code"]


def test_weights_decide_who_answers_and_are_read_back(router: NginxRouter, client: httpx.Client) -> None:
    assert router.live_weights("chat") is None
    assert code_of(complete(client)) == (503, "application/json", "service_has_no_weights")
    for color in Color:
        set_weights(router, Weights.all_on(color))
        assert who(client, 30) == {color.value: 30}
        assert complete(client).headers["x-verdigris-release"] == f"release-{color.value[0]}"
    set_weights(router, HALF)
    seen = who(client, 200)
    assert min(seen[color.value] for color in Color) > 50
    set_weights(router, None)
    assert complete(client).status_code == 503


def test_only_listed_endpoints_reach_an_engine(router: NginxRouter, client: httpx.Client) -> None:
    set_weights(router, HALF)
    assert client.get("/v1/models").json()["object"] == "list"
    assert client.get("/health").json() == {"status": "ok"}
    for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/completions?x=1"):
        assert client.post(path, json={}).status_code == 200
    for method, path in REFUSED:
        assert code_of(client.request(method, path)) == (404, "application/json", "not_found"), path
    too_large = client.post("/v1/completions", content=b"x" * (17 * 1024 * 1024))
    assert code_of(too_large) == (413, "application/json", "request_too_large")


def test_a_color_is_forced_only_with_the_secret(world: World, router: NginxRouter, client: httpx.Client) -> None:
    assert complete(client, forced(Color.GREEN)).json()["engine"] == "green"
    set_weights(router, Weights.all_on(Color.BLUE))
    assert who(client, 20, forced(Color.GREEN)) == {"green": 20}
    for headers in (forced(Color.GREEN, "wrong"), forced(Color.GREEN, "OPEN-SESAME"), {"x-verdigris-color": "green"}):
        assert who(client, 10, headers) == {"blue": 10}
    assert not {"x-verdigris-secret", "x-verdigris-color"} & set(complete(client, forced(Color.GREEN)).json()["headers"])
    set_weights(router, HALF)
    world.engines["green"].kill()
    for _ in range(10):
        assert code_of(complete(client, forced(Color.GREEN))) == (503, "application/json", "engines_unavailable")


def test_a_request_moves_to_the_other_color_before_bytes_were_sent(world: World, router: NginxRouter, client: httpx.Client) -> None:
    set_weights(router, Weights(1, 99))
    world.engines["green"].set_fault(busy=True)
    assert who(client, 30) == {"blue": 30}
    large = complete(client, padding="x" * (8 * 1024 * 1024))
    assert (large.json()["engine"], large.headers["x-verdigris-release"]) == ("blue", "release-b")
    world.engines["green"].set_fault(deadly=True)
    assert who(client, 30) == {"blue": 30}
    set_weights(router, Weights.all_on(Color.GREEN))
    assert code_of(complete(client)) == (503, "application/json", "engines_unavailable")


def test_who_is_in_the_canary_stays_in_it_when_it_grows(router: NginxRouter, client: httpx.Client) -> None:
    sessions = [f"session-{number}" for number in range(40)]
    before: set[str] = set()
    for percent in (10, 40, 100):
        set_weights(router, Weights.of_canary(Color.BLUE, percent))
        colors = {session: set(who(client, 2, {"x-session-id": session})) for session in sessions}
        assert all(len(seen) == 1 for seen in colors.values())
        now = {session for session, seen in colors.items() if seen == {"green"}}
        assert before <= now
        before = now
    assert before == set(sessions)
    set_weights(router, HALF)
    assert len(who(client, 60)) == 2


def test_flips_under_load_lose_nothing_and_cut_no_stream(world: World, router: NginxRouter) -> None:
    set_weights(router, Weights.all_on(Color.BLUE))
    with OpenLoop(world.url, stream_seconds=2.0) as load:
        for percent in (1, 25, 75, 100, 0, 100, 0):
            set_weights(router, Weights.of_canary(Color.BLUE, percent))
            load.wait_for(50)
    assert (load.tally.failures, load.tally.cut) == ([], [])
    assert load.tally.colors["green"] > 0


def test_a_color_killed_at_50_percent_costs_no_request_and_only_its_own_streams(world: World, router: NginxRouter) -> None:
    set_weights(router, HALF)
    with OpenLoop(world.url) as load:
        load.wait_for(100)
        world.engines["green"].kill()
        load.wait_for(200)
    assert load.tally.failures == []
    assert all(cut.startswith("green:") for cut in load.tally.cut), load.tally.cut


def test_requests_in_flight_are_counted_across_a_reload_and_draining_waits_for_them(world: World, router: NginxRouter) -> None:
    set_weights(router, Weights.all_on(Color.BLUE))
    finished: list[str] = []

    def stream() -> None:
        answer = httpx.post(f"{world.url}/v1/completions", json={"stream": True, "seconds": 4}, timeout=60, trust_env=False)
        finished.append(answer.text)

    threads = [threading.Thread(target=stream) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: router.in_flight("chat", Color.BLUE) == 5, "five requests are in flight")
    set_weights(router, Weights.all_on(Color.GREEN))
    assert (router.in_flight("chat", Color.BLUE), router.in_flight("chat", Color.GREEN)) == (5, 0)
    router.drain(60)
    assert router.in_flight("chat", Color.BLUE) == 0
    for thread in threads:
        thread.join(60)
    assert len(finished) == 5
    assert all("[DONE]" in text for text in finished)


def test_files_that_nginx_refuses_never_replace_the_ones_in_use(
    world: World, router: NginxRouter, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_weights(router, Weights(75, 25))
    folder = world.home / "router"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "access" not in path.name}
    monkeypatch.setattr(nginx_service, "_upstream", lambda *_: "nonsense;")
    with pytest.raises(Refusal, match="nonsense"):
        router.write_weights("chat", HALF)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "access" not in path.name} == before
    assert router.live_weights("chat") == Weights(75, 25)


def test_services_come_and_go_and_keep_their_own_weights(world: World, router: NginxRouter, client: httpx.Client) -> None:
    set_weights(router, Weights(40, 60))
    second = ServiceRoute(name="code-2", path_prefix="/code", blue=world.pool("code-b", "blue"))
    write_topology(world.home, world.topology(two_colors(world), second))
    set_weights(router, Weights(100, 0), "code-2")
    answer = client.post("/code/v1/completions?x=1", json={})
    assert (answer.json()["path"], answer.headers["x-verdigris-release"]) == ("/v1/completions", "code-b")
    assert router.live_weights("chat") == Weights(40, 60)
    assert code_of(client.post("/code/v1/completions", json={}, headers=forced(Color.GREEN))) == (
        503,
        "application/json",
        "color_has_no_pool",
    )
    with pytest.raises(Refusal, match=r"services\.code-2\.green"):
        router.write_weights("code-2", HALF)
    write_topology(world.home, world.topology(two_colors(world)))
    wait_until(lambda: client.post("/code/v1/completions", json={}).status_code == 404, "the service is gone")
    assert not list((world.home / "router" / "services.d").glob("code-2.*"))


def test_the_access_log_names_color_and_release_and_no_secret(world: World, router: NginxRouter, client: httpx.Client) -> None:
    set_weights(router, Weights.all_on(Color.BLUE))
    assert complete(client, {"authorization": "Bearer sk-private", **forced(Color.GREEN)}).status_code == 200
    log = world.access_log
    wait_until(lambda: "completions" in log.read_text(), "the access log is written")
    text = log.read_text()
    assert "sk-private" not in text
    assert "open-sesame" not in text
    line = next(entry for entry in map(json.loads, text.splitlines()) if entry["path"] == "/v1/completions")
    assert (line["service"], line["color"], line["release"], line["forced"], line["status"]) == ("chat", "green", "release-g", "green", 200)


def test_a_reload_begins_a_new_access_log_past_its_size_and_keeps_the_last_ones(
    world: World, router: NginxRouter, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def logged(path: str, number: str = "") -> bool:
        file = world.access_log.with_name(f"access.log{number}")
        return file.is_file() and f'"/v1/completions?{path}"' in file.read_text()

    set_weights(router, HALF)
    for number, weights in enumerate([Weights(100, 0), Weights(75, 25), Weights(50, 50)]):
        assert client.post(f"/v1/completions?shift-{number}", json={}).status_code == 200
        wait_until(lambda number=number: logged(f"shift-{number}"), "the request is logged")
        monkeypatch.setattr(nginx_files, "ROTATE_BYTES", 1 if number else 20_000_000)
        set_weights(router, weights)
    assert client.post("/v1/completions?last", json={}).status_code == 200
    wait_until(lambda: logged("last"), "the new log is written")
    assert logged("shift-2", ".1")
    assert logged("shift-1", ".2")
    assert logged("shift-0", ".2"), "below its size it goes on"


def test_a_router_that_is_not_there_is_unreachable_and_weights_can_be_written_before_it_starts(world: World) -> None:
    router = open_router(world.home)
    for ask in (lambda: router.live_weights("chat"), lambda: router.in_flight("chat", Color.BLUE)):
        with pytest.raises(RouterUnreachable):
            ask()
    router.write_weights("chat", Weights(30, 70))
    world.nginx()
    router.await_weights("chat", Weights(30, 70), 60)


def test_a_dead_replica_of_the_only_color_costs_nothing(world: World, router: NginxRouter, client: httpx.Client) -> None:
    replicas = ServiceRoute(name="chat", blue=world.pool("release-b", "blue", "blue-2"))
    write_topology(world.home, world.topology(replicas))
    set_weights(router, Weights.all_on(Color.BLUE))
    wait_until(lambda: complete(client).status_code == 200, "the pool answers")
    world.engines["blue-2"].kill()
    assert [complete(client).status_code for _ in range(100)] == [200] * 100
