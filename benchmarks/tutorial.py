"""Ours against the deployment that it replaces (bash, nginx, two engines): the same engines, the same load, one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reply_log import ReplyLog
from benchmarks.report import BenchFailed, Report, ratio
from benchmarks.stacks import MODEL, bench_stack, free_base_port, must, say
from benchmarks.tutorial_peer import TutorialPeer
from delivery.color import Color
from scripts.stack_driver import ROOT, StackDriver
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings

DEPLOY_LIMIT = 1.2
_RATE, _STREAM_SHARE, _STREAM_TOKENS = 20.0, 0.25, 200
_TOKEN_MS = 10  # a stream takes two seconds, so that an engine stopped too early shows
_NOTICE_SECONDS = 10.0
"""From a bad release going live to somebody's decision to take it back; generous to a deployment whose checks see nothing."""

_SETTLE_SECONDS = 3.0  # under load after each step, so that what is in flight ends in its own step


@dataclass(frozen=True)
class Engines:
    """The flags of a good and a bad engine that take `load_seconds` to load."""

    load_seconds: float

    def flags(self, *, bad: bool = False) -> dict[str, Any]:
        """Arguments of the simulator."""
        wrong = {"wrong-rate": 0.4} if bad else {}
        return {"startup-seconds": self.load_seconds, "first-token-cold-ms": 25, "first-token-warm-ms": 5, "token-ms": _TOKEN_MS, **wrong}

    def command_line(self, *, bad: bool = False) -> list[str]:
        """The same as words."""
        return [word for flag, value in self.flags(bad=bad).items() for word in (f"--{flag}", str(value))]


def run(quick: bool) -> Report:
    """Deploy, flip and roll back a good release, then meet a bad one; first the tutorial's way, then ours."""
    report = Report("tutorial", quick)
    engines = Engines(3.0 if quick else 30.0)
    tutorial = _tutorial(engines)
    say(f"tutorial: {tutorial}")
    ours = _ours(engines)
    say(f"ours: {ours}")
    report.note(ours=ours, tutorial=tutorial, deploy_ratio=ratio(ours["deploy_seconds"], tutorial["deploy_seconds"]))
    _judge(report, ours, tutorial)
    return report


def _judge(report: Report, ours: Mapping[str, float], tutorial: Mapping[str, float]) -> None:
    for name in ("failed", "streams_cut", "exposed"):
        if ours[name] != 0:
            report.problems.append(f"ours.{name}: got {ours[name]}, need 0")
    # With engines that load in no time, what is left of a deployment and a rollback is Pulumi's own start.
    for name in ("flip_ms",) if report.quick else ("flip_ms", "rollback_seconds"):
        if ours[name] >= tutorial[name]:
            report.problems.append(f"ours.{name}: got {ours[name]}, need less than the tutorial's {tutorial[name]}")
    if not report.quick:
        report.at_most("deploy_ratio", DEPLOY_LIMIT)


def _tutorial(engines: Engines) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="verdigris-tutorial-") as folder, TutorialPeer(Path(folder), free_base_port()) as peer:
        say("tutorial: first deployment")
        peer.deploy(engines.command_line())
        with BackgroundLoad(_load(peer.url)) as load, ReplyLog(peer.base_port) as log:
            load.wait_for(10)
            deployed = _timed("tutorial: a good release", lambda: peer.deploy(engines.command_line()))
            flip = _flip_ms(peer.config_file, log, Color.BLUE)
            began = time.time()
            _timed("tutorial: roll back, which deploys the old release again", lambda: peer.deploy(engines.command_line()))
            rollback = log.last_of(Color.GREEN, began) - began
            before_bad = time.time()
            _timed("tutorial: a bad release", lambda: peer.deploy(engines.command_line(bad=True)))
            time.sleep(_NOTICE_SECONDS)
            _timed("tutorial: take it back", lambda: peer.deploy(engines.command_line()))
            return _figures(load, deployed, flip, rollback, since=before_bad, bad=Color.GREEN)


def _ours(engines: Engines) -> dict[str, float]:
    with bench_stack("tutorial", steps=[100]) as stack, _releases(engines) as names:
        service = stack.service()
        service["blue"] = {"release": names["good"]}
        service.pop("green")
        say("ours: first deployment")
        must(stack.up(), "the first deployment")
        with BackgroundLoad(_load(stack.router.url)) as load, ReplyLog(int(stack.config["basePort"])) as log:
            load.wait_for(10)
            service["green"] = {"release": names["next"]}
            service["canaryWeight"] = 100
            deployed = _timed("ours: a good release", lambda: must(stack.up(), "the deployment").seconds)
            flip = _flip_ms(stack.home.path / "router" / "routes.json", log, Color.BLUE)
            service["canaryWeight"] = 0
            began = time.time()
            _timed("ours: roll back", lambda: must(stack.up(), "the rollback").seconds)
            rollback = log.last_of(Color.GREEN, began) - began
            before_bad = time.time()
            service["green"] = {"release": names["bad"]}
            service["canaryWeight"] = 100
            _timed("ours: a bad release", lambda: _refused(stack))
            return _figures(load, deployed, flip, rollback, since=before_bad, bad=Color.GREEN)


def _refused(stack: StackDriver) -> float:
    ran = stack.up()
    if ran.ok or "eval fail" not in ran.output:
        raise BenchFailed(f"a bad release was not refused by the evaluation:\n{ran.output[-2000:]}")
    return ran.seconds


def _timed(what: str, act: Callable[[], float]) -> float:
    seconds = act()
    say(f"{what}: {seconds:.1f} s")
    time.sleep(_SETTLE_SECONDS)
    return seconds


def _flip_ms(written: Path, log: ReplyLog, old: Color) -> float:
    """From the weight written (the file's own time) to the last reply of the old color that was asked for after the deployment began."""
    at = written.stat().st_mtime
    return round(1000 * (log.last_of(old, at) - at), 1)


def _figures(load: BackgroundLoad, deployed: float, flip_ms: float, rollback: float, since: float, bad: Color) -> dict[str, float]:
    load.stop()
    summary = load.summary()
    return {
        "failed": summary.failed, "streams_cut": summary.streams_cut, "deploy_seconds": round(deployed, 2), "flip_ms": flip_ms,
        "rollback_seconds": round(rollback, 2), "exposed": load.summary(since=since).by_color.get(bad.value, 0),
        "requests": summary.requests, "streams": summary.streams,
    }  # fmt: skip


def _load(url: str) -> LoadSettings:
    return LoadSettings(url, MODEL, rate=_RATE, stream_share=_STREAM_SHARE, stream_tokens=_STREAM_TOKENS)


class _releases:
    """Release files for the stack, in a folder of the project that ends with the bench: releases are only read from inside it."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def __enter__(self) -> Mapping[str, str]:
        self._folder = tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT / "benchmarks" / "releases")
        names: Sequence[str] = ("good", "next", "bad")
        return {name: self._write(name) for name in names}

    def __exit__(self, *_error: object) -> None:
        self._folder.cleanup()

    def _write(self, name: str) -> str:
        path = Path(self._folder.name) / f"{name}.yaml"
        release = {"name": f"bench-{name}", "engine": "simulator", "servedModelName": MODEL, "args": self._engines.flags(bad=name == "bad")}
        path.write_text(yaml.safe_dump(release))
        return str(path.relative_to(ROOT))
