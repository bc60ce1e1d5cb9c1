"""The evaluation against simulated engines: both sides, kept answers, faults and deadlines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.eval_set import parse_eval_set
from delivery.eval_verdict import judge_eval
from delivery.gate_settings import EvalSettings
from delivery.receipt import Verdict
from probes.answers import answers_path, load_answers, save_answers
from probes.eval_run import EvalRun, Side, evaluate
from tests.fakes.engines import SimulatorProcess, port_of_this_worker, start_simulator

CANDIDATE, SECOND, BASELINE = (port_of_this_worker(port) for port in (20320, 20321, 20322))
SETTINGS = EvalSettings(set="e.jsonl", deadline_seconds=120)
SET = parse_eval_set(
    "\n".join(
        json.dumps(
            {"id": f"i{n}", "prompt": f"sort {n}", "grade": {"kind": "exact", "expected": "".join(sorted(str(n)))}, "max_tokens": 16}
        )
        for n in range(20000, 20080)
    ),
    "e.jsonl",
)


@pytest.fixture(scope="module")
def engines() -> Iterator[list[SimulatorProcess]]:
    with start_simulator(CANDIDATE) as first, start_simulator(SECOND) as second, start_simulator(BASELINE) as baseline:
        yield [first, second, baseline]


@pytest.fixture(autouse=True)
def _no_faults(engines: list[SimulatorProcess]) -> None:
    for engine in engines:
        engine.clear_faults()


def side(*ports: int) -> Side:
    return Side([f"127.0.0.1:{port}" for port in ports], "toy")


def run_of(**changes: object) -> EvalRun:
    run = EvalRun("chat/green", SET, side(CANDIDATE, SECOND), SETTINGS, lambda _: None, baseline=side(BASELINE), baseline_expected=True)
    return replace(run, **changes)  # type: ignore[arg-type]


def test_an_equal_candidate_passes_and_both_sides_were_asked_everything() -> None:
    measured = evaluate(run_of())
    assert measured.baseline is not None
    assert len(measured.candidate) == len(measured.baseline) == 80
    result = judge_eval(measured, SETTINGS)
    assert result.verdict is Verdict.PASS, result.reason


def test_a_candidate_that_is_often_wrong_fails_with_counts(engines: list[SimulatorProcess]) -> None:
    for engine in engines[:2]:
        engine.faults(wrong_rate=0.5)
    result = judge_eval(evaluate(run_of()), SETTINGS)
    assert result.verdict is Verdict.FAIL
    assert "of 80 right" in result.reason


def test_a_hung_baseline_is_replaced_by_its_kept_answers(engines: list[SimulatorProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.eval_run._PROOF_SECONDS", 0.5)
    engines[2].faults(hang=True)
    kept = {item.id: "".join(sorted(item.chat()[0]["content"][5:])) for item in SET.items}
    result = judge_eval(evaluate(run_of(kept=kept)), SETTINGS)
    assert result.verdict is Verdict.PASS, result.reason
    assert result.numbers["baseline_right"] == 80
    alone = judge_eval(evaluate(run_of()), SETTINGS)
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert "gave no token" in alone.reason


def test_a_candidate_that_answers_nothing_is_inconclusive_and_given_up_early(engines: list[SimulatorProcess]) -> None:
    for engine in engines[:2]:
        engine.faults(error_rate=1.0)
    measured = evaluate(run_of())
    assert len(measured.candidate) < 80
    result = judge_eval(measured, SETTINGS)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "answered 500" in result.reason


def test_a_hung_candidate_ends_at_the_deadline(engines: list[SimulatorProcess]) -> None:
    for engine in engines[:2]:
        engine.faults(hang=True)
    settings = SETTINGS.model_copy(update={"deadline_seconds": 1.0})
    measured = evaluate(run_of(settings=settings))
    assert measured.stopped == "the deadline of 1 s passed"
    assert judge_eval(measured, settings).verdict is Verdict.INCONCLUSIVE


def test_kept_answers_are_found_for_exactly_their_release_and_set(tmp_path: Path) -> None:
    save_answers(tmp_path, "r1", "s1", {"a": "1"})
    assert load_answers(tmp_path, "r1", "s1") == {"a": "1"}
    assert load_answers(tmp_path, "r1", "s2") is None
    answers_path(tmp_path, "r1", "s1").write_text("{")
    assert load_answers(tmp_path, "r1", "s1") is None
