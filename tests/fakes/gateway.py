"""What every kind of router has to answer to whom: the tests of Envoy's and of nginx's gateway are the same."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from delivery.color import Color, Weights
from delivery.config_models import RouterKind
from probes.router import RouterClient
from probes.router_files import write_topology
from probes.router_kinds import open_router
from probes.tls_files import read_tls
from tests.fakes.certificates import make_certificate
from tests.fakes.routers import SECRET, World, forced, two_colors, wait_until

ALICE, BOB, ENGINE_KEY = "sk-alice-0123456789", "sk-bob-0123456789ab", "sk-engine-%-key"
KEYS = {"alice": ALICE, "bob": BOB}
MAX_BYTES = 100_000
PER_MINUTE = 30
Check = Callable[[Path, RouterKind], None]
_UNLISTED = [("POST", "/pause"), ("GET", "/metrics"), ("GET", "/asked"), ("DELETE", "/v2/models")]


def bearer(key: str) -> dict[str, str]:
    """The header that clients send."""
    return {"authorization": f"Bearer {key}"}


@contextmanager
def gateway(folder: Path, kind: RouterKind, **more: object) -> Iterator[tuple[World, httpx.Client, RouterClient]]:
    """A router with keys, half of the traffic on each color, and a client without a key."""
    with World(folder, kind) as world:
        keyed: dict[str, object] = {"keyed": True, "client_keys": KEYS, "engine_key": ENGINE_KEY, "max_request_bytes": MAX_BYTES}
        write_topology(world.home, world.topology(two_colors(world), **keyed | more))
        router = open_router(world.home)
        router.write_weights("chat", Weights(50, 50))
        world.router()
        router.await_weights("chat", Weights(50, 50), 60)
        with httpx.Client(base_url=world.url, timeout=60, trust_env=False, verify=False) as client:
            yield world, client, router


def shift(router: RouterClient, weights: Weights) -> None:
    """Weights that are in use."""
    router.write_weights("chat", weights)
    router.await_weights("chat", weights, 60)


def asked(world: World) -> int:
    """Requests that reached any engine."""
    return sum(engine.asked for engine in world.engines.values())


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and `code` of an error in OpenAI's form; fails for any other form."""
    assert answer.headers["content-type"] == "application/json", answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return answer.status_code, error["code"]


def complete(client: httpx.Client, headers: dict[str, str] | None = None, body: bytes | Iterator[bytes] = b"{}") -> httpx.Response:
    """A plain completion."""
    return client.post("/v1/completions", content=body, headers={"content-type": "application/json"} | (headers or {}))


def check_refusals_reach_no_engine(folder: Path, kind: RouterKind) -> None:
    """No key 401, wrong key 401, too large 413, unlisted 404; a key is asked for before the size is looked at."""
    with gateway(folder, kind) as (world, client, _):
        large = b"x" * (MAX_BYTES + 1)
        wrong: list[dict[str, str]] = [{}, bearer("sk-nobody-0123456789"), bearer(ALICE.upper()), bearer(ALICE + "x"),
                                       {"authorization": "Bearer"}, {"authorization": ALICE[:-1]}, {"x-verdigris-client": "alice"},
                                       {"x-verdigris-secret": "wrong"},
                                       forced(Color.BLUE, "wrong")]  # fmt: skip
        for headers in wrong:
            assert code_of(complete(client, headers)) == (401, "invalid_api_key"), headers
            assert code_of(complete(client, headers, large)) == (401, "invalid_api_key"), headers
        assert code_of(client.get("/v1/models")) == (401, "invalid_api_key")
        assert code_of(complete(client, bearer(ALICE), large)) == (413, "request_too_large")
        assert code_of(complete(client, bearer(ALICE), iter([b"x" * 1000] * 200))) == (413, "request_too_large")
        for method, path in _UNLISTED:
            for headers in ({}, bearer(ALICE)):
                assert code_of(client.request(method, path, headers=headers)) == (404, "not_found"), path
        assert asked(world) == 0
        assert client.get("/health").status_code == 200
        assert complete(client, bearer(ALICE), b'{"padding": "' + b"x" * (MAX_BYTES - 100) + b'"}').status_code == 200
        assert client.get("/v1/models", headers=bearer(BOB)).status_code == 200
        assert asked(world) == 2


def check_engines_see_their_own_key_and_the_clients_name(folder: Path, kind: RouterKind) -> None:
    """Our probes need the secret only; a client can't say who it is; no key gets into a log."""
    with gateway(folder, kind) as (world, client, router):
        seen = complete(client, bearer(ALICE) | {"x-verdigris-client": "bob"}).json()["headers"]
        assert (seen["authorization"], seen["x-verdigris-client"]) == (f"Bearer {ENGINE_KEY}", "alice")
        probes = [{"x-verdigris-secret": SECRET}, forced(Color.GREEN), forced(Color.GREEN) | bearer("sk-whatever-0123456")]
        for headers in probes:
            answer = complete(client, headers)
            assert answer.status_code == 200
            assert answer.json()["headers"]["authorization"] == f"Bearer {ENGINE_KEY}"
            assert not [name for name in answer.json()["headers"] if name.startswith("x-verdigris")]
        shift(router, Weights(100, 0))
        ours = {"x-verdigris-secret": SECRET}
        assert {complete(client, ours).headers["x-verdigris-color"] for _ in range(20)} == {"blue"}
        assert complete(client, bearer("sk-nobody-0123456789")).status_code == 401
        log = world.access_log
        wait_until(lambda: '"client":"alice"' in log.read_text() and "401" in log.read_text(), "both are logged")
        written = log.read_text() + (world.folder / "router.log").read_text()
        for secret in (ALICE, BOB, ENGINE_KEY, SECRET, "sk-nobody"):
            assert secret not in written


