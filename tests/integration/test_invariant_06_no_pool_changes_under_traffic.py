"""Invariant 6: a pool is never changed, replaced or removed while its color carries traffic or has requests in flight."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName
from delivery.topology import Pool
from probes import programs
from probes.receipts import read_receipt
from probes.router_files import read_topology
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import ALSO_GOOD, GOOD, live, live_stack, must, refused, set_canary
from tests.fakes.open_stream import OpenStream
from tests.fakes.stack_faults import clear_faults, program, set_faults, until
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings

ALL_BLUE, CANARY = Weights(100, 0), Weights(75, 25)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue, green gated, one step to 25."""
    with live_stack(tmp_path_factory.mktemp("six"), steps=[25, 100], drain={"deadlineSeconds": 12}) as stack:
        must(stack.up())
        yield stack


@pytest.fixture
def with_open_stream(stack: StackDriver) -> Iterator[OpenStream]:
    """A quarter of the traffic and one open stream are on green."""
    must(set_canary(stack, 25))
    set_faults(stack, Color.GREEN, hang=True)
    stream = OpenStream(stack, Color.GREEN)
    until(lambda: stack.router.in_flight("chat", Color.GREEN) == 1, "the stream is open")
    yield stream
    clear_faults(stack, Color.GREEN)


def pids(stack: StackDriver) -> dict[Color, int]:
    """The engine processes."""
    return {color: programs.status(stack.home, program(color)).pid for color in Color}


def another_release(stack: StackDriver) -> str:
    """Not the one that green has."""
    return ALSO_GOOD if stack.service()["green"] == {"release": GOOD} else GOOD


def test_invariant_06_a_rollback_with_another_release_waits_for_the_streams_before_it_touches_the_pool(
    stack: StackDriver, with_open_stream: OpenStream
) -> None:
    before = pids(stack)
    stack.service()["green"] = {"release": another_release(stack)}
    stack.service()["canaryWeight"] = 0
    up = stack.start_up()
    assert up.stdout is not None
    seen = []
    for line in up.stdout:
        seen.append(line)
        if "chat/green: draining, 1 requests" in line:
            break
    assert live(stack) == ALL_BLUE, "".join(seen)
    assert pids(stack) == before
    assert with_open_stream.text is None
    clear_faults(stack, Color.GREEN)
    with_open_stream.assert_whole()
    rest = up.communicate(timeout=300)[0]
    assert up.returncode == 0, "".join(seen) + rest
    assert pids(stack)[Color.BLUE] == before[Color.BLUE]
    assert pids(stack)[Color.GREEN] != before[Color.GREEN]


def test_invariant_06_a_change_of_a_weighted_color_is_refused_at_preview_and_past_its_deadline_a_drain_gives_up(
    stack: StackDriver, with_open_stream: OpenStream
) -> None:
    before = pids(stack)
    stack.service()["green"] = {"release": another_release(stack)}
    refused(stack.preview(), "services.chat.green: got another release", "carries 25 %", "take green to 0 % first")
    refused(stack.up(), "services.chat.green: got another release")
    assert (pids(stack), live(stack)) == (before, CANARY)
    refused(set_canary(stack, 0), "services.chat.green: got 1 requests", "need none in flight", "run `pulumi up` again")
    assert (pids(stack), live(stack)) == (before, ALL_BLUE)
    clear_faults(stack, Color.GREEN)
    with_open_stream.assert_whole()
    must(stack.up())
    assert pids(stack)[Color.GREEN] != before[Color.GREEN]


def test_invariant_06_another_number_of_replicas_of_a_weighted_color_is_refused_at_preview(stack: StackDriver) -> None:
    before = pids(stack)
    stack.service()["blue"]["replicas"] = 2
    words = ("services.chat.blue.replicas: got 2 while blue carries 100 %", "before any gate measured it", "give green 2 and shift to it")
    refused(stack.preview(), *words)
    refused(stack.up(), *words)
    assert [len(pool.engines) for pool in pools(stack)] == [1, 1]
    assert pids(stack) == before
    del stack.service()["blue"]["replicas"]


def test_invariant_06_a_pool_grows_at_weight_0_is_measured_whole_and_shrinks_there_and_nothing_is_lost(stack: StackDriver) -> None:
    before = pids(stack)
    load = LoadSettings(url=f"http://127.0.0.1:{stack.config['basePort']}", model="sorter", rate=30, stream_tokens=200)
    with BackgroundLoad(load) as running:
        running.wait_for(30)
        stack.service()["green"]["replicas"] = 2
        must(set_canary(stack, 25))
        warmup = read_receipt(stack.home.path, "chat", Color.GREEN, GateName.WARMUP)
        assert warmup is not None
        assert {identity.partition("@")[0] for identity in warmup.engines} == set(pools(stack)[1].engines)
        stack.service()["green"]["replicas"] = 1
        must(set_canary(stack, 0))
        assert [len(pool.engines) for pool in pools(stack)] == [1, 1]
        assert pids(stack) == before
        summary = running.stop()
    assert summary.clean, summary
    assert summary.by_color.get("green"), summary


def pools(stack: StackDriver) -> list[Pool]:
    """Blue and green as the router knows them."""
    route = read_topology(stack.home.path).service("chat")
    assert route is not None
    return [pool for color in Color if (pool := route.pool(color))]
