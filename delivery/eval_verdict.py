"""Is a candidate good enough? First the absolute floor, then not worse than the baseline. probes/eval_run.py makes the measurement."""

from __future__ import annotations

from collections.abc import Mapping

from delivery.binomial import lower_bound
from delivery.eval_measurement import EvalMeasurement, Outcome
from delivery.gate_settings import EvalSettings
from delivery.gates import GateResult, changed_engines, listed
from delivery.receipt import Verdict
from delivery.statistics import Pairs, independent_items, items_needed, loss_upper_bound, p_value, paired, supported_margin

#: Below this share of items that got any answer the measurement is of the network or the machine, not of the model.
ANSWERED_NEEDED = 0.5
#: More baseline items than this without an answer could hide what the candidate got worse at.
BASELINE_ANSWERED_NEEDED = 0.9


Found = tuple[Verdict, str] | None


def judge_eval(measured: EvalMeasurement, settings: EvalSettings) -> GateResult:
    """The verdict. An error counts as a wrong answer of the candidate; an item the baseline could not answer is left out of the pairs."""
    right = sum(outcome.right for outcome in measured.candidate.values())
    asked = len(measured.candidate)
    numbers = {
        "items": float(len(measured.asked_for)),
        "asked": float(asked),
        "right": float(right),
        "errors": float(len(_errors(measured))),
    }
    numbers["score_percent"] = _percent(right, asked)
    numbers["score_low_percent"] = round(100 * lower_bound(right, asked, settings.confidence_percent / 100), 2)
    found = _unmeasured(measured) or _below_floor(measured, settings, right, asked) or _restarted(measured)
    if found:
        return GateResult(*found, asked, numbers)
    score = (
        f"{right} of {asked} right ({numbers['score_percent']:.1f} %, need {settings.minimum_score_percent:g} %){_named_errors(measured)}"
    )
    if measured.baseline is None:
        return _without_baseline(measured, score, asked, numbers)
    verdict, compared = _compare(measured, measured.baseline, settings, numbers)
    return GateResult(verdict, f"{score}; {compared}", asked, numbers)


def _without_baseline(measured: EvalMeasurement, score: str, asked: int, numbers: dict[str, float]) -> GateResult:
    note = measured.baseline_note or "no release to compare with"
    if not measured.baseline_expected:
        return GateResult(Verdict.PASS, f"{score}; only the floor was checked: {note}", asked, numbers)
    do = "start the active release's engines again, or deploy the candidate as the active color's first release"
    return GateResult(
        Verdict.INCONCLUSIVE, f"{score}, but nothing to compare with: {note}, need the active release's answers; {do}", asked, numbers
    )


def _unmeasured(measured: EvalMeasurement) -> Found:
    if measured.ungraded:
        reason = f"{measured.ungraded}, need every answer graded"
        return Verdict.INCONCLUSIVE, f"{reason}; look at the model of gates.eval.grader, then run `pulumi up` again"
    total, asked, errors = len(measured.asked_for), len(measured.candidate), _errors(measured)
    answered = asked - len(errors)
    if answered < ANSWERED_NEEDED * max(total, 1):
        reason = f"{answered} of {total} items were answered, need at least {ANSWERED_NEEDED:.0%}{_named_errors(measured)}"
        stopped = f" ({measured.stopped})" if measured.stopped else ""
        return Verdict.INCONCLUSIVE, f"{reason}{stopped}; read the engines' logs, then run `pulumi up` again"
    if asked < total:
        reason = f"{asked} of {total} items were asked ({measured.stopped or 'stopped early'}), need all"
        return Verdict.INCONCLUSIVE, f"{reason}; read the engines' logs, or raise gates.eval.deadlineSeconds or concurrency"
    return None


def _below_floor(measured: EvalMeasurement, settings: EvalSettings, right: int, asked: int) -> Found:
    if 100 * right >= settings.minimum_score_percent * asked:
        return None
    wrong = [item for item in measured.asked_for if not measured.candidate[item].right and not measured.candidate[item].error]
    shown = "".join(f", {item} answered {_short(measured.candidate[item].answer)}" for item in wrong[:2])
    score = f"{right} of {asked} right ({_percent(right, asked):.1f} %), need {settings.minimum_score_percent:g} %"
    do = "mend the release, or lower gates.eval.minimumScorePercent if that score is good enough"
    return Verdict.FAIL, f"{score}{_named_errors(measured)}{shown}; {do}"


