"""`scripts/demo`: removes what the last one left, runs the story, reports, and leaves the stack running. Owns the exit codes:

0 everything as promised, 1 a step or a request failed, 2 it was asked for something that can't be done, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import yaml
from rich.console import Console

from delivery.refusal import Refusal
from scripts import demo_report, demo_stack
from scripts.demo_options import DemoOptions, parse_options
from scripts.demo_rollout import Interrupted, Rollout
from scripts.demo_steps import SERVICE, base_config, story
from scripts.stack_driver import ROOT
from traffic.summary import Summary

FAILED, IMPOSSIBLE, INTERRUPTED = 1, 2, 130
LEAST_COLUMNS = 150
"""Where there is no terminal, or a narrow one, lines are this long rather than folded into a ribbon."""


class Teller:
    """Lines with the seconds since the start, printed at once. scripts/demo says when it started, so that its setup counts."""

    def __init__(self) -> None:
        try:
            self._started = float(os.environ["VERDIGRIS_STARTED"])
        except (KeyError, ValueError):
            self._started = time.time()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.time() - self._started

    def __call__(self, text: str) -> None:
        print(f"[{self.seconds:4.0f} s] {text}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the demo; returns the exit code."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        options = parse_options(arguments)
        with demo_stack.only_one():
            return _down() if options.down else _demo(options, Teller())
    except Refusal as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return IMPOSSIBLE
    except RuntimeError as error:
        print(f"scripts/demo: making the stack failed: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"\ninterrupted; {_left_running()}", file=sys.stderr)
        return INTERRUPTED


def _down() -> int:
    say = Teller()
    if not demo_stack.is_there():
        say("there is no demo stack in this checkout; nothing to remove")
        return 0
    say("removing the demo's stack")
    demo_stack.remove(say)
    say("removed: nothing of it runs, and nothing is left on disk")
    return 0


def _demo(options: DemoOptions, say: Teller) -> int:
    environment = demo_stack.prepare(options)
    if demo_stack.is_there():
        say("replacing the stack that an earlier demo left")
        demo_stack.remove(say)
    demo_stack.refuse_taken_ports(options.port)
    base = base_config(yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")), options)
    driver = demo_stack.make(base, environment)
    rollout = Rollout(driver, base, options, say)
    say(f"{options.engine} engines behind {options.router}; once blue is up, {options.rate:g} requests a second, a quarter of them streams")
    try:
        rollout.run(story(base["services"][SERVICE]["steps"]))
        overall = _stop_load(rollout)
    except (Interrupted, KeyboardInterrupt):
        _abandon_load(rollout)
        print(f"\ninterrupted in step {len(rollout.runs)}; the load has stopped. {_left_running()}", file=sys.stderr)
        return INTERRUPTED
    return _report(rollout, overall, options, say)


def _stop_load(rollout: Rollout) -> Summary:
    try:
        return rollout.load.stop()
    except RuntimeError as error:
        rollout.runs[-1].failure = rollout.runs[-1].failure or str(error)
        return rollout.load.summary()


def _abandon_load(rollout: Rollout) -> None:
    """End the load without caring for its numbers; a second interruption doesn't wait for requests in flight."""
    with contextlib.suppress(RuntimeError, KeyboardInterrupt):
        rollout.load.stop()


def _report(rollout: Rollout, overall: Summary, options: DemoOptions, say: Teller) -> int:
    rows = demo_report.rows_of(rollout.runs, rollout.load)
    console = Console(width=None if sys.stdout.isatty() and Console().width >= LEAST_COLUMNS else LEAST_COLUMNS, highlight=False)
    console.print()
    console.print(demo_report.table_of(rows))
    console.print(demo_report.totals(overall), soft_wrap=True)
    failed = demo_report.problems(rows)
    folder = str(demo_stack.FOLDER.relative_to(ROOT))
    print(f"\n{demo_report.next_steps(options, folder) if not failed else _left_running()}\n", flush=True)
    for problem in failed:
        print(f"FAILED in step {problem}", flush=True)
    say("the promise was kept: no request failed, no stream was cut" if not failed else "failed")
    if options.json:
        print(json.dumps(demo_report.as_json(rows, overall, options, say.seconds)), flush=True)
    return FAILED if failed else 0


def _left_running() -> str:
    if not demo_stack.is_there():
        return "nothing was left running."
    logs = Path(demo_stack.FOLDER.relative_to(ROOT)) / "home" / demo_stack.NAME / "logs"
    return f"The stack still runs (logs in {logs}); scripts/demo --down removes it, and another scripts/demo replaces it."


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
