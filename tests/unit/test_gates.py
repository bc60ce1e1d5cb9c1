"""Verdicts of both gates: what passes, what doesn't, and that the reason says measured, needed and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from delivery.eval_measurement import EvalMeasurement, Outcome
from delivery.eval_verdict import judge_eval
from delivery.gate_settings import EvalSettings, WarmupSettings
from delivery.receipt import Verdict
from delivery.warmup_verdict import EngineWarmup, WarmupMeasurement, is_steady, judge_warmup

WARM = WarmupSettings(prompts="p.jsonl")
EVAL = EvalSettings(set="e.jsonl")
ONE = EngineWarmup(("m",), ((0.5, 0.4), (0.1, 0.1), (0.1, 0.1)), 30)
IDENTITIES = {"a:1": "a:1@1.00", "a:2": "a:2@2.00"}
POOL = WarmupMeasurement("m", {"a:1": ONE, "a:2": ONE}, ("a:1", "a:2"), 3.0, IDENTITIES, IDENTITIES)


def test_a_steady_pool_passes_with_cold_and_warm_figures() -> None:
    result = judge_warmup(POOL, WARM)
    assert result.verdict is Verdict.PASS
    assert (result.numbers["cold_ttft_ms"], result.numbers["warm_ttft_ms"], result.numbers["cold_to_warm"]) == (500, 100, 5)
    assert result.samples == 12


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"engines": {}, "up": ()}, Verdict.INCONCLUSIVE, "no engine"),
        ({"up": ("a:1",)}, Verdict.INCONCLUSIVE, "1 of 2 engines came up within 600 s"),
        ({"dead": "chat-green-1 exited 5 times"}, Verdict.FAIL, "chat-green-1 exited 5 times"),
        ({"engines": {"a:1": ONE, "a:2": replace(ONE, served=("n",))}}, Verdict.FAIL, "a:2 serves 'n', need 'm'"),
        ({"engines": {"a:1": ONE, "a:2": replace(ONE, tokens=0)}}, Verdict.FAIL, "a:2 generated no token"),
        ({"engines": {"a:1": ONE, "a:2": replace(ONE, problem="a:2 gave no token within 60 s")}}, Verdict.FAIL, "no token within 60 s"),
        ({"engines": {"a:1": ONE, "a:2": replace(ONE, ttft_rounds=())}}, Verdict.INCONCLUSIVE, "finished 0 rounds, need 3"),
        ({"engines": {"a:1": ONE, "a:2": replace(ONE, ttft_rounds=((0.1,), (0.5,), (0.5,)))}}, Verdict.FAIL, "not steady after 3 rounds"),
        ({"identities_after": {**IDENTITIES, "a:2": "a:2@9.00"}}, Verdict.INCONCLUSIVE, "a:2 restarted while being measured"),
        ({"identities_before": {}, "identities_after": {}}, Verdict.INCONCLUSIVE, "restarted while being measured"),
    ],
)  # fmt: skip
def test_a_pool_that_is_not_warm_does_not_pass(changes: dict[str, Any], verdict: Verdict, said: str) -> None:
    result = judge_warmup(replace(POOL, **changes), WARM)
    assert result.verdict is verdict
    assert said in result.reason


def test_steady_needs_enough_rounds_and_ignores_differences_below_the_slack() -> None:
    assert not is_steady([0.1, 0.1], WARM)
    assert is_steady([0.5, 0.1, 0.1], WARM)
    assert not is_steady([0.1, 0.2, 0.2], WARM)
    assert is_steady([0.001, 0.009, 0.009], WARM)


def outcomes(right: int, wrong: int, errors: int = 0) -> dict[str, Outcome]:
    sides = [Outcome(True, "1")] * right + [Outcome(False, "2")] * wrong + [Outcome(False, error="a:1 answered 500")] * errors
    return {f"i{number}": outcome for number, outcome in enumerate(sides)}


def measured(candidate: dict[str, Outcome], total: int = 120, **changes: Any) -> EvalMeasurement:
    return replace(EvalMeasurement(tuple(f"i{n}" for n in range(total)), {}, candidate, IDENTITIES, IDENTITIES), **changes)


def test_without_a_baseline_the_floor_decides() -> None:
    assert judge_eval(measured(outcomes(96, 24)), EVAL).verdict is Verdict.PASS
    result = judge_eval(measured(outcomes(95, 25)), EVAL)
    assert result.verdict is Verdict.FAIL
    assert "95 of 120 right (79.2 %), need 80 %" in result.reason
    assert "minimumScorePercent" in result.reason


def test_an_equal_candidate_passes_and_a_worse_one_fails_with_its_numbers() -> None:
    good = judge_eval(measured(outcomes(120, 0), baseline=outcomes(120, 0), baseline_expected=True), EVAL)
    assert good.verdict is Verdict.PASS
    assert good.numbers["loss_upper_percent"] == pytest.approx(2.47, abs=0.02)
    assert "support a margin of" in good.reason
    worse = judge_eval(measured(outcomes(110, 10), baseline=outcomes(120, 0)), EVAL)
    assert worse.verdict is Verdict.FAIL
    assert "10 lost and 0 won of 120 items" in worse.reason
    assert "need at most 5" in worse.reason


def test_the_floor_comes_before_a_baseline_that_is_as_bad() -> None:
    assert judge_eval(measured(outcomes(60, 60), baseline=outcomes(60, 60)), EVAL).verdict is Verdict.FAIL


def test_errors_count_as_wrong_and_are_named() -> None:
    result = judge_eval(measured(outcomes(90, 0, 30)), EVAL)
    assert result.verdict is Verdict.FAIL
    assert "30 errors counted as wrong (i90: a:1 answered 500" in result.reason


def test_errors_of_the_baseline_do_not_help_the_candidate() -> None:
    few = judge_eval(measured(outcomes(108, 12), baseline=outcomes(108, 0, 12)), EVAL)
    assert (few.numbers["losses"], few.numbers["gains"]) == (0, 0)
    many = judge_eval(measured(outcomes(108, 12), baseline=outcomes(90, 0, 30)), EVAL)
    assert many.verdict is Verdict.INCONCLUSIVE
    assert "the baseline answered 90 of 120 items" in many.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"candidate": {}}, "0 of 120 items were answered"),
        ({"candidate": outcomes(30, 0, 90)}, "30 of 120 items were answered"),
        ({"candidate": outcomes(100, 0), "stopped": "it was 9 s"}, "100 of 120 items were asked (it was 9 s)"),
        ({"identities_after": {**IDENTITIES, "a:1": "a:1@7.00"}}, "a:1 restarted"),
        ({"identities_after": {}, "identities_before": {}}, "the pool restarted"),
        ({"baseline_expected": True, "baseline_note": "b:1 gave no token"}, "nothing to compare with: b:1 gave no token"),
    ],
)  # fmt: skip
def test_too_little_measured_is_inconclusive(changes: dict[str, Any], said: str) -> None:
    result = judge_eval(replace(measured(outcomes(120, 0)), **changes), EVAL)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert said in result.reason


def test_few_items_that_show_a_loss_are_a_fail() -> None:
    result = judge_eval(measured(outcomes(10, 2), total=12, baseline=outcomes(12, 0)), EVAL)
    assert result.verdict is Verdict.FAIL
    assert "2 lost and 0 won of 12 items" in result.reason


def test_items_of_one_source_support_less() -> None:
    source_of = {f"i{n}": f"s{n // 10}" for n in range(120)}
    result = judge_eval(measured(outcomes(120, 0), baseline=outcomes(120, 0), source_of=source_of), EVAL)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "worth 12 independent ones" in result.reason
    assert "this margin takes about 59" in result.reason
