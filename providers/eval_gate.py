"""The evaluation gate as a resource: the candidate and, paired, the release it is to replace answer the same items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from delivery.color import Color
from delivery.coverage import GateMode, mismatch
from delivery.desired import DesiredService
from delivery.gate_settings import EvalSettings
from delivery.gates import GateResult
from delivery.receipt import GateName, Verdict
from probes.answers import load_answers, save_answers
from probes.eval_files import read_eval_set
from probes.eval_run import EvalRun, Side, evaluate
from probes.model_grader import ModelGrader
from probes.receipts import read_receipt
from probes.stack_home import StackHome
from providers.gate import GateInputs, GateProvider
from providers.progress import say
from providers.warmup_gate import gate_props


class EvalInputs(GateInputs):
    """`baseline_release` and `baseline_engines` are what the candidate must not be worse than; empty on a first deployment."""

    baseline_release: str = ""
    baseline_engines: list[str] = []


class EvalGateProvider(GateProvider):
    """Evaluates a pool that was warmed."""

    model = EvalInputs
    gate = GateName.EVAL

    def measure(self, wanted: EvalInputs) -> tuple[GateResult, dict[str, str]]:
        """Ask all items, unless the warm-up already says that there is nothing to ask."""
        # Its statistics take a fifth of a second to import, which an `up` that evaluates nothing has no use for.
        from delivery.eval_verdict import judge_eval

        cold = _cold(wanted)
        if cold:
            return GateResult(Verdict.INCONCLUSIVE, cold, 0), wanted.answering()
        settings = EvalSettings.model_validate(wanted.settings)
        items = read_eval_set(Path.cwd(), settings)
        answers = wanted.stack_home.answers
        measured = evaluate(
            EvalRun(
                label=wanted.label, items=items, candidate=Side(wanted.engines, wanted.model), settings=settings, say=say,
                baseline=Side(wanted.baseline_engines, wanted.model) if wanted.baseline_engines else None,
                kept=load_answers(answers, wanted.baseline_release, items.digest) if wanted.baseline_release else None,
                baseline_expected=bool(wanted.baseline_release), key_file=wanted.key_file, grader=_grader(wanted, settings),
            )
        )  # fmt: skip
        result = judge_eval(measured, settings)
        if result.verdict is Verdict.PASS:
            kept = {item: outcome.answer for item, outcome in measured.candidate.items() if not outcome.error}
            save_answers(answers, wanted.release, items.digest, kept)
        return result, dict(measured.identities_before)


def _grader(wanted: EvalInputs, settings: EvalSettings) -> ModelGrader | None:
    if settings.grader is None:
        return None
    key = wanted.stack_home.grader_key
    return ModelGrader(settings.grader, key if key.is_file() else None)


def _cold(wanted: EvalInputs) -> str:
    """Why an evaluation would say nothing: engines that the warm-up found broken would only be waited for again."""
    receipt = read_receipt(wanted.stack_home.path, wanted.service, wanted.color, GateName.WARMUP)
    subject = wanted.subject()
    if receipt is None or receipt.verdict is not Verdict.PASS:
        return f"its warm-up is {receipt.verdict if receipt else 'missing'}, need a pass first; mend that and run `pulumi up` again"
    reason = mismatch(receipt, type(subject)(subject.release, subject.engines))
    return f"its warm-up {reason}, need one of these engines; run `pulumi up` again" if reason else ""


class EvalGate(Resource, module="verdigris", name="EvalGate"):
    """The second gate of a pool. Depends on its WarmupGate."""

    receipt: pulumi.Output[dict[str, Any]]

    def __init__(
        self, name: str, home: StackHome, desired: DesiredService, color: Color, mode: GateMode, items: str, baseline: Color | None,
        opts: pulumi.ResourceOptions,
    ) -> None:  # fmt: skip
        settings = desired.config.gates.eval
        assert settings is not None, "an evaluation gate has settings"
        props: dict[str, Any] = {
            **gate_props(home, desired, color, mode), "settings": settings.model_dump(mode="json"), "evaluation_set": items,
            "baseline_release": desired.releases[baseline].digest if baseline else "",
            "baseline_engines": [engine.address for engine in desired.engines[baseline]] if baseline else [], "receipt": None,
        }  # fmt: skip
        super().__init__(EvalGateProvider(), name, props, opts)
