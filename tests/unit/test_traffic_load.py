"""The load against simulated engines: open loop, honest about failures, in a loop and in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.fakes.engines import DEADLINE_SECONDS, SimulatorProcess, port_of_this_worker, start_simulator
from traffic.background import BackgroundLoad
from traffic.events import Outcome
from traffic.load import Load
from traffic.settings import LoadSettings
from traffic.summary import Summary

PORT = port_of_this_worker(20140)
NOBODY = port_of_this_worker(20149)


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[SimulatorProcess]:
    with start_simulator(PORT) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: SimulatorProcess) -> SimulatorProcess:
    shared_engine.clear_faults()
    return shared_engine


def run(**settings: object) -> Summary:
    """A load of its own length, to its end."""

    async def send() -> Summary:
        async with Load(LoadSettings(**settings)) as load:  # type: ignore[arg-type]
            await load.finished()
        return load.summary()

    return asyncio.run(send())


def test_every_request_to_a_healthy_engine_is_ok(engine: SimulatorProcess) -> None:
    summary = run(url=engine.url, model="toy", rate=200, count=40, stream_share=0.5)
    assert (summary.requests, summary.streams, summary.reasons) == (40, 20, {})
    assert summary.clean
    assert summary.first_token_p50_seconds > 0


@pytest.mark.parametrize(
    ("faults", "failed", "cut", "reasons"),
    [
        ({"error_rate": 1}, 20, 0, {"status 500"}),
        ({"cut_rate": 1}, 0, 10, {"reset"}),
        ({"empty_rate": 1}, 10, 10, {"empty answer", "too few tokens"}),
        ({"wrong_model": "other"}, 20, 0, {"status 404"}),
    ],
)
def test_faults_are_seen_as_what_they_are(
    engine: SimulatorProcess, faults: dict[str, object], failed: int, cut: int, reasons: set[str]
) -> None:
    engine.faults(**faults)
    summary = run(url=engine.url, model="toy", rate=200, count=20, stream_share=0.5)
    assert (summary.requests, summary.failed, summary.streams_cut, set(summary.reasons)) == (20, failed, cut, reasons)


def test_a_stalled_engine_shows_as_timeouts_and_not_as_fewer_requests(engine: SimulatorProcess) -> None:
    engine.faults(hang=True)
    summary = run(url=engine.url, model="toy", rate=100, count=50, timeout_seconds=1)
    assert (summary.requests, summary.failed, summary.reasons) == (50, 50, {"timeout": 50})


def test_a_slow_engine_shows_in_latency_and_first_token(engine: SimulatorProcess) -> None:
    engine.faults(first_token_delay_seconds=0.5)
    summary = run(url=engine.url, model="toy", rate=100, count=20, stream_share=0.5)
    assert summary.clean
    assert summary.p50_seconds >= 0.5
    assert summary.first_token_p50_seconds >= 0.5


def test_a_dead_endpoint_fails_every_request() -> None:
    summary = run(url=f"http://127.0.0.1:{NOBODY}", model="toy", rate=200, count=20)
    assert (summary.failed, summary.reasons, summary.by_color) == (20, {"no connection": 20}, {"": 20})


def test_what_is_due_beyond_the_bound_counts_as_failed(engine: SimulatorProcess) -> None:
    engine.faults(hang=True)
    summary = run(url=engine.url, model="toy", rate=200, count=20, most_in_flight=5, timeout_seconds=2)
    assert summary.failed == 20
    assert summary.reasons["not sent"] >= 10


def test_streams_aborted_by_a_stopping_engine_are_cut() -> None:
    with start_simulator(PORT + 1, token_ms=50) as engine:

        async def send() -> Summary:
            settings = LoadSettings(url=engine.url, model="toy", rate=50, count=10, stream_share=1, stream_tokens=4000)
            async with Load(settings) as load:
                deadline = time.monotonic() + DEADLINE_SECONDS
                while engine.metric("vllm:num_requests_running") < 10 and time.monotonic() < deadline:
                    await asyncio.sleep(0.05)
                engine.terminate()
                await load.finished()
            return load.summary()

        summary = asyncio.run(send())
    assert (summary.failed, summary.streams_cut, summary.reasons) == (0, 10, {"finish_reason abort": 10})


def test_colors_releases_keys_and_sticky_values_travel_in_headers() -> None:
    seen: list[tuple[str | None, str | None, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Authorization"), request.headers.get("x-extra"), request.headers.get("x-session-id")))
        color = "green" if len(seen) % 4 == 0 else "blue"
        body = {"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 2}}
        return web.json_response(body, headers={"X-Verdigris-Color": color, "X-Verdigris-Release": f"r-{color}"})

    async def main() -> Load:
        application = web.Application()
        application.router.add_post("/chat/v1/chat/completions", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT + 2).start()
        settings = LoadSettings(
            url=f"http://127.0.0.1:{PORT + 2}/chat/",
            model="m",
            rate=200,
            count=20,
            stream_share=0,
            api_key="k",
            headers={"x-extra": "e"},
            sticky_header="x-session-id",
            sticky_values=2,
        )
        async with Load(settings) as load:
            await load.finished()
        await runner.cleanup()
        return load

    load = asyncio.run(main())
    assert load.summary().by_color == {"blue": 15, "green": 5}
    assert load.summary().share_percent("green") == 25
    assert {event.release for event in load.events} == {"r-blue", "r-green"}
    assert set(seen) == {("Bearer k", "e", "session-0"), ("Bearer k", "e", "session-1")}


def test_a_background_load_runs_beside_synchronous_code(engine: SimulatorProcess, tmp_path: Path) -> None:
    settings = LoadSettings(url=engine.url, model="toy", rate=50, stream_share=0.5)
    with BackgroundLoad(settings, tmp_path / "events.jsonl") as load:
        assert load.wait_for(20).clean
        since = time.time()
        engine.faults(error_rate=1)
        later = load.wait_for(20, since=since + 0.5)
        assert later.reasons == {"status 500": later.requests}
        engine.clear_faults()
    whole = load.stop()
    assert whole.requests > 40
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == whole.requests
    assert whole.streams_cut == 0


def test_a_background_load_that_ended_is_not_waited_for(engine: SimulatorProcess) -> None:
    with (
        BackgroundLoad(LoadSettings(url=engine.url, model="toy", rate=50, count=3)) as load,
        pytest.raises(RuntimeError, match="ended after 3 requests, need 10"),
    ):
        load.wait_for(10)


def test_the_command_line_prints_a_summary_and_fails_when_requests_failed(engine: SimulatorProcess) -> None:
    command = [sys.executable, "-m", "traffic", "--model", "toy", "--rate", "50", "--seconds", "0.5", "--json", "--url"]
    good = subprocess.run([*command, engine.url], capture_output=True, text=True, timeout=60, env=os.environ, check=False)
    assert (good.returncode, '"requests": 25' in good.stdout) == (0, True)
    bad = subprocess.run([*command, f"http://127.0.0.1:{NOBODY}"], capture_output=True, text=True, timeout=60, check=False)
    assert (bad.returncode, '"failed": 25' in bad.stdout) == (1, True)


def test_events_come_while_the_load_runs(engine: SimulatorProcess) -> None:
    async def first_event() -> Outcome:
        async with Load(LoadSettings(url=engine.url, model="toy", rate=20)) as load:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not load.events and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            return load.events[0].outcome

    assert asyncio.run(first_event()) is Outcome.OK
