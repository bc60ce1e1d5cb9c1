"""What the rest is built on, of a real vLLM: it starts from a release, says who it is, answers right, and drains when it is stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delivery.engine_args import engine_command
from probes.engine_client import EngineClient
from probes.release_files import load_release

ROOT = Path(__file__).resolve().parents[3]
CLIENT = Path(__file__).with_name("official_client.py")
GOOD, PROMPT = "releases/sort-vllm-good.yaml", "releases/sort-vllm-prompt.yaml"
PORTS = {GOOD: 20511, PROMPT: 20512}
START_SECONDS = 420.0
STOP_SECONDS = 120.0

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


@dataclass
class Running:
    """An engine that the tests started."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter that has vLLM; the models are trained when they are not there."""
    subprocess.run([ROOT / "scripts/make-models"], check=True)
    return subprocess.run([ROOT / "scripts/setup-vllm", "--python"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def engines(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """Both releases of the good model, started at the same time, as a rollout does."""
    folder = tmp_path_factory.mktemp("engines")
    running: dict[str, Running] = {}
    try:
        for path, port in PORTS.items():
            running[path] = _start(path, port, python, folder / f"{port}.log")
        deadline = time.monotonic() + START_SECONDS
        for engine in running.values():
            while not asyncio.run(_healthy(engine.address)):
                assert engine.process.poll() is None, engine.log.read_text(errors="replace")[-4000:]
                assert time.monotonic() < deadline, engine.log.read_text(errors="replace")[-4000:]
                time.sleep(0.5)
        yield running
    finally:
        for engine in running.values():
            _kill_group(engine.process)


def _start(path: str, port: int, python: str, log: Path) -> Running:
    release = load_release(ROOT, path).release
    command = engine_command(release, python=python, model_root=str(ROOT), host="127.0.0.1", port=port, drain_seconds=STOP_SECONDS)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.argv, env=os.environ | command.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Running(f"127.0.0.1:{port}", process, log)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """The engine core is a process of its own; both are in the group that was made for them."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(STOP_SECONDS)


async def _healthy(address: str) -> bool:
    async with EngineClient(address) as engine:
        return await engine.healthy()


def _ask(python: str, engine: Running, *arguments: str) -> Any:
    command = [python, str(CLIENT), f"http://{engine.address}/v1", "sorter", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.splitlines()[-1])


def test_the_engine_says_who_it_is_what_it_serves_and_that_it_is_idle(engines: dict[str, Running]) -> None:
    async def look(address: str) -> tuple[str, str, tuple[str, ...], int]:
        async with EngineClient(address) as engine:
            return await engine.identity(), await engine.identity(), await engine.models(), await engine.running()

    first, second, models, in_flight = asyncio.run(look(engines[GOOD].address))
    address, _, start_seconds = first.partition("@")
    assert (address, models, in_flight) == (engines[GOOD].address, ("sorter",), 0)
    assert first == second
    assert abs(time.time() - float(start_seconds)) < 3600


def test_the_official_client_gets_right_answers_plain_and_streamed(engines: dict[str, Running], python: str) -> None:
    answers = _ask(python, engines[GOOD], "right", "20")
    assert answers["right"] >= 17, answers


def test_another_prompt_is_another_release_that_answers_as_well(engines: dict[str, Running], python: str) -> None:
    assert load_release(ROOT, GOOD).digest != load_release(ROOT, PROMPT).digest
    answers = _ask(python, engines[PROMPT], "right", "20")
    assert answers["right"] >= 17, answers


def test_a_stream_in_flight_ends_whole_after_the_stop_signal_and_the_engine_exits(engines: dict[str, Running], python: str) -> None:
    """Stops the engine with the other prompt: this test is the last one."""
    engine = engines[PROMPT]
    command = [python, str(CLIENT), f"http://{engine.address}/v1", "sorter", "stream", "900"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert json.loads(client.stdout.readline()) == "started"
        engine.process.send_signal(signal.SIGTERM)
        rest = client.stdout.read()
    assert json.loads(rest) == {"finish_reason": "length", "tokens": 900}
    assert engine.process.wait(STOP_SECONDS) == 0
