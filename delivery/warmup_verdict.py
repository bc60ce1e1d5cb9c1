"""Is a pool warm? Decides from a measurement; probes/warmup_run.py makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from delivery.gate_settings import WarmupSettings
from delivery.gates import GateResult, changed_engines, listed
from delivery.receipt import Verdict

#: Differences of time to first token below this are scheduling noise, not a cold engine: cold requests are 4-7 times slower (design, 7).
STEADY_SLACK_SECONDS = 0.01
_LAST = 2  # rounds that must be as fast as the best one; a single one could be luck


@dataclass(frozen=True)
class EngineWarmup:
    """One engine's part. `ttft_rounds` holds the times to first token in seconds of every prompt, by round; `tokens` those generated.

    `problem` is what stopped it; `served` are the model names it lists.
    """

    served: tuple[str, ...] = ()
    ttft_rounds: tuple[tuple[float, ...], ...] = ()
    tokens: int = 0
    problem: str = ""

    @property
    def medians(self) -> tuple[float, ...]:
        """The median time to first token of each round."""
        return tuple(median(times) for times in self.ttft_rounds if times)


@dataclass(frozen=True)
class WarmupMeasurement:
    """A pool's warm-up, by engine address. `up` are the engines that were healthy within the deadline, `waited_seconds` until the last
    was; `dead` says which process died for good; identities are read before and after. `deadline_passed` stopped the rounds."""

    model: str
    engines: Mapping[str, EngineWarmup]
    up: tuple[str, ...]
    waited_seconds: float
    identities_before: Mapping[str, str]
    identities_after: Mapping[str, str]
    dead: str = ""
    deadline_passed: bool = False


def is_steady(medians: Sequence[float], settings: WarmupSettings) -> bool:
    """Whether the last rounds are within the ratio of the best one (or within the slack of it)."""
    if len(medians) < settings.min_rounds:
        return False
    last, best = median(medians[-_LAST:]), min(medians)
    return last <= max(best * settings.steady_ratio, best + STEADY_SLACK_SECONDS)


def judge_warmup(measured: WarmupMeasurement, settings: WarmupSettings) -> GateResult:
    """The verdict. Only a pool whose every engine generated tokens under the right name, steadily, in one and the same process passes."""
    numbers = warmup_numbers(measured)
    samples = sum(len(times) for engine in measured.engines.values() for times in engine.ttft_rounds)

    def result(verdict: Verdict, reason: str) -> GateResult:
        return GateResult(verdict, reason, samples, numbers)

    found = _not_up(measured, settings) or _not_answering(measured) or _not_steady(measured, settings)
    if found:
        return result(*found)
    changed = changed_engines(measured.identities_before, measured.identities_after)
    if changed or set(measured.identities_after) != set(measured.engines):
        reason = f"{listed(changed or tuple(measured.engines))} restarted while being measured, need one process throughout"
        return result(Verdict.INCONCLUSIVE, f"{reason}; look at its log for a crash, then run `pulumi up` again")
    return result(
        Verdict.PASS,
        f"{len(measured.engines)} of {len(measured.engines)} engines steady after {int(numbers['rounds'])} rounds: time to first token "
        f"cold {numbers['cold_ttft_ms']:.0f} ms, warm {numbers['warm_ttft_ms']:.0f} ms ({numbers['cold_to_warm']:.1f} times faster)",
    )


def warmup_numbers(measured: WarmupMeasurement) -> dict[str, float]:
    """Figures of the slowest engine: its first time to first token (cold), the median of its last rounds (warm), and their ratio."""
    numbers = {"engines": float(len(measured.engines)), "waited_seconds": round(measured.waited_seconds, 3)}
    warmed = [engine for engine in measured.engines.values() if engine.medians]
    numbers["rounds"] = float(max((len(engine.medians) for engine in warmed), default=0))
    numbers["tokens"] = float(sum(engine.tokens for engine in measured.engines.values()))
    if warmed:
        cold = max(engine.ttft_rounds[0][0] for engine in warmed if engine.ttft_rounds[0])
        warm = max(median(engine.medians[-_LAST:]) for engine in warmed)
        numbers["cold_ttft_ms"], numbers["warm_ttft_ms"] = round(cold * 1000, 3), round(warm * 1000, 3)
        numbers["cold_to_warm"] = round(cold / warm, 2) if warm > 0 else 1.0
    return numbers


Found = tuple[Verdict, str] | None


def _not_up(measured: WarmupMeasurement, settings: WarmupSettings) -> Found:
    if not measured.engines:
        return Verdict.INCONCLUSIVE, "the pool has no engine, need at least one; give the color replicas"
    if measured.dead:
        return Verdict.FAIL, f"{measured.dead}, need engines that stay up; read the engine's log, then change the release or the machine"
    missing = tuple(sorted(set(measured.engines) - set(measured.up)))
    if missing:
        seen = listed([f"{address} ({measured.engines[address].problem or 'no answer'})" for address in missing])
        return (
            Verdict.INCONCLUSIVE,
            f"{len(measured.up)} of {len(measured.engines)} engines came up within {settings.deadline_seconds:g} s, need all; missing: "
            f"{seen}; read the engine's log, or raise gates.warmup.deadlineSeconds if the model is still loading",
        )
    return None


def _not_answering(measured: WarmupMeasurement) -> Found:
    for address, engine in sorted(measured.engines.items()):
        if engine.served and measured.model not in engine.served:
            got = " and ".join(repr(name) for name in engine.served)
            return Verdict.FAIL, f"{address} serves {got}, need '{measured.model}'; mend servedModelName of the release"
        if engine.problem:
            return Verdict.FAIL, f"{engine.problem}, need a completion for every prompt; read the engine's log"
        if engine.ttft_rounds and engine.tokens == 0:
            return Verdict.FAIL, f"{address} generated no token, need at least one a prompt; look at its chat template and its log"
    return None


def _not_steady(measured: WarmupMeasurement, settings: WarmupSettings) -> Found:
    for address, engine in sorted(measured.engines.items()):
        medians = engine.medians
        if len(medians) < settings.min_rounds:
            reason = f"{address} finished {len(medians)} rounds, need {settings.min_rounds}"
            return Verdict.INCONCLUSIVE, f"{reason}; raise gates.warmup.deadlineSeconds or use fewer prompts"
        if not is_steady(medians, settings):
            last, best = median(medians[-_LAST:]), min(medians)
            reason = (
                f"{address} is not steady after {len(medians)} rounds: time to first token {last * 1000:.0f} ms in the last rounds, "
                f"need at most {settings.steady_ratio:g} times the best round's {best * 1000:.0f} ms"
            )
            do = "see what else uses the machine, or raise gates.warmup.maxRounds or steadyRatio"
            return Verdict.INCONCLUSIVE if measured.deadline_passed else Verdict.FAIL, f"{reason}; {do}"
    return None
