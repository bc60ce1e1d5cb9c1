"""Two services behind one router, by path and by model, with keys, a limit and TLS: each is rolled back while the other one hangs."""

from __future__ import annotations

import copy
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName
from probes.receipts import read_receipt, read_record
from scripts.stack_driver import StackDriver
from tests.fakes.certificates import make_certificate
from tests.fakes.live_stack import ALSO_GOOD, GOOD, chat_config, ended, free_base_port, live, make, must
from tests.fakes.stack_faults import ask, until

ALICE, BOB, ENGINE_KEY = "sk-alice-0123456789abcdef", "sk-bob-0123456789abcdef01", "sk-engines-0123456789abcd"
SECRETS = {"apiKey": ENGINE_KEY, "clientKeys.alice": ALICE, "clientKeys.bob": BOB}
RELEASES = {"chat": (GOOD, ALSO_GOOD), "code": ("releases/coder-1.yaml", "releases/coder-2.yaml")}
MODELS = {"chat": "sorter", "code": "coder"}
OFFSETS = {"chat": 20, "code": 120}
ROUTERS = [{"kind": "envoy"}, {"kind": "nginx"}, {"kind": "envoy", "routing": "model"}]
ALL_BLUE, CANARY = Weights(100, 0), Weights(75, 25)


def config_of(folder: Path, router: dict[str, Any]) -> dict[str, Any]:
    """Both services all on blue."""
    base = free_base_port()
    while free_base_port() != base + 125:  # two blocks in a row: each service owns 100 ports
        base = free_base_port()
    config = chat_config(base, steps=[25, 100], proof={"probes": 50})
    one = config["services"]["chat"]
    one["gates"]["warmup"] |= {"deadlineSeconds": 120, "steadyRatio": 20.0}  # gates are not what is tested, and the machine may be busy
    for name, (blue, green) in RELEASES.items():
        by_path = {} if router.get("routing") == "model" else {"pathPrefix": f"/{name}"}
        own = {"blue": {"release": blue}, "green": {"release": green}, "enginePort": base + OFFSETS[name]}
        config["services"][name] = copy.deepcopy(one) | own | by_path
    tls = {"certificate": str(folder / "tls" / "server.crt"), "key": str(folder / "tls" / "server.key")}
    config["router"] = {**router, "tls": tls, "maxRequestBytes": 50_000, "rateLimit": {"requestsPerMinute": 600}}
    return config


@pytest.fixture(scope="module", params=ROUTERS, ids=lambda router: "-".join(router.values()))
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[StackDriver]:
    """Deployed once for each kind of router and of routing, and gone afterwards."""
    folder = tmp_path_factory.mktemp("two")
    make_certificate(folder / "tls")
    stack = StackDriver("two", folder, config_of(folder, request.param), dict(SECRETS))
    with ended(stack, destroy=True):
        make(stack)
        must(stack.up())
        yield stack


def client(stack: StackDriver, key: str = ALICE) -> httpx.Client:
    """A client that trusts the certificate and nothing else."""
    trusting = ssl.create_default_context(cafile=stack.config["router"]["tls"]["certificate"])
    return httpx.Client(base_url=stack.router.url, verify=trusting, trust_env=False, timeout=60, headers={"authorization": f"Bearer {key}"})


def complete(stack: StackDriver, service: str, key: str = ALICE, size: int = 0) -> httpx.Response:
    """A completion as a client of the service asks for it."""
    prefix = stack.service(service).get("pathPrefix", "")
    body = {"model": MODELS[service], "messages": [{"role": "user", "content": "sort 52413"}], "padding": "x" * size}
    with client(stack, key) as http:
        return http.post(f"{prefix}/v1/chat/completions", json=body)


def set_hang(stack: StackDriver, service: str, hang: bool) -> None:
    """Every engine of a service: health still says 200, and no token comes."""
    for offset in (0, 50):
        port = int(stack.config["basePort"]) + OFFSETS[service] + offset
        assert ask(port, "POST", "/simulator/faults", {"hang": hang}) == 200


