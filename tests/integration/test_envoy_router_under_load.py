"""Shifts, dead engines and draining under open-loop load with streams on the real Envoy: nothing may be lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from delivery.color import Color, Weights
from delivery.topology import ServiceRoute
from probes.envoy_router import EnvoyRouter
from probes.router_files import write_topology
from tests.fakes.open_loop import OpenLoop
from tests.fakes.routers import World, two_colors, wait_until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as it:
        write_topology(it.home, it.topology(two_colors(it)))
        EnvoyRouter(it.home).write_weights("chat", Weights.all_on(Color.BLUE))
        it.envoy()
        yield it


def test_flips_under_load_lose_nothing(world: World) -> None:
    router = EnvoyRouter(world.home)
    with OpenLoop(world.url) as load:
        for percent in (1, 25, 75, 100, 0, 100, 0):
            weights = Weights.of_canary(Color.BLUE, percent)
            router.write_weights("chat", weights)
            router.await_weights("chat", weights, 60)
            load.wait_for(50)
    assert (load.tally.failures, load.tally.cut) == ([], [])
    assert load.tally.colors["green"] > 0


def test_a_color_killed_at_50_percent_costs_no_request_and_only_its_own_streams(world: World) -> None:
    router = EnvoyRouter(world.home)
    router.write_weights("chat", Weights(50, 50))
    router.await_weights("chat", Weights(50, 50), 60)
    with OpenLoop(world.url) as load:
        load.wait_for(100)
        world.engines["green"].kill()
        load.wait_for(300)
    assert load.tally.failures == []
    assert all(cut.startswith("green:") for cut in load.tally.cut), load.tally.cut


def test_taking_away_the_pool_of_an_idle_color_cuts_no_stream(world: World) -> None:
    router = EnvoyRouter(world.home)
    with OpenLoop(world.url, stream_seconds=3.0) as load:
        load.wait_for(100)
        router.write_weights("chat", Weights.all_on(Color.GREEN))
        router.await_weights("chat", Weights.all_on(Color.GREEN), 60)
        write_topology(world.home, world.topology(ServiceRoute(name="chat", green=world.pool("release-g", "green"))))
        load.wait_for(100)
    assert (load.tally.failures, load.tally.cut) == ([], [])


def test_requests_in_flight_are_counted_for_their_color_alone_and_draining_waits_for_them(world: World) -> None:
    router = EnvoyRouter(world.home)
    finished: list[str] = []

    def stream() -> None:
        answer = httpx.post(f"{world.url}/v1/completions", json={"stream": True, "seconds": 4}, timeout=60, trust_env=False)
        finished.append(answer.text)

    threads = [threading.Thread(target=stream) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: router.in_flight("chat", Color.BLUE) == 5, "five requests are in flight")
    assert router.in_flight("chat", Color.GREEN) == 0
    router.drain(60)
    assert router.in_flight("chat", Color.BLUE) == 0
    for thread in threads:
        thread.join(60)
    assert len(finished) == 5
    assert all("[DONE]" in text for text in finished)
