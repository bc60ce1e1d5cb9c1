"""Green killed at 50 % under load, again and again: no new request fails, and only the killed engine's own streams are cut."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Sequence

from benchmarks.report import Report, median
from benchmarks.stacks import MODEL, EngineHandle, bench_stack, say, up_at
from delivery.color import Color
from traffic.background import BackgroundLoad
from traffic.events import Event, Outcome
from traffic.settings import LoadSettings

_KILLS, _QUICK_KILLS = 20, 3
_CALM_SECONDS = 2.0  # of load on both colors between two kills
_RATE, _STREAM_SHARE, _STREAM_TOKENS = 60.0, 0.3, 60
_DEATH_SECONDS = 5.0  # from the order to kill to the moment its clients have seen the reset, on a busy machine


def run(quick: bool) -> Report:
    """Kill, wait until it is back, and again."""
    report = Report("chaos", quick)
    with bench_stack("chaos", steps=[50, 100]) as stack:
        up_at(stack, 0)
        up_at(stack, 50)
        green = EngineHandle(stack, Color.GREEN)
        settings = LoadSettings(stack.router.url, MODEL, rate=_RATE, stream_share=_STREAM_SHARE, stream_tokens=_STREAM_TOKENS)
        kills: list[float] = []
        back: list[float] = []
        with BackgroundLoad(settings) as load:
            load.wait_for(int(_RATE))
            for number in range(_QUICK_KILLS if quick else _KILLS):
                kills.append(time.time())
                pid = green.send_signal(signal.SIGKILL)
                green.await_answer()
                back.append(time.time() - kills[-1])
                say(f"kill {number + 1}: pid {pid}, answers again after {back[-1]:.1f} s")
                time.sleep(_CALM_SECONDS)
            summary = load.stop()
            events = load.events
    elsewhere = [event for event in cut_streams(events) if not is_of_a_kill(event, Color.GREEN, kills)]
    report.note(
        kills=len(kills), requests=summary.requests, streams=summary.streams, failed=summary.failed, streams_cut=summary.streams_cut,
        streams_cut_elsewhere=len(elsewhere), reasons=summary.reasons, by_color=summary.by_color,
        back_median_seconds=round(median(back), 2), p99_seconds=round(summary.p99_seconds, 3),
    )  # fmt: skip
    report.at_most("failed", 0)
    report.at_most("streams_cut_elsewhere", 0)
    report.at_least("kills", _QUICK_KILLS if quick else _KILLS)
    return report


def cut_streams(events: Iterable[Event]) -> list[Event]:
    """Streams that began and weren't brought to their end."""
    return [event for event in events if event.outcome is Outcome.CUT]


def is_of_a_kill(event: Event, killed: Color, kills: Sequence[float]) -> bool:
    """Whether a cut stream was the killed engine's and broke when it was killed."""
    return event.color == killed and any(kill <= event.ended_at <= kill + _DEATH_SECONDS for kill in kills)