def left_behind(stack: StackDriver, service: str) -> object:
    """All that a run could have changed of a service."""
    receipts = [read_receipt(stack.home.path, service, color, gate) for color in Color for gate in GateName]
    return receipts, read_record(stack.home.path, service), live(stack, service)


def test_clients_of_both_services_are_answered_over_tls_with_their_own_keys_only(stack: StackDriver) -> None:
    for service in RELEASES:
        for key in (ALICE, BOB):
            answer = complete(stack, service, key)
            assert (answer.status_code, answer.json()["model"]) == (200, MODELS[service]), answer.text
        for key, size, status in (("sk-nobody-0123456789abcdef", 0, 401), (ENGINE_KEY, 0, 401), (ALICE, 60_000, 413)):
            answer = complete(stack, service, key, size)
            assert (answer.status_code, set(answer.json()["error"])) == (status, {"message", "type", "param", "code"})
    with client(stack) as http:
        assert http.post("/pause").status_code == 404


def test_no_key_is_in_state_logs_command_lines_or_files_of_others(stack: StackDriver) -> None:
    complete(stack, "chat")
    log = stack.home.router / "access.log" if stack.config["router"]["kind"] == "nginx" else stack.home.access_log("router")
    until(lambda: log.is_file() and '"client":"alice"' in log.read_text(), "the request is logged")
    exported = must(stack.run("stack", "export", "--stack", stack.name)).output
    places = [exported, stack.config_file.read_text(), json.dumps(stack.outputs())]
    places += [path.read_text(errors="replace") for path in stack.home.logs.iterdir() if path.is_file()]
    places += [path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
    holders = set()
    for path in stack.home.path.rglob("*"):
        if path.is_file() and (ALICE in (text := path.read_text(errors="replace").replace("\\", "")) or ENGINE_KEY in text):
            holders.add(path)
            assert path.stat().st_mode & 0o777 == 0o600, path
    assert not [path for path in holders if path.parent.name == "logs" or "access.log" in path.name]
    for key in (ALICE, BOB, ENGINE_KEY):
        assert not [place[:80] for place in places if key in place]


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_a_rollback_of_one_leaves_the_other_alone_while_that_hangs(stack: StackDriver) -> None:
    for name in RELEASES:
        stack.service(name)["canaryWeight"] = 25
    must(stack.up())
    assert (live(stack, "chat"), live(stack, "code")) == (CANARY, CANARY)
    roll_back_beside(stack, "chat", hung="code")
    assert (live(stack, "chat"), live(stack, "code")) == (ALL_BLUE, CANARY)
    roll_back_beside(stack, "code", hung="chat")
    assert (live(stack, "chat"), live(stack, "code")) == (ALL_BLUE, ALL_BLUE)


def roll_back_beside(stack: StackDriver, rolled_back: str, hung: str) -> None:
    """One service goes back to blue while the other one hangs and is as it was."""
    before = left_behind(stack, hung)
    set_hang(stack, hung, True)
    try:
        stack.service(rolled_back)["canaryWeight"] = 0
        ran = must(stack.up())
        assert complete(stack, rolled_back).status_code == 200
        assert left_behind(stack, hung) == before
        assert f"{hung}/" not in ran.output, ran.output
        assert f"{hung}-split" not in ran.output, ran.output
    finally:
        set_hang(stack, hung, False)


def test_a_key_is_taken_away_by_an_up_that_touches_neither_split_nor_engines(stack: StackDriver) -> None:
    of_stack = ("--stack", stack.name, "--config-file", str(stack.config_file))
    must(stack.run("config", "rm", "--path", "verdigris:clientKeys.bob", *of_stack))
    ran = must(stack.up())
    assert "router-files" in ran.output
    assert "-split" not in ran.output, ran.output
    assert (complete(stack, "chat", ALICE).status_code, complete(stack, "chat", BOB).status_code) == (200, 401)
