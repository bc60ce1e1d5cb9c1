"""When a receipt still holds and when a gate measures again."""

from __future__ import annotations

import pytest

from delivery.color import Color
from delivery.coverage import GateMode, Subject, mismatch, must_measure, shortfall
from delivery.receipt import GateName, Receipt, Verdict

ENGINE = "127.0.0.1:9670"
NOW = Subject("r1", {ENGINE: f"{ENGINE}@1.00"}, "items")


def receipt(verdict: Verdict = Verdict.PASS, **changes: object) -> Receipt:
    fields: dict[str, object] = {
        "gate": GateName.EVAL, "service": "chat", "color": Color.GREEN, "release": "r1", "engines": (f"{ENGINE}@1.00",),
        "verdict": verdict, "reason": "97 of 100 right", "measured_at": "2026-11-21T10:00:00Z", "evaluation_set": "items",
    }  # fmt: skip
    return Receipt.model_validate(fields | changes)


def test_a_receipt_holds_for_exactly_its_release_processes_and_items() -> None:
    assert mismatch(receipt(), NOW) is None


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (None, "never measured"),
        (receipt(release="r0"), "for release r0, not r1"),
        (receipt(evaluation_set="old"), "evaluation set old, not items"),
        (receipt(engines=(f"{ENGINE}@0.50",)), f"before {ENGINE} started"),
    ],
)
def test_a_receipt_about_anything_else_does_not_hold(kept: Receipt | None, reason: str) -> None:
    assert reason in (mismatch(kept, NOW) or "")


def test_a_receipt_does_not_hold_for_an_engine_that_does_not_answer() -> None:
    assert "don't answer" in (mismatch(receipt(), Subject("r1", {ENGINE: None}, "items")) or "")


def test_a_receipt_holds_for_a_pool_that_shrank_and_not_for_one_that_grew() -> None:
    two = receipt(engines=(f"{ENGINE}@1.00", "127.0.0.1:9671@1.00"))
    assert mismatch(two, NOW) is None
    grown = Subject("r1", {**NOW.engines, "127.0.0.1:9671": "127.0.0.1:9671@1.00"}, "items")
    assert "127.0.0.1:9671" in (mismatch(receipt(), grown) or "")


@pytest.mark.parametrize(
    ("mode", "kept", "measures"),
    [
        (GateMode.REQUIRED, receipt(), False),
        (GateMode.REQUIRED, receipt(Verdict.FAIL), True),
        (GateMode.REQUIRED, receipt(Verdict.INCONCLUSIVE), True),
        (GateMode.REQUIRED, None, True),
        (GateMode.ADVISORY, receipt(Verdict.FAIL), False),
        (GateMode.ADVISORY, None, True),
        (GateMode.ADVISORY, receipt(release="r0"), True),
        (GateMode.IDLE, None, False),
        (GateMode.IDLE, receipt(Verdict.FAIL), False),
    ],
)
def test_a_gate_measures_only_what_the_shift_needs_or_the_standby_lacks(mode: GateMode, kept: Receipt | None, measures: bool) -> None:
    assert must_measure(mode, kept, NOW) is measures


SILENT = Subject("r1", {ENGINE: None}, "items")
OTHER_PROCESS = Subject("r1", {ENGINE: f"{ENGINE}@2.00"}, "items")


@pytest.mark.parametrize(
    ("kept", "seen", "measures"),
    [
        (receipt(Verdict.FAIL, engines=()), SILENT, False),
        (receipt(Verdict.INCONCLUSIVE), SILENT, False),
        (receipt(), SILENT, False),
        (receipt(Verdict.FAIL, engines=()), OTHER_PROCESS, True),
        (receipt(Verdict.FAIL, release="r0", engines=()), SILENT, True),
        (receipt(Verdict.FAIL, evaluation_set="old", engines=()), SILENT, True),
    ],
)
def test_a_standby_known_to_be_broken_is_measured_again_once_another_process_answers(
    kept: Receipt, seen: Subject, measures: bool
) -> None:
    assert must_measure(GateMode.ADVISORY, kept, seen) is measures


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_only_a_pass_lets_a_weight_rise(verdict: Verdict) -> None:
    assert shortfall([("eval", receipt(), NOW)]) is None
    assert f"eval is {verdict}: 97 of 100 right" in (shortfall([("warmup", receipt(), NOW), ("eval", receipt(verdict), NOW)]) or "")