def _restarted(measured: EvalMeasurement) -> Found:
    changed = changed_engines(measured.identities_before, measured.identities_after)
    if not changed and measured.identities_after:
        return None
    reason = f"{listed(changed) or 'the pool'} restarted while being measured, need one process throughout"
    return Verdict.INCONCLUSIVE, f"{reason}; look at its log for a crash, then run `pulumi up` again"


def _compare(
    measured: EvalMeasurement, baseline: Mapping[str, Outcome], settings: EvalSettings, numbers: dict[str, float]
) -> tuple[Verdict, str]:
    answered = {item: outcome.right for item, outcome in baseline.items() if not outcome.error}
    if len(answered) < BASELINE_ANSWERED_NEEDED * len(measured.asked_for):
        failed = [f"{item}: {outcome.error}" for item, outcome in baseline.items() if outcome.error]
        reason = f"the baseline answered {len(answered)} of {len(measured.asked_for)} items, need {BASELINE_ANSWERED_NEEDED:.0%}"
        shown = f" ({listed(failed, 1)})" if failed else ""
        return Verdict.INCONCLUSIVE, f"{reason}{shown}; look at the active release's engines, then run `pulumi up` again"
    candidate = {item: outcome.right for item, outcome in measured.candidate.items()}
    raw = paired(candidate, answered, {})
    pairs = paired(candidate, answered, measured.source_of)
    confidence, margin = settings.confidence_percent / 100, settings.margin_percent / 100
    bound = loss_upper_bound(pairs, confidence)
    supported = supported_margin(pairs.total, raw.disagreement, confidence)
    worth = independent_items([measured.source_of.get(item, "") for item in answered])
    numbers |= {
        "baseline_right": float(sum(answered.values())), "losses": float(raw.losses), "gains": float(raw.gains),
        "loss_upper_percent": round(100 * bound, 2), "margin_percent": settings.margin_percent,
        "supported_margin_percent": round(100 * supported, 2), "independent_items": float(worth),
    }  # fmt: skip
    text = (
        f"against the baseline {raw.losses} lost and {raw.gains} won of {raw.total} items: at {settings.confidence_percent:g} % confidence "
        f"at most {100 * bound:.1f} points worse, need at most {settings.margin_percent:g} ({_support(raw, pairs, supported)})"
    )
    # Both: the p-value is what the exact test promises, the bound is what people read; they agree but for the last digit.
    if bound <= margin and p_value(pairs, margin) <= 1 - confidence:
        return Verdict.PASS, text
    if supported_margin(pairs.total, 0.0, confidence) > margin and raw.losses - raw.gains <= margin * raw.total:
        # Nothing speaks against it, yet with so few items not even one that loses nothing could pass: no data is never a verdict.
        needed = items_needed(margin, raw.disagreement, confidence)
        return Verdict.INCONCLUSIVE, f"{text}; use more items: this margin takes about {needed} independent ones"
    do = "mend the release"
    if supported > margin:
        do += f", or use more items: this margin takes about {items_needed(margin, raw.disagreement, confidence)} independent ones"
    return Verdict.FAIL, f"{text}; {do}"


def _support(raw: Pairs, pairs: Pairs, supported: float) -> str:
    worth = "" if pairs.total == raw.total else f", worth {pairs.total} independent ones because sources repeat,"
    return f"{raw.total} items{worth} support a margin of {100 * supported:.1f}"


def _errors(measured: EvalMeasurement) -> list[str]:
    return [f"{item}: {outcome.error}" for item, outcome in measured.candidate.items() if outcome.error]


def _named_errors(measured: EvalMeasurement) -> str:
    errors = _errors(measured)
    return f", {len(errors)} errors counted as wrong ({listed(errors, 2)})" if errors else ""


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 40 else shown[:37] + "..."
