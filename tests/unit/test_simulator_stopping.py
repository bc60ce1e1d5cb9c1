"""How a simulated engine starts, doesn't start, and stops: what SIGTERM does to requests in flight and to new ones."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from tests.fakes.asking import Background, post, until
from tests.fakes.engines import DEADLINE_SECONDS, port_of_this_worker, start_simulator

PORT = port_of_this_worker(20125)


def test_an_engine_that_cannot_start_says_so_and_ends() -> None:
    with pytest.raises(RuntimeError, match="exit-at-start"):
        start_simulator(PORT + 5, exit_at_start=True)


def test_a_taken_port_is_one_line() -> None:
    with start_simulator(PORT) as engine, start_simulator(engine.port, wait=False) as second:
        assert second.wait() == 1
        assert f"got {engine.port}, need a free port" in second.log.read_text()
        assert "Traceback" not in second.log.read_text()


def test_the_port_is_not_bound_before_the_start_up_is_over() -> None:
    with start_simulator(PORT + 6, startup_seconds=3600, wait=False) as engine:
        time.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", engine.port, timeout=DEADLINE_SECONDS).connect()
        engine.terminate()
        assert engine.wait() in (0, -15)


def test_with_a_shutdown_timeout_requests_in_flight_finish() -> None:
    with start_simulator(PORT + 7, shutdown_timeout=DEADLINE_SECONDS, token_ms=50) as engine:
        asked = Background(engine, "count 40", stream=True)
        until(lambda: engine.metric("vllm:num_requests_running") == 1)
        engine.terminate()
        status, text = asked.join()
        assert status == 200
        assert '" 40"' in text
        assert '"finish_reason":"stop"' in text
        assert engine.wait() == 0


def test_without_a_shutdown_timeout_streams_end_in_order_with_an_abort() -> None:
    with start_simulator(PORT + 8, token_ms=50) as engine:
        asked = [Background(engine, "count 4000", stream=True), Background(engine, "count 4000")]
        until(lambda: engine.metric("vllm:num_requests_running") == 2)
        engine.terminate()
        streamed, plain = (background.join() for background in asked)
        assert streamed[1].endswith("data: [DONE]\n\n")
        assert '"finish_reason":"abort"' in streamed[1]
        assert json.loads(plain[1])["choices"][0]["finish_reason"] == "abort"
        assert engine.wait() == 0


def test_while_stopping_open_connections_get_503_and_no_new_ones_are_made() -> None:
    # The idle connection has to stay open for as long as a busy machine needs to get there.
    stays_open = {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "300"}
    with start_simulator(PORT + 9, shutdown_timeout=DEADLINE_SECONDS, env=stays_open) as engine:
        engine.faults(hang=True)
        Background(engine, "sort 1")
        connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=DEADLINE_SECONDS)
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b""
        until(lambda: engine.metric("vllm:num_requests_running") == 1)
        engine.terminate()

        def refused() -> bool:
            try:
                engine.get("/health")
            except OSError:
                return True
            return False

        until(refused)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 503


def test_told_to_stop_as_vllm_it_answers_new_requests_with_an_abort() -> None:
    with start_simulator(PORT + 10, shutdown_timeout=300, token_ms=50, while_stopping="abort") as engine:
        asked = Background(engine, "count 6000")
        until(lambda: engine.metric("vllm:num_requests_running") == 1)
        engine.terminate()
        until(lambda: json.loads(post(engine)[1])["choices"][0]["finish_reason"] == "abort")
        assert asked.answer is None