def check_keys_change_without_a_restart(folder: Path, kind: RouterKind) -> None:
    """A key that is taken away is refused, a new one is let in, and one that stays is never refused."""
    with gateway(folder, kind) as (world, client, _):
        changed = {"keyed": True, "client_keys": {"alice": ALICE, "carol": "sk-carol-0123456789"}, "engine_key": ENGINE_KEY}
        write_topology(world.home, world.topology(two_colors(world), **changed))
        statuses = []

        def has_changed() -> bool:
            statuses.append(complete(client, bearer(ALICE)).status_code)
            return complete(client, bearer(BOB)).status_code == 401

        wait_until(has_changed, "bob's key is refused")
        # For a moment after a reload an old worker of nginx may still take a connection.
        wait_until(lambda: complete(client, bearer("sk-carol-0123456789")).status_code == 200, "carol's key is let in")
        assert set(statuses) == {200}
        write_topology(world.home, world.topology(two_colors(world)))
        wait_until(lambda: succeeds(world.url, {}), "no key is needed any more")


def check_each_key_has_a_limit_of_its_own(folder: Path, kind: RouterKind) -> None:
    """Over the limit 429 with the time to wait; a shift of weights forgives nothing; strangers and our probes use up nobody's."""
    with gateway(folder, kind, requests_per_minute=PER_MINUTE) as (world, client, router):
        for _ in range(2 * PER_MINUTE):
            complete(client, {"x-verdigris-client": "bob"})
            assert complete(client, {"x-verdigris-secret": SECRET}).status_code == 200
            client.post("/pause", headers={"x-verdigris-client": "bob"})
        answers = [complete(client, bearer(ALICE)) for _ in range(4 * PER_MINUTE)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(answers) - len(refused) >= PER_MINUTE
        assert {code_of(answer) for answer in refused} == {(429, "rate_limit_exceeded")}
        assert {answer.headers["retry-after"] for answer in refused} == {"2"}
        assert asked(world) == 2 * PER_MINUTE + len(answers) - len(refused)
        assert complete(client, bearer(BOB)).status_code == 200
        shift(router, Weights(0, 100))
        again = [complete(client, bearer(ALICE)).status_code for _ in range(2 * PER_MINUTE)]
        assert 429 in again[: PER_MINUTE - 5], again


def check_tls_and_a_new_certificate_without_a_restart(folder: Path, kind: RouterKind) -> None:
    """Clients that trust the certificate get through, others don't, plain HTTP doesn't; a stream outlives a new certificate."""
    make_certificate(folder / "tls")
    with gateway(folder, kind, tls=read_tls(folder, "tls/server.crt", "tls/server.key")) as (world, _, router):
        assert router.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(folder / "tls" / "server.crt"))
        with httpx.Client(base_url=world.url, timeout=60, trust_env=False, verify=trusting) as client:
            assert complete(client, bearer(ALICE)).status_code == 200
            assert code_of(complete(client)) == (401, "invalid_api_key")
        assert not succeeds(world.url, bearer(ALICE))
        assert not succeeds(world.url.replace("https", "http"), bearer(ALICE))
        assert world.home.joinpath("router", "tls.key").stat().st_mode & 0o777 == 0o600
        with httpx.stream("POST", f"{world.url}/v1/completions", json={"stream": True, "seconds": 4, "chunks": 8}, headers=bearer(ALICE),
                          timeout=60, trust_env=False, verify=trusting) as stream:  # fmt: skip
            lines = stream.iter_lines()
            assert "number" in next(lines)
            make_certificate(folder / "tls")
            tls = read_tls(folder, "tls/server.crt", "tls/server.key")
            kept = {"keyed": True, "client_keys": KEYS, "engine_key": ENGINE_KEY}
            write_topology(world.home, world.topology(two_colors(world), tls=tls, **kept))
            new = ssl.create_default_context(cafile=str(folder / "tls" / "server.crt"))
            wait_until(lambda: succeeds(world.url, bearer(ALICE), new), "the new certificate is shown")
            assert "data: [DONE]" in list(lines)


def succeeds(url: str, headers: dict[str, str], verify: ssl.SSLContext | bool = True) -> bool:
    """Whether a completion is answered with 200 on a connection of its own."""
    try:
        return httpx.post(f"{url}/v1/completions", json={}, headers=headers, timeout=60, trust_env=False, verify=verify).status_code == 200
    except httpx.HTTPError:
        return False


CHECKS: tuple[Check, ...] = (
    check_refusals_reach_no_engine,
    check_engines_see_their_own_key_and_the_clients_name,
    check_keys_change_without_a_restart,
    check_each_key_has_a_limit_of_its_own,
    check_tls_and_a_new_certificate_without_a_restart,
)
"""What holds for each kind of router, on a real one: called with a folder and the kind."""


def sentence(check: Check) -> str:
    """What a check holds, as the name of its test."""
    return check.__name__.removeprefix("check_")
