"""What a rollback costs: `pulumi up` of the reverted config, beside a healthy green and beside each broken one, in no-change `up`s."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.report import BenchFailed, Report, median, ratio
from benchmarks.stacks import MODEL, EngineHandle, await_true, bench_stack, must, say, up_at
from delivery.color import Color, Weights
from probes import programs
from scripts.stack_driver import StackDriver
from traffic.background import BackgroundLoad
from traffic.events import Event, Outcome
from traffic.settings import LoadSettings

Span = tuple[float, float]
"""From and until, in seconds since the epoch."""

ROUNDS = 3
LIMIT = 2.0
_RATE = 10.0  # light: this bench is about the time of the `up`
_PATIENCE_SECONDS = 6.0  # of a client; what a hung engine keeps longer has failed
_BROKEN_SECONDS = 2.0  # under load before somebody reverts


def _healthy(green: EngineHandle) -> None:
    """Nothing is broken: the plain change of mind."""


def _dead(green: EngineHandle) -> None:
    """Killed, and each start ends at once."""
    green.forbid_start("exit")
    green.send_signal(signal.SIGKILL)


def _hung(green: EngineHandle) -> None:
    """/health says 200 and no completion ever answers."""
    green.set_faults(hang=True)


def _erroring(green: EngineHandle) -> None:
    """Every completion is a 500."""
    green.set_faults(error_rate=1.0)


def _frozen(green: EngineHandle) -> None:
    """Stopped amid its work: connections are accepted and nothing comes back, not even from /health."""
    green.send_signal(signal.SIGSTOP)


def _cannot_start(green: EngineHandle) -> None:
    """Killed, and each start runs for ever before it listens, as a model that never loads."""
    green.forbid_start("hang")
    green.send_signal(signal.SIGKILL)


KINDS: Mapping[str, Callable[[EngineHandle], None]] = {
    "healthy": _healthy, "dead": _dead, "hung": _hung, "erroring": _erroring, "frozen": _frozen, "cannot_start": _cannot_start,
}  # fmt: skip


@dataclass
class Times:
    """Seconds of the `up`s of one kind, and the spans (seconds since the epoch) while green was broken and had weight, and after."""

    nothing: list[float] = field(default_factory=list)
    rollback: list[float] = field(default_factory=list)
    broken: list[Span] = field(default_factory=list)
    after: list[Span] = field(default_factory=list)


def run(quick: bool) -> Report:
    """Each kind in turn, so that a busy minute of the machine doesn't fall on one kind alone."""
    report = Report("rollback", quick)
    kinds = dict(list(KINDS.items())[:2]) if quick else KINDS
    times = {kind: Times() for kind in kinds}
    with bench_stack("rollback", steps=[50, 100]) as stack:
        up_at(stack, 0)
        settings = LoadSettings(stack.router.url, MODEL, rate=_RATE, stream_share=0.2, stream_tokens=30, timeout_seconds=_PATIENCE_SECONDS)
        with BackgroundLoad(settings) as load:
            for number in range(1 if quick else ROUNDS):
                for kind in kinds:
                    say(f"round {number + 1}, {kind}")
                    _round(stack, kind, times[kind])
            load.stop()
            _note(report, times, load)
    return report


def _round(stack: StackDriver, kind: str, times: Times) -> None:
    green = EngineHandle(stack, Color.GREEN)
    up_at(stack, 50)
    times.nothing.append(up_at(stack, 50).seconds)
    broken_at = time.time()
    KINDS[kind](green)
    time.sleep(_BROKEN_SECONDS)
    stack.service()["canaryWeight"] = 0
    ran = must(stack.up(), f"rollback with a green that is {kind}")
    rolled_back_at = time.time()
    say(f"rollback with a green that is {kind}: {ran.seconds:.1f} s, without a change {times.nothing[-1]:.1f} s")
    if (live := stack.router.live_weights("chat")) != Weights.all_on(Color.BLUE):
        raise BenchFailed(f"rollback with a green that is {kind}: got weights {live}, need all on blue")
    time.sleep(_BROKEN_SECONDS)
    times.rollback.append(ran.seconds)
    times.broken.append((broken_at, rolled_back_at))
    times.after.append((rolled_back_at, time.time()))
    _mend(stack, green, kind)


def _mend(stack: StackDriver, green: EngineHandle, kind: str) -> None:
    green.allow_start()
    if kind == "frozen":
        green.send_signal(signal.SIGCONT)
    await_true(lambda: programs.status(stack.home, green.program).pid > 0, "green runs again")
    if kind in ("hung", "erroring"):
        green.clear_faults()
    green.await_answer()


def _note(report: Report, times: Mapping[str, Times], load: BackgroundLoad) -> None:
    summary = load.summary()
    ratios = {kind: ratio(median(each.rollback), median(each.nothing)) for kind, each in times.items()}
    bad = [event for event in load.events if event.outcome is not Outcome.OK]
    while_broken = {kind: sum(met_a_broken_green(event, each.broken) for event in bad) for kind, each in times.items()}
    after = {kind: sum(_within(event.planned_at, each.after) for event in bad) for kind, each in times.items()}
    report.note(
        rollback_ratio=max(ratios.values()), rollback_ratios=ratios,
        rollback_median_seconds={kind: round(median(each.rollback), 2) for kind, each in times.items()},
        nothing_median_seconds={kind: round(median(each.nothing), 2) for kind, each in times.items()},
        rounds=len(times["healthy"].rollback), requests=summary.requests, streams=summary.streams, failed_while_broken=while_broken,
        failed_after_rollback=sum(after.values()), failed_elsewhere=len(bad) - sum(while_broken.values()) - sum(after.values()),
    )  # fmt: skip
    report.at_most("rollback_ratio", LIMIT)
    report.at_most("failed_after_rollback", 0)
    report.at_most("failed_elsewhere", 0)
    if while_broken.get("healthy"):
        report.problems.append(f"failed_while_broken: got {while_broken['healthy']} beside a healthy green, need 0")


def met_a_broken_green(event: Event, spans: Sequence[Span]) -> bool:
    """Whether a request was sent before the rollback was through and ended after green broke: in one of the spans, or into one."""
    return any(since <= event.ended_at and since - _PATIENCE_SECONDS <= event.planned_at < until for since, until in spans)


def _within(moment: float, spans: Sequence[Span]) -> bool:
    return any(since <= moment < until for since, until in spans)
