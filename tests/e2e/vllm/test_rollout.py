"""A rollout on real vLLM engines, under load with streams: one stack, deployed, refused, raised and taken back. In this order."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName, Receipt, Verdict
from probes import programs
from probes.receipts import read_receipt
from scripts.stack_driver import Ran, StackDriver
from tests.e2e.vllm.conftest import PROMPT, UNDER_TRAINED, OfficialClient
from tests.fakes.live_stack import live, must, refused, set_canary
from traffic.background import BackgroundLoad

ALL_BLUE = Weights(blue=100, green=0)
PATIENCE_SECONDS = 300.0
STEPS = (25, 75, 100)

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]


def receipt(stack: StackDriver, color: Color, gate: GateName) -> Receipt:
    """The last receipt, which must be there."""
    found = read_receipt(stack.home.path, "chat", color, gate)
    assert found is not None, f"{color}: no receipt of {gate}"
    return found


def release_of(stack: StackDriver, color: Color) -> str:
    """The digest of the release that a color has."""
    return str(stack.outputs()["releases"]["chat"][color])


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < ends, f"did not come true in {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.05)


def clean(load: BackgroundLoad, since: float, *, requests: int = 10) -> None:
    """Since then enough requests ended, none failed and no stream was cut."""
    so_far = load.wait_for(requests, since=since, deadline_seconds=PATIENCE_SECONDS)
    assert so_far.clean, so_far


def test_the_good_release_carries_everything_once_its_gates_have_passed(stack: StackDriver) -> None:
    must(stack.up())
    assert live(stack) == ALL_BLUE
    for gate in GateName:
        passed = receipt(stack, Color.BLUE, gate)
        assert (passed.verdict, passed.release) == (Verdict.PASS, release_of(stack, Color.BLUE)), passed


def test_the_official_client_works_unchanged_against_the_router_plain_and_streamed(stack: StackDriver, official: OfficialClient) -> None:
    answers = official.right_of(20)
    assert answers["right"] >= 17, answers


def test_the_under_trained_release_fails_at_weight_0_with_its_numbers_and_nobody_notices(stack: StackDriver, load: BackgroundLoad) -> None:
    started = time.time()
    stack.service()["green"] = {"release": UNDER_TRAINED}
    ran = must(stack.up())
    assert "warning: chat/green: eval fail" in ran.output, ran.output
    failed = receipt(stack, Color.GREEN, GateName.EVAL)
    assert failed.verdict is Verdict.FAIL
    assert failed.numbers["score_percent"] < 80 < receipt(stack, Color.BLUE, GateName.EVAL).numbers["score_percent"]
    assert live(stack) == ALL_BLUE
    clean(load, started)


def test_raising_the_under_trained_release_is_refused_with_its_numbers_and_the_weights_stay(
    stack: StackDriver, load: BackgroundLoad
) -> None:
    started = time.time()
    ran = refused(set_canary(stack, STEPS[0]), "eval fail", " right (", "need 80 %")
    numbers = receipt(stack, Color.GREEN, GateName.EVAL).numbers
    assert f"{numbers['right']:.0f} of {numbers['asked']:.0f} right" in ran.output, ran.output
    assert live(stack) == ALL_BLUE
    stack.service()["canaryWeight"] = 0
    clean(load, started)
    assert set(load.summary().by_color) == {"blue"}


def test_another_prompt_is_another_release_that_is_gated_again_and_its_engine_waits_for_the_old_ones_stream(
    stack: StackDriver, load: BackgroundLoad, official: OfficialClient
) -> None:
    started, old = time.time(), receipt(stack, Color.GREEN, GateName.EVAL)
    stack.service()["green"] = {"release": PROMPT}
    with official.long_stream(Color.GREEN) as stream:
        up = stack.start_up()
        assert up.stdout is not None
        said = []
        for line in up.stdout:
            said.append(line)
            if "chat/green: draining, 1 requests" in line or "stopping," in line:
                stream.go_on()
        ended = Ran(up.wait() == 0, "".join(said), 0.0)
        assert stream.end() == {"finish_reason": "length", "tokens": stream.TOKENS}
    must(ended)
    assert "chat/green: draining, 1 requests" in ended.output, ended.output
    new = receipt(stack, Color.GREEN, GateName.EVAL)
    assert new.verdict is Verdict.PASS, new
    assert new.release == release_of(stack, Color.GREEN) != release_of(stack, Color.BLUE)
    assert new.release != old.release
    assert set(new.engines).isdisjoint(old.engines)
    clean(load, started)


def test_a_good_release_goes_from_0_to_100_and_back_with_no_request_failed_and_no_stream_cut(
    stack: StackDriver, load: BackgroundLoad, official: OfficialClient
) -> None:
    started = time.time()
    for percent in STEPS:
        must(set_canary(stack, percent))
        assert live(stack) == Weights.of_canary(Color.BLUE, percent)
        clean(load, time.time())
    on_green = load.wait_for(10, since=time.time(), deadline_seconds=PATIENCE_SECONDS)
    assert set(on_green.by_color) == {"green"}, on_green
    assert on_green.streams > 0
    assert official.right_of(10)["right"] >= 8
    must(set_canary(stack, 0))
    assert live(stack) == ALL_BLUE
    back = load.wait_for(10, since=time.time(), deadline_seconds=PATIENCE_SECONDS)
    assert set(back.by_color) == {"blue"}, back
    clean(load, started)
    assert {event.release for event in load.events if event.color == "green"} == {release_of(stack, Color.GREEN)}


def test_an_engine_that_is_removed_first_ends_its_stream_and_the_whole_rollout_cut_none(
    stack: StackDriver, load: BackgroundLoad, official: OfficialClient
) -> None:
    stack.service()["green"] = None
    with official.long_stream(Color.GREEN) as stream:
        up = stack.start_up()
        until(lambda: programs.status(stack.home, "chat-green-0").state is programs.ProcessState.STOPPING, "green is told to stop")
        stream.go_on()
        assert stream.end() == {"finish_reason": "length", "tokens": stream.TOKENS}
        output = up.communicate()[0]
        assert up.returncode == 0, output
    assert programs.status(stack.home, "chat-green-0").state is programs.ProcessState.ABSENT
    whole = load.stop()
    print(f"load over the whole rollout: {whole}")
    assert whole.clean, whole
    assert whole.streams > 20
