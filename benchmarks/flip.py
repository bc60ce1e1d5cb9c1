"""Shifts under load, by `pulumi up` and directly: nothing fails, nothing is cut, and a flip is as fast as on a bare Envoy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bare_envoy import BareEnvoy
from benchmarks.color_probe import ColorProbe
from benchmarks.flip_clock import RenameClock, timed_flip
from benchmarks.report import Report, median, milliseconds, ratio
from benchmarks.stacks import MODEL, PEER_ADMIN_OFFSET, PEER_OFFSET, EngineHandle, bench_stack, say, up_at
from delivery.color import Color, Weights
from scripts.stack_driver import StackDriver
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings
from traffic.summary import percentile

_READ_BACK_SECONDS = 15.0
_PATIENCE_SECONDS = 120.0  # of a client: a busy machine is late, and a lost request still fails
_STEPS = (1, 25, 75, 100, 0)  # a rollout and its rollback


@dataclass(frozen=True)
class Size:
    """How much is done. The run ends when everything is, and gives up on what is missing after `most_seconds`."""

    rate: float
    requests: int
    streams: int
    shifts: int
    flips: int
    """There and back counts as two; of each router. On a busy machine they end after `most_flip_seconds`, at the color they began with."""
    most_flip_seconds: float
    most_seconds: float


FULL = Size(rate=200, requests=100_000, streams=1_000, shifts=40, flips=300, most_flip_seconds=120, most_seconds=540)
QUICK = Size(rate=60, requests=300, streams=10, shifts=8, flips=10, most_flip_seconds=20, most_seconds=40)


def run(quick: bool) -> Report:
    """Deploy, then under load: a rollout, direct flips beside the peer's, and further rollouts until there is enough of everything."""
    size, began = (QUICK if quick else FULL), time.monotonic()
    report = Report("flip", quick)
    with bench_stack("flip") as stack:
        up_at(stack, 0)
        settings = LoadSettings(
            stack.router.url, MODEL, rate=size.rate, stream_share=0.04, stream_tokens=40, timeout_seconds=_PATIENCE_SECONDS
        )  # fmt: skip
        with BackgroundLoad(settings) as load:
            loaded_at = time.monotonic()
            load.wait_for(1)
            shifts_by_up = [up_at(stack, weight).seconds for weight in _STEPS[:-1]]  # green has carried everything now
            _flips(report, stack, size)
            refused = 0
            while not quick and len(shifts_by_up) < size.shifts and time.monotonic() - began < size.most_seconds:
                stack.service()["canaryWeight"] = weight = _STEPS[(len(shifts_by_up)) % len(_STEPS)]
                ran = stack.up()
                say(f"up to canaryWeight {weight}: {ran.seconds:.1f} s{'' if ran.ok else ', refused: ' + _why(ran.output)}")
                shifts_by_up += [ran.seconds] if ran.ok else []
                refused += not ran.ok
            _await_load(size, began, loaded_at)
            summary = load.stop()
    direct = int(report.figures["direct_flips"])
    report.note(
        requests=summary.requests, streams=summary.streams, failed=summary.failed, streams_cut=summary.streams_cut,
        shifts=direct + len(shifts_by_up), shifts_by_up=len(shifts_by_up), ups_refused=refused,
        up_median_seconds=round(median(shifts_by_up), 2),
        reasons=summary.reasons, by_color=summary.by_color, p99_seconds=round(summary.p99_seconds, 3),
        sent_late_p99_seconds=round(summary.sent_late_p99_seconds, 3), seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip
    _judge(report, size)
    return report


def _judge(report: Report, size: Size) -> None:
    for name in ("failed", "streams_cut"):
        report.at_most(name, 0)
    for name, least in (("requests", size.requests), ("streams", size.streams), ("shifts", size.shifts)):
        report.at_least(name, least)
    if not report.quick:  # the p99 of a few flips is the worst of them, which says nothing
        report.at_most("flip_p99_ratio", 2)


def _why(output: str) -> str:
    """The line of an `up` that says why it failed. A shift that can't be proven on a busy machine is refused, which is no lost request."""
    return next((line.strip() for line in output.splitlines() if "error:" in line), output[-200:])


def _await_load(size: Size, began: float, loaded_at: float) -> None:
    """The load is open-loop, so how much was sent follows from the time."""
    ends = min(loaded_at + 1.01 * size.requests / size.rate, began + size.most_seconds)
    if (wait := ends - time.monotonic()) > 0:
        say(f"load goes on for {wait:.0f} s")
        time.sleep(wait)


def _flips(report: Report, stack: StackDriver, size: Size) -> None:
    """Flips on our router and on the bare one in turn, in random order. Ends as it began, at green.

    Only our router carries load meanwhile: it makes nothing but our side slower, and leaves more of the machine to both.
    """
    base_port = int(stack.config["basePort"])
    engines = {color: EngineHandle(stack, color).address for color in Color}
    peer = BareEnvoy(stack.folder / "bare", base_port + PEER_OFFSET, base_port + PEER_ADMIN_OFFSET, engines)
    rename = RenameClock(stack.home.path / "router" / "routes.json"), RenameClock(peer.routes_file)
    mine: list[float] = []
    bare: list[float] = []
    with peer, ColorProbe(base_port, "/v1/models") as probe, ColorProbe(peer.port, "/v1/models") as peer_probe:
        peer.write(Color.GREEN)
        order, ends = random.Random(0), time.monotonic() + size.most_flip_seconds
        for number in range(size.flips):
            if number % 2 == 0 and time.monotonic() > ends:
                break
            new = Color.BLUE if number % 2 == 0 else Color.GREEN

            def flip_mine(new: Color = new) -> None:
                mine.append(timed_flip(probe, rename[0], lambda: stack.router.write_weights("chat", Weights.all_on(new)), new))
                stack.router.await_weights("chat", Weights.all_on(new), _READ_BACK_SECONDS)

            def flip_bare(new: Color = new) -> None:
                bare.append(timed_flip(peer_probe, rename[1], lambda: peer.write(new), new))

            both: list[Callable[[], None]] = [flip_mine, flip_bare]
            order.shuffle(both)
            for flip in both:
                flip()
            if (number + 1) % 50 == 0:
                say(f"{number + 1} of {size.flips} flips on each router")
    report.note(
        flip_p99_ratio=ratio(percentile(mine, 99), percentile(bare, 99)), flip_p50_ratio=ratio(median(mine), median(bare)),
        flip_p50_ms=milliseconds(median(mine)), flip_p99_ms=milliseconds(percentile(mine, 99)), bare_p50_ms=milliseconds(median(bare)),
        bare_p99_ms=milliseconds(percentile(bare, 99)), direct_flips=len(mine),
    )  # fmt: skip
