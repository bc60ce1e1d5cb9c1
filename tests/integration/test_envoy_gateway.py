"""What the real Envoy says to clients without a key, over their limit or with too much, over TLS, and by model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from delivery.color import Color, Weights
from delivery.config_models import RouterKind, Routing
from delivery.topology import ServiceRoute
from probes.router_files import write_topology
from probes.router_kinds import open_router
from tests.fakes import gateway
from tests.fakes.gateway import ALICE, KEYS, bearer, code_of, complete
from tests.fakes.routers import SECRET, World, forced

KIND = RouterKind.ENVOY


@pytest.mark.parametrize("check", gateway.CHECKS, ids=gateway.sentence)
def test_a_gateway(check: gateway.Check, tmp_path: Path) -> None:
    check(tmp_path, KIND)


@pytest.fixture(scope="module", params=[False, True], ids=["open", "keyed"])
def by_model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[tuple[World, httpx.Client]]:
    """Two services told apart by their model; clients need a key in one of the cases."""
    with World(tmp_path_factory.mktemp("by-model"), KIND) as world:
        chat = ServiceRoute(name="chat", served_model="small", blue=world.pool("c1", "chat-blue"), green=world.pool("c2", "chat-green"))
        code = ServiceRoute(name="code", served_model="org/large", blue=world.pool("l1", "code-blue"))
        keys = {"keyed": True, "client_keys": KEYS} if request.param else {}
        write_topology(world.home, world.topology(chat, code, routing=Routing.MODEL, max_request_bytes=3_000_000, **keys))
        world.envoy()
        router = open_router(world.home)
        for service in ("chat", "code"):
            router.write_weights(service, Weights(100, 0))
            router.await_weights(service, Weights(100, 0), 60)
        with httpx.Client(base_url=world.url, timeout=60, trust_env=False, headers=bearer(ALICE)) as client:
            yield world, client


def test_the_model_in_the_body_decides_which_service_answers(by_model: tuple[World, httpx.Client]) -> None:
    world, client = by_model
    for model, release in (("small", "c1"), ("org/large", "l1")):
        for size in (0, 2_000_000):
            body = json.dumps({"padding": "x" * size, "model": model}).encode()
            for kind in ("application/json", "application/json; charset=utf-8", "text/plain"):
                answer = complete(client, {"content-type": kind}, body)
                assert (answer.status_code, answer.headers["x-verdigris-release"]) == (200, release)
                assert answer.json()["size"] == len(body)
    before = gateway.asked(world)
    for body in (b'{"model": "medium"}', b"{}", b"{{{", b'{"model": 1}', b"", b'{"model": ["small"]}'):
        assert code_of(complete(client, body=body)) == (404, "model_not_found"), body
    assert code_of(complete(client, body=b"x" * 4_000_000)) == (413, "request_too_large")
    assert code_of(client.post("/pause", json={"model": "small"})) == (404, "not_found")
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["small", "org/large"]
    assert gateway.asked(world) == before


def test_a_stream_is_not_held_back_where_the_body_decides(by_model: tuple[World, httpx.Client]) -> None:
    _, client = by_model
    started = time.monotonic()
    first = None
    with client.stream("POST", "/v1/completions", json={"model": "small", "stream": True, "seconds": 4, "chunks": 8}) as stream:
        for line in stream.iter_lines():
            first = first or (time.monotonic() - started if line.startswith("data:") else None)
    whole = time.monotonic() - started
    assert first is not None
    assert whole - first > 2, "the first chunk came with the last"


def test_our_probes_name_the_service_where_clients_name_a_model(by_model: tuple[World, httpx.Client]) -> None:
    world, client = by_model
    before = world.engines["code-blue"].asked
    ours = {"x-verdigris-secret": SECRET, "authorization": ""}
    for service, release in (("chat", "c1"), ("code", "l1")):
        answer = client.get("/v1/models", headers=ours | {"x-verdigris-service": service})
        assert answer.headers["x-verdigris-release"] == release
    green = complete(client, forced(Color.GREEN) | {"x-verdigris-service": "chat", "authorization": ""}, b'{"model": "small"}')
    assert (green.status_code, green.headers["x-verdigris-release"]) == (200, "c2")
    assert not [name for name in green.json()["headers"] if name.startswith("x-verdigris")]
    stolen = complete(client, {"x-verdigris-service": "code"}, b'{"model": "small"}')
    assert stolen.headers["x-verdigris-release"] == "c1"
    assert world.engines["code-blue"].asked == before + 1
