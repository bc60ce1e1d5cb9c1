"""Running the demo's steps: what ends it, what it reads of each `up`, and that an interruption reaches the CLI.

No Pulumi: a program that talks like it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName, Receipt, Verdict
from probes.receipts import write_receipt
from scripts import demo_rollout
from scripts.demo_options import parse_options
from scripts.demo_rollout import Interrupted, Rollout
from scripts.demo_steps import Step
from traffic.summary import summarize

FIRST = Step("deploy blue", Color.BLUE, 0, False, measures=Color.BLUE)
RAISE = Step("green to 25 %", Color.BLUE, 25, True)
BASE = {"services": {"chat": {"blue": {}, "green": {}}}}
SAYS_IT_IS_LIVE = """
print("    pulumi:pulumi:Stack verdigris-demo running chat: x, proven by 4 probes: {'blue': 3, 'green': 1}")
print("    chat: weights blue 100 / green 0 -> blue 75 / green 25, after passing gates; expect about 5 s")
"""


class Driver:
    """Talks like a StackDriver; every `up` runs `program` and, when that succeeds, the router has the weights of `live`."""

    def __init__(self, home: Path, program: str, live: Weights) -> None:
        self.home = SimpleNamespace(path=home)
        self.router = SimpleNamespace(live_weights=lambda _service: live)
        self.config: dict[str, Any] = {}
        self.configs: list[dict[str, Any]] = []
        self._program = program
        self.process: subprocess.Popen[str] | None = None

    def start_up(self) -> subprocess.Popen[str]:
        self.configs.append(self.config["services"]["chat"])
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", self._program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        return self.process


class Load:
    """A load that always answers."""

    def __init__(self) -> None:
        self.started = 0

    def start(self) -> None:
        self.started += 1

    def wait_for(self, requests: int, *, since: float, deadline_seconds: float) -> None:
        if self.started == 0:
            raise RuntimeError("the load ended after 0 requests")

    def summary(self) -> Any:
        return summarize([])


def rollout(home: Path, program: str, live: Weights) -> tuple[Rollout, Driver, list[str]]:
    said: list[str] = []
    driver = Driver(home, program, live)
    made = Rollout(driver, BASE, parse_options(["--seconds-per-step", "0.5"]), said.append)  # type: ignore[arg-type]
    made.load = Load()  # type: ignore[assignment]
    return made, driver, said


def leave_receipts(home: Path, color: Color, verdict: Verdict = Verdict.PASS) -> None:
    for gate in GateName:
        write_receipt(
            home, Receipt(gate=gate, service="chat", color=color, release="r", engines=(), verdict=verdict, reason="60 %", measured_at="")
        )


def test_a_step_is_its_config_brought_about_and_its_lines_passed_on(tmp_path: Path) -> None:
    made, driver, said = rollout(tmp_path, SAYS_IT_IS_LIVE, RAISE.weights)
    assert made.run([RAISE])
    [run] = made.runs
    assert driver.configs == [{"blue": {}, "green": {}, "active": "blue", "canaryWeight": 25}]
    assert (run.probes, run.why, run.failure) == ({"blue": 3, "green": 1}, "after passing gates", "")
    assert run.started_at <= run.settled_at
    assert any("proven by 4 probes" in line for line in said)


def test_the_load_begins_after_the_first_step_and_once(tmp_path: Path) -> None:
    leave_receipts(tmp_path, Color.BLUE)
    made, _, _ = rollout(tmp_path, "", FIRST.weights)
    assert made.run([FIRST, Step("again", Color.BLUE, 0, True)])
    assert made.load.started == 1  # type: ignore[attr-defined]


def test_an_up_that_fails_ends_the_story_with_what_it_said(tmp_path: Path) -> None:
    made, _, _ = rollout(tmp_path, "print('Diagnostics:'); print('    error: no'); raise SystemExit(1)", RAISE.weights)
    assert not made.run([RAISE, RAISE])
    assert len(made.runs) == 1
    assert "error: no" in made.runs[0].failure


def test_an_up_that_takes_too_long_is_killed_and_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, driver, _ = rollout(tmp_path, "import time; time.sleep(600)", RAISE.weights)
    monkeypatch.setattr(made, "_options", SimpleNamespace(profile=SimpleNamespace(up_seconds=0.5)))
    assert not made.run([RAISE])
    assert "killed after 0.5 s" in made.runs[0].failure
    assert driver.process is not None
    assert driver.process.poll() is not None


def test_other_live_weights_than_asked_for_fail_the_step(tmp_path: Path) -> None:
    made, _, _ = rollout(tmp_path, "", Weights(100, 0))
    assert not made.run([RAISE])
    assert made.runs[0].failure == "the router has blue 100 / green 0, need blue 75 / green 25"


def test_a_gate_that_did_not_pass_fails_the_step_although_the_up_went_on(tmp_path: Path) -> None:
    leave_receipts(tmp_path, Color.BLUE, Verdict.FAIL)
    made, _, _ = rollout(tmp_path, "", FIRST.weights)
    assert not made.run([FIRST])
    assert made.runs[0].failure == "blue: warmup fail: 60 %"


def test_a_gate_that_left_no_receipt_fails_the_step(tmp_path: Path) -> None:
    made, _, _ = rollout(tmp_path, "", FIRST.weights)
    assert not made.run([FIRST])
    assert made.runs[0].failure == "blue: warmup left no receipt"


def test_a_load_that_broke_fails_the_step(tmp_path: Path) -> None:
    made, _, _ = rollout(tmp_path, "", RAISE.weights)
    made.load.wait_for = lambda *_a, **_k: (_ for _ in ()).throw(RuntimeError("the load ended"))  # type: ignore[method-assign]
    assert not made.run([RAISE])
    assert made.runs[0].failure == "the load broke: the load ended"


def test_an_interruption_lets_the_cli_end_what_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (open(PATH, 'w').write('ended'), sys.exit(1)))
print('ready')
time.sleep(600)
""".replace("PATH", repr(str(tmp_path / "ended")))
    made, driver, _ = rollout(tmp_path, program, RAISE.weights)

    def interrupted(process: subprocess.Popen[str], _run: object, _lines: list[str]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        raise KeyboardInterrupt

    monkeypatch.setattr(made, "_follow", interrupted)
    with pytest.raises(Interrupted):
        made.run([RAISE])
    assert driver.process is not None
    assert driver.process.poll() == 1
    assert (tmp_path / "ended").read_text() == "ended"


def test_a_cli_that_does_not_end_after_an_interruption_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_rollout, "END_AFTER_INTERRUPT_SECONDS", 0.3)
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready'); time.sleep(600)"],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    demo_rollout._end(process)
    assert process.poll() == -signal.SIGKILL
