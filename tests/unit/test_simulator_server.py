"""A simulated engine as clients and the supervisor meet it: over HTTP, in a process of its own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.asking import Background, post, until
from tests.fakes.engines import DEADLINE_SECONDS, SimulatorProcess, port_of_this_worker, start_simulator

PORT = port_of_this_worker(20110)
VLLM_METRICS = [
    "process_start_time_seconds",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:time_to_first_token_seconds_bucket",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:e2e_request_latency_seconds_bucket",
    "vllm:request_success_total",
]


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[SimulatorProcess]:
    with start_simulator(PORT) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: SimulatorProcess) -> SimulatorProcess:
    shared_engine.clear_faults()
    return shared_engine


def stream(engine: SimulatorProcess, content: str, **fields: object) -> list[Any]:
    body = {"model": engine.model(), "messages": [{"role": "user", "content": content}], "stream": True} | fields
    status, text = engine.send("POST", "/v1/chat/completions", body)
    assert status == 200
    blocks = [block.removeprefix("data: ") for block in text.strip().split("\n\n")]
    assert blocks[-1] == "[DONE]"
    return [json.loads(block) for block in blocks[:-1]]


def test_a_chat_is_answered_by_the_rule(engine: SimulatorProcess) -> None:
    answer = engine.chat("Digits, please.\nsort 52413")
    assert answer["choices"][0]["message"]["content"] == "12345"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 6


def test_a_completion_is_answered_by_the_rule(engine: SimulatorProcess) -> None:
    status, body = engine.send("POST", "/v1/completions", {"model": "toy", "prompt": "sort 321"})
    assert (status, json.loads(body)["choices"][0]["text"]) == (200, "123")


def test_a_stream_has_a_role_a_chunk_a_token_a_reason_and_usage_where_asked(engine: SimulatorProcess) -> None:
    chunks = stream(engine, "sort 52413", stream_options={"include_usage": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta["content"] for delta in deltas[1:]] == ["1", "2", "3", "4", "5", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 6 + ["stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 6
    assert all("usage" not in chunk for chunk in stream(engine, "sort 1"))


def test_max_tokens_are_kept_and_ignore_eos_fills_them(engine: SimulatorProcess) -> None:
    short = engine.chat("sort 52413", max_tokens=3)["choices"][0]
    assert (short["message"]["content"], short["finish_reason"]) == ("123", "length")
    assert stream(engine, "sort 1", max_tokens=30, ignore_eos=True)[-1]["choices"][0]["finish_reason"] == "length"
    assert engine.chat("sort 1", max_tokens=30, ignore_eos=True)["usage"]["completion_tokens"] == 30


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "other"}, 404),
        ({"messages": []}, 400),
        ({"max_tokens": -1}, 400),
        ({"messages": [{"role": "user", "content": "x" * 9000}]}, 400),
    ],
)
def test_a_bad_request_is_an_error_in_openais_form(engine: SimulatorProcess, fields: dict[str, object], status: int) -> None:
    got, body = post(engine, "sort 21", **fields)
    assert (got, json.loads(body)["error"]["code"]) == (status, status)


def test_metrics_have_vllms_names(engine: SimulatorProcess) -> None:
    before = engine.metric("vllm:request_success_total")
    engine.chat("sort 1")
    assert engine.metric("vllm:request_success_total") == before + 1
    page = engine.get("/metrics")[1]
    assert [name for name in VLLM_METRICS if f"\n{name}" not in page] == []


def test_the_first_sight_of_a_prefix_is_cold_and_a_restart_forgets_it() -> None:
    with start_simulator(PORT + 1, first_token_cold_ms=400, first_token_warm_ms=1) as engine:
        identity = engine.metric("process_start_time_seconds")

        def first_token_seconds() -> float:
            before = engine.metric("vllm:time_to_first_token_seconds_sum")
            engine.chat("a shared prefix\nsort 21")
            return engine.metric("vllm:time_to_first_token_seconds_sum") - before

        assert first_token_seconds() >= 0.4
        assert engine.metric("vllm:prefix_cache_hits_total") == 0
        # The fastest of several: any single one may be slow on a busy machine.
        assert min(first_token_seconds() for _ in range(5)) < 0.4
        assert engine.metric("vllm:prefix_cache_hits_total") > 0
        engine.restart()
        assert engine.metric("process_start_time_seconds") > identity
        assert first_token_seconds() >= 0.4


def test_without_the_key_only_v1_is_closed() -> None:
    with start_simulator(PORT + 2, env={"VLLM_API_KEY": "k"}) as engine:
        assert engine.get("/v1/models")[0] == 200
        wrong = {"Authorization": "Bearer wrong"}
        assert engine.get("/v1/models", wrong)[0] == 401
        assert engine.get("/health", wrong)[0] == 200
        assert engine.get("/metrics", wrong)[0] == 200


def test_requests_wait_while_the_engine_sleeps(engine: SimulatorProcess) -> None:
    assert engine.send("POST", "/sleep?level=1")[0] == 200
    assert json.loads(engine.get("/is_sleeping")[1]) == {"is_sleeping": True}
    asked = Background(engine, "sort 21")
    until(lambda: engine.metric("vllm:num_requests_running") == 1)
    assert asked.answer is None
    assert engine.send("POST", "/wake_up")[0] == 200
    assert asked.join()[0] == 200


def test_sleep_mode_exists_only_in_development_mode() -> None:
    with start_simulator(PORT + 3, env={"VLLM_SERVER_DEV_MODE": "0"}) as engine:
        assert engine.send("POST", "/sleep")[0] == 404
        assert engine.get("/is_sleeping")[0] == 404


def test_a_hung_engine_is_healthy_and_goes_on_when_the_fault_ends(engine: SimulatorProcess) -> None:
    engine.faults(hang=True)
    asked = Background(engine, "sort 21")
    until(lambda: engine.metric("vllm:num_requests_running") == 1)
    assert engine.get("/health")[0] == 200
    assert asked.answer is None
    engine.clear_faults()
    assert asked.join()[0] == 200


def test_a_request_that_nobody_waits_for_is_aborted(engine: SimulatorProcess) -> None:
    engine.faults(hang=True)
    with pytest.raises(OSError, match="timed out"):
        engine.send("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, timeout_seconds=0.5)
    until(lambda: engine.metric("vllm:num_requests_running") == 0)


def test_faults_show_in_answers(engine: SimulatorProcess) -> None:
    engine.faults(error_rate=1)
    assert post(engine)[0] == 500
    assert engine.faults(error_rate=0, wrong_rate=1)["wrong_rate"] == 1.0
    assert engine.chat("sort 21")["choices"][0]["message"]["content"] == "21"
    engine.faults(wrong_rate=0, empty_rate=1)
    assert engine.chat("sort 21")["choices"][0]["message"]["content"] == ""
    engine.faults(empty_rate=0, wrong_model="other")
    assert engine.model() == "other"
    assert post(engine)[0] == 404
    engine.clear_faults()
    assert post(engine)[0] == 200
    assert engine.send("POST", "/simulator/faults", {"hang": "yes"})[0] == 400


def test_a_slow_first_token_shows_in_the_metrics(engine: SimulatorProcess) -> None:
    before = engine.metric("vllm:time_to_first_token_seconds_sum")
    engine.faults(first_token_delay_seconds=0.5)
    engine.chat("sort 21")
    assert engine.metric("vllm:time_to_first_token_seconds_sum") - before >= 0.5


def collect(response: http.client.HTTPResponse, received: bytearray) -> None:
    while block := response.read1():
        received += block


def test_a_cut_stream_ends_in_the_middle_with_a_reset(engine: SimulatorProcess) -> None:
    engine.faults(cut_rate=1)
    body = json.dumps({"model": "toy", "stream": True, "messages": [{"role": "user", "content": "count 20"}]})
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=DEADLINE_SECONDS)
    connection.request("POST", "/v1/chat/completions", body)
    response = connection.getresponse()
    received = bytearray()
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        collect(response, received)
    assert b'"content":"1"' in received
    assert b"[DONE]" not in received


def test_the_process_dies_after_so_many_requests() -> None:
    with start_simulator(PORT + 4, crash_after=2) as engine:
        assert [post(engine)[0] for _ in range(2)] == [200, 200]
        with pytest.raises((OSError, http.client.HTTPException)):
            post(engine)
        assert engine.wait() == 1
