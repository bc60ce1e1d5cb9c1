"""Two services behind one router on the docker target, by path and then by model, with TLS from given files and keys of clients."""

from __future__ import annotations

import copy
import re
import ssl
from collections.abc import Iterator

import httpx
import pytest

from scripts.private_docker import PrivateDocker
from scripts.stack_driver import StackDriver
from tests.fakes.certificates import make_certificate
from tests.fakes.docker_stack import container, docker_stack
from tests.fakes.gateway import bearer, code_of
from tests.fakes.live_stack import GOOD, must
from tests.fakes.stack_faults import until

ALICE, BOB, ENGINE_KEY = "sk-alice-0123456789abcdef", "sk-bob-0123456789abcdef01", "sk-engines-0123456789abcd"
SECRETS = {"apiKey": ENGINE_KEY, "clientKeys.alice": ALICE, "clientKeys.bob": BOB}
MODELS = {"chat": "sorter", "code": "coder"}
RELEASES = {"chat": GOOD, "code": "releases/coder-1.yaml"}
OFFSETS = {"chat": 20, "code": 120}  # the first of 100 ports each; no more are used
PER_MINUTE, MAX_BYTES = 30, 50_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, engine: PrivateDocker) -> Iterator[StackDriver]:
    """Two services of one engine each; the router tells them apart by path."""
    folder = tmp_path_factory.mktemp("gateway")
    certificate, key = make_certificate(folder / "tls")
    with docker_stack(folder, engine, "envoy", "gateway", secrets=SECRETS, green=None) as stack:
        one, base = stack.config["services"].pop("chat"), int(stack.config["basePort"])
        for name, release in RELEASES.items():
            own = {"blue": {"release": release}, "pathPrefix": f"/{name}", "enginePort": base + OFFSETS[name]}
            stack.config["services"][name] = copy.deepcopy(one) | own
        limits = {"maxRequestBytes": MAX_BYTES, "rateLimit": {"requestsPerMinute": PER_MINUTE}}
        stack.config["router"] |= {"tls": {"certificate": str(certificate), "key": str(key)}, **limits}
        must(stack.up())
        yield stack


@pytest.fixture
def client(stack: StackDriver) -> Iterator[httpx.Client]:
    """One that trusts the given certificate and nothing else, without a key."""
    trusting = ssl.create_default_context(cafile=stack.config["router"]["tls"]["certificate"])
    with httpx.Client(base_url=stack.router.url, verify=trusting, trust_env=False, timeout=60) as client:
        yield client


def complete(client: httpx.Client, service: str, headers: dict[str, str], *, prefix: str = "", size: int = 0) -> httpx.Response:
    """A completion as a client of the service asks for it."""
    body = {"model": MODELS[service], "messages": [{"role": "user", "content": "sort 52413"}], "padding": "x" * size}
    return client.post(f"{prefix}/v1/chat/completions", json=body, headers=headers)


def finished(stack: StackDriver, service: str) -> int:
    """The requests that a service's engine has answered, as it counts them itself."""
    port = int(stack.config["basePort"]) + OFFSETS[service]
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).text
    return int(sum(map(float, re.findall(r"^vllm:request_success_total\{.*\} (\S+)$", page, re.MULTILINE))))


def test_who_may_not_is_told_so_in_the_form_of_openai_and_reaches_no_engine(stack: StackDriver, client: httpx.Client) -> None:
    for service in MODELS:
        prefix, before = f"/{service}", finished(stack, service)
        for headers in ({}, bearer("sk-nobody-0123456789abcdef"), bearer(ENGINE_KEY)):
            assert code_of(complete(client, service, headers, prefix=prefix)) == (401, "invalid_api_key"), headers
        assert code_of(complete(client, service, bearer(ALICE), prefix=prefix, size=MAX_BYTES)) == (413, "request_too_large")
        # The simulator would take the first: it hung from then on.
        for path in ("/simulator/faults", "/pause", "/metrics"):
            answer = client.post(f"{prefix}{path}", json={"hang": True}, headers=bearer(ALICE))
            assert code_of(answer) == (404, "not_found"), path
        assert finished(stack, service) == before
        answer = complete(client, service, bearer(ALICE), prefix=prefix)
        assert (answer.status_code, answer.json()["model"]) == (200, MODELS[service]), answer.text
        assert finished(stack, service) == before + 1


def test_over_its_limit_a_key_is_refused_and_the_engine_hears_nothing(stack: StackDriver, client: httpx.Client) -> None:
    before = finished(stack, "chat")
    answers = [complete(client, "chat", bearer(BOB), prefix="/chat") for _ in range(3 * PER_MINUTE)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {code_of(answer) for answer in refused} == {(429, "rate_limit_exceeded")}
    assert finished(stack, "chat") == before + len(answers) - len(refused)
    assert complete(client, "chat", bearer(ALICE), prefix="/chat").status_code == 200


def test_the_same_router_tells_services_apart_by_the_model_when_it_is_told_to(stack: StackDriver, client: httpx.Client) -> None:
    for name in MODELS:
        stack.service(name).pop("pathPrefix")
    stack.config["router"]["routing"] = "model"
    must(stack.up())
    for service, model in MODELS.items():
        counts = {name: finished(stack, name) for name in MODELS}
        answer = complete(client, service, bearer(ALICE))
        assert (answer.status_code, answer.json()["model"]) == (200, model), answer.text
        assert {name: finished(stack, name) - count for name, count in counts.items()} == {name: int(name == service) for name in MODELS}
    before = [finished(stack, name) for name in MODELS]
    unknown = client.post("/v1/chat/completions", json={"model": "nobody", "messages": []}, headers=bearer(ALICE))
    assert code_of(unknown) == (404, "model_not_found")
    assert [finished(stack, name) for name in MODELS] == before


def test_docker_shows_the_log_of_requests_and_nobody_a_key(stack: StackDriver, client: httpx.Client, engine: PrivateDocker) -> None:
    complete(client, "chat", bearer(ALICE))
    until(lambda: '"client":"alice"' in engine.command("logs", container(stack, "router")), "the request is logged")
    names = [container(stack, part) for part in ("router", "chat-blue-0", "code-blue-0")]
    shown = engine.command("inspect", *names) + "".join(engine.command("logs", name) for name in names)
    assert not [key for key in SECRETS.values() if key in shown]
