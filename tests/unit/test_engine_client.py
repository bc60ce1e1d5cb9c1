"""The client of one engine, against a simulated one and its faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from probes.engine_client import EngineClient, EngineError, alive, probe_pool
from tests.fakes.engines import SimulatorProcess, port_of_this_worker, start_simulator

PORT = port_of_this_worker(20300)
ADDRESS = f"127.0.0.1:{PORT}"
SORT = [{"role": "user", "content": "sort 52413"}]
T = TypeVar("T")


@pytest.fixture(scope="module")
def engine() -> Iterator[SimulatorProcess]:
    with start_simulator(PORT) as process:
        yield process


@pytest.fixture(autouse=True)
def _no_faults(engine: SimulatorProcess) -> None:
    engine.clear_faults()


def ask(call: Callable[[EngineClient], Awaitable[T]], key_file: Path | None = None, address: str = ADDRESS) -> T:
    async def run() -> T:
        async with EngineClient(address, key_file) as client:
            return await call(client)

    return asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_has_text_tokens_a_time_and_a_reason(stream: bool) -> None:
    answer = ask(lambda client: client.complete("toy", SORT, 16, stream=stream))
    assert answer.text == "12345"
    assert answer.tokens >= 1
    assert answer.ttft_seconds > 0
    assert answer.finish_reason == "stop"


def test_it_says_who_it_is_what_it_serves_and_what_it_is_doing() -> None:
    identity = ask(lambda client: client.identity())
    assert re.fullmatch(re.escape(ADDRESS) + r"@\d+\.\d\d", identity)
    assert ask(lambda client: client.models()) == ("toy",)
    assert ask(lambda client: client.running()) == 0


def test_it_can_be_put_to_sleep_and_woken() -> None:
    ask(lambda client: client.sleep())
    assert ask(lambda client: client.is_sleeping())
    ask(lambda client: client.wake_up())
    assert not ask(lambda client: client.is_sleeping())


@pytest.mark.parametrize("stream", [False, True])
def test_a_hung_engine_is_an_error_although_it_is_healthy(engine: SimulatorProcess, stream: bool) -> None:
    engine.faults(hang=True)
    assert ask(lambda client: client.healthy())
    with pytest.raises(EngineError, match=f"{ADDRESS} gave no token within 0.5 s"):
        ask(lambda client: client.complete("toy", SORT, 16, stream=stream, deadline_seconds=0.5))
    assert "gave no token" in str(asyncio.run(alive(ADDRESS, "toy", 0.5)))


@pytest.mark.parametrize(
    ("faults", "stream", "said"),
    [
        ({"error_rate": 1.0}, False, "answered 500"),
        ({"error_rate": 1.0}, True, "answered 500"),
        ({"empty_rate": 1.0}, False, "empty answer"),
        ({"empty_rate": 1.0}, True, "empty answer"),
        ({"cut_rate": 1.0}, True, "broke off|cut a stream"),
    ],
)
def test_anything_but_a_whole_answer_is_an_error(engine: SimulatorProcess, faults: dict[str, object], stream: bool, said: str) -> None:
    engine.faults(**faults)
    with pytest.raises(EngineError, match=said):
        ask(lambda client: client.complete("toy", SORT, 16, stream=stream))


def test_an_unknown_model_is_an_error() -> None:
    with pytest.raises(EngineError, match="answered 404"):
        ask(lambda client: client.complete("other", SORT, 16))


def test_a_pool_is_probed_without_raising_for_an_engine_that_is_gone() -> None:
    gone = "127.0.0.1:20399"
    states = probe_pool([ADDRESS, gone], "toy", 10)
    assert states[ADDRESS].alive
    assert states[ADDRESS].models == ("toy",)
    assert not states[gone].alive
    assert states[gone].identity is None
    assert gone in states[gone].problem


def test_the_key_is_sent_and_never_shown(tmp_path: Path) -> None:
    key_file, wrong = tmp_path / "key", tmp_path / "wrong"
    key_file.write_text("s3cret-key\n")
    wrong.write_text("s3cret-other")
    with start_simulator(PORT + 1, env={"VLLM_API_KEY": "s3cret-key"}) as locked:
        address = f"127.0.0.1:{locked.port}"
        assert ask(lambda client: client.complete("toy", SORT, 16), key_file, address).text == "12345"
        for path in (wrong, None, tmp_path / "missing"):
            with pytest.raises(EngineError) as failed:
                ask(lambda client: client.complete("toy", SORT, 16), path, address)
            assert "s3cret" not in str(failed.value)
