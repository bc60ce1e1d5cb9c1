"""The warm-up against simulated engines: a verdict for each way an engine can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from delivery.gate_settings import WarmupSettings
from delivery.prompts import Prompt
from delivery.receipt import Verdict
from delivery.warmup_verdict import judge_warmup
from probes.warmup_run import WarmupRun, warm_up
from tests.fakes.engines import SimulatorProcess, port_of_this_worker, start_simulator

FIRST, SECOND, THIRD = (port_of_this_worker(port) for port in (20310, 20311, 20312))
# Generous, so that a loaded machine doesn't make an engine look unsteady.
SETTINGS = WarmupSettings(prompts="p.jsonl", deadline_seconds=60, steady_ratio=3)
PROMPTS = (Prompt(prompt="sort 52413", max_tokens=8), Prompt(prompt="sort 90817", max_tokens=8))


@pytest.fixture(scope="module")
def engines() -> Iterator[list[SimulatorProcess]]:
    with start_simulator(FIRST, first_token_cold_ms=300, first_token_warm_ms=2) as first, start_simulator(SECOND) as second:
        yield [first, second]


def run_of(said: list[str], *ports: int, **settings: object) -> WarmupRun:
    engines = [f"127.0.0.1:{port}" for port in ports]
    return WarmupRun("chat/green", engines, "toy", PROMPTS, SETTINGS.model_copy(update=settings), said.append)


def test_two_engines_are_warmed_until_steady_and_the_cold_figure_is_kept(engines: list[SimulatorProcess]) -> None:
    measured = warm_up(run_of([], FIRST, SECOND))
    result = judge_warmup(measured, SETTINGS)
    assert result.verdict is Verdict.PASS, result.reason
    assert result.numbers["cold_ttft_ms"] >= 250
    assert result.numbers["tokens"] > 0
    assert set(measured.identities_after) == {f"127.0.0.1:{FIRST}", f"127.0.0.1:{SECOND}"}


@pytest.mark.parametrize(
    ("faults", "verdict", "said"),
    [
        ({"hang": True}, Verdict.FAIL, "gave no token within 1 s"),
        ({"error_rate": 1.0}, Verdict.FAIL, "answered 500"),
        ({"empty_rate": 1.0}, Verdict.FAIL, "empty answer"),
        ({"wrong_model": "impostor"}, Verdict.FAIL, "serves 'impostor', need 'toy'"),
    ],
)
def test_a_broken_engine_does_not_pass(engines: list[SimulatorProcess], faults: dict[str, object], verdict: Verdict, said: str) -> None:
    engines[1].faults(**faults)
    try:
        result = judge_warmup(warm_up(replace(run_of([], FIRST, SECOND), prompt_seconds=1.0)), SETTINGS)
    finally:
        engines[1].clear_faults()
    assert result.verdict is verdict, result.reason
    assert said in result.reason


def test_an_engine_that_never_comes_up_ends_at_the_deadline(engines: list[SimulatorProcess]) -> None:
    run = run_of([], FIRST, 20399, deadline_seconds=1.0)
    result = judge_warmup(warm_up(run), run.settings)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "1 of 2 engines came up within 1 s" in result.reason


def test_a_process_that_died_for_good_ends_the_wait_at_once() -> None:
    run = replace(run_of([], 20399), dead=lambda: "chat-green-0 exited 4 times (exit 3)")
    result = judge_warmup(warm_up(run), SETTINGS)
    assert result.verdict is Verdict.FAIL
    assert "chat-green-0 exited 4 times" in result.reason


def test_progress_says_how_many_are_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.progress.EVERY_SECONDS", 0.0)
    said: list[str] = []
    warm_up(run_of(said, 20399, deadline_seconds=0.5))
    assert said[0].startswith("chat/green: 0 of 1 engines up, ")


def test_an_engine_that_restarts_meanwhile_is_inconclusive() -> None:
    with start_simulator(THIRD) as engine:
        restarted: list[bool] = []

        def restart_once() -> str | None:
            if not restarted:  # asked after the rounds: the measurement then reads identities again
                restarted.append(True)
                engine.restart()
            return None

        result = judge_warmup(warm_up(replace(run_of([], THIRD), dead=restart_once)), SETTINGS)
    assert result.verdict is Verdict.INCONCLUSIVE, result.reason
    assert "restarted while being measured" in result.reason
