"""Brings the steps of the demo about, one `pulumi up` each, under one constant load, and keeps what it saw.

Showing it is scripts/demo_report.py's.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delivery.color import Color
from delivery.receipt import GateName, Receipt, Verdict
from probes.receipts import read_receipt
from probes.router import RouterUnreachable
from scripts.demo_options import DemoOptions
from scripts.demo_steps import SERVICE, Step, config_of
from scripts.stack_driver import StackDriver
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings

END_AFTER_INTERRUPT_SECONDS = 60.0
LEAST_ANSWERS_SECONDS = 60.0
SAID_LIVE = re.compile(r"pulumi:pulumi:Stack \S+ (?:creating|running|updating)(?: \(\d+s\))? (?!Plan$|\()(.+)$")
"""A line that the program printed, as the CLI passes it on while it runs."""

WHY = re.compile(rf"^\s+{SERVICE}: weights [^,]*, (.*); expect about", re.MULTILINE)
PROVEN = re.compile(r"proven by \d+ probes: (.*)$")


@dataclass
class StepRun:
    """What became of one step. Moments are seconds since the epoch; `settled_at` is when its weights were proven to be live."""

    step: Step
    started_at: float
    settled_at: float = 0.0
    up_seconds: float = 0.0
    measured: list[Receipt] = field(default_factory=list)
    """Receipts that gates left in this step."""
    why: str = ""
    """What the plan said that the shift needs; empty when no weight moves."""
    probes: dict[str, int] = field(default_factory=dict)
    """By color, who answered the probes with which the shift proved itself."""
    failure: str = ""


class Interrupted(Exception):
    """The person stopped it; the CLI has ended."""


class Rollout:
    """The steps, run one after the other. `runs` holds what happened so far, the failed step last."""

    def __init__(self, driver: StackDriver, base: Mapping[str, Any], options: DemoOptions, say: Callable[[str], None]) -> None:
        self.runs: list[StepRun] = []
        self._driver, self._base, self._options, self._say = driver, base, options, say
        self.load = BackgroundLoad(
            LoadSettings(
                url=f"http://127.0.0.1:{options.port}", model="sorter", rate=options.rate,
                timeout_seconds=options.profile.request_seconds, seconds=24 * 3600,
            )
        )  # fmt: skip

    def run(self, steps: Sequence[Step]) -> bool:
        """Bring all about; False when one failed. The load begins after the first and is left running. Raises Interrupted."""
        for number, step in enumerate(steps, start=1):
            self._say(f"step {number} of {len(steps)}: {step.title}")
            run = StepRun(step, time.time())
            self.runs.append(run)
            try:
                self._bring_about(run, first=number == 1)
            except (RuntimeError, TimeoutError) as error:
                run.failure = run.failure or f"the load broke: {error}"
            if run.failure:
                return False
        return True

    def _bring_about(self, run: StepRun, *, first: bool) -> None:
        before = self._receipts()
        self._driver.config = config_of(self._base, run.step)
        ok, output = self._up(run)
        run.measured = [receipt for key, receipt in self._receipts().items() if receipt and receipt != before[key]]
        why = WHY.search(output)
        run.why = why.group(1) if why else ""
        run.failure = self._wrong(run) if ok else f"pulumi up failed:\n{_errors(output)}"
        if run.failure:
            return
        if first:
            run.started_at = run.settled_at = time.time()
            self.load.start()
        self._watch(run)

    def _watch(self, run: StepRun) -> None:
        """Let the load go on for a while on the new weights, and see that it does."""
        time.sleep(self._options.seconds_per_step)
        patience = self._options.profile.request_seconds + LEAST_ANSWERS_SECONDS
        self.load.wait_for(1, since=run.started_at, deadline_seconds=patience)
        so_far = self.load.summary()
        self._say(
            f"  done in {run.up_seconds:.1f} s; so far {so_far.requests} requests ended, {so_far.failed} failed, "
            f"{so_far.streams_cut} of {so_far.streams} streams cut"
        )

    def _wrong(self, run: StepRun) -> str:
        """What is not as it should be after an `up` that succeeded."""
        try:
            live = self._driver.router.live_weights(SERVICE)
        except RouterUnreachable as error:
            return f"the router does not say its weights: {error}"
        if live != run.step.weights:
            return f"the router has {live}, need {run.step.weights}"
        color = run.step.measures
        for gate in GateName if color else ():
            receipt = self._receipts()[color, gate]
            if receipt is None:
                return f"{color}: {gate} left no receipt"
            if receipt.verdict is not Verdict.PASS:
                return f"{color}: {gate} {receipt.verdict}: {receipt.reason}"
        return ""

    def _receipts(self) -> dict[tuple[Color | None, GateName], Receipt | None]:
        home = self._driver.home.path
        return {(color, gate): read_receipt(home, SERVICE, color, gate) for color in Color for gate in GateName}

    def _up(self, run: StepRun) -> tuple[bool, str]:
        """One `pulumi up` with its lines shown as they come; returns whether it succeeded and all it printed."""
        started = time.monotonic()
        process = self._driver.start_up()
        limit = self._options.profile.up_seconds
        watchdog = threading.Timer(limit, _kill, [process])
        watchdog.start()
        lines: list[str] = []
        try:
            self._follow(process, run, lines)
            process.wait()
        except KeyboardInterrupt:
            self._say("interrupted; letting pulumi end what it is doing (once more ends it at once)")
            _end(process)
            raise Interrupted from None
        finally:
            watchdog.cancel()
        run.up_seconds = time.monotonic() - started
        run.settled_at = run.settled_at or time.time()
        if process.returncode != 0 and run.up_seconds >= limit:
            lines.append(f"error: killed after {limit:g} s\n")
        return process.returncode == 0, "".join(lines)

    def _follow(self, process: subprocess.Popen[str], run: StepRun, lines: list[str]) -> None:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            lines.append(line)
            said = SAID_LIVE.search(line)
            if said and said.group(1) != last:
                last = said.group(1)
                self._say(f"  {last}")
                proven = PROVEN.search(last)
                if proven:
                    run.settled_at = time.time()
                    run.probes = ast.literal_eval(proven.group(1))


def _errors(output: str) -> str:
    """What the CLI says is wrong, without the list of resources: from the diagnostics on, at most 30 lines."""
    lines = output.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("Diagnostics:")), 0)
    return "\n".join([line for line in lines[start:] if line.strip()][-30:])


def _end(process: subprocess.Popen[str]) -> None:
    """Ask the CLI to stop: it lets what runs end, saves its state and starts nothing more. Past a minute, or asked again, kill it."""
    try:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=END_AFTER_INTERRUPT_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
