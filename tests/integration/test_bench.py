"""The benches as whole programs, in their small size, and the clock of the flip bench on a real Envoy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bare_envoy import BareEnvoy
from benchmarks.color_probe import ColorProbe
from benchmarks.flip_clock import RenameClock, timed_flip
from delivery.color import Color
from tests.fakes.engines import SimulatorProcess
from tests.fakes.routers import free_ports

ROOT = Path(__file__).resolve().parents[2]
# On an idle machine a small bench takes less than a minute.
BENCH_SECONDS = 540


def test_a_flip_on_a_real_envoy_is_timed_by_its_replies(tmp_path: Path) -> None:
    blue, green, port, admin_port = free_ports(4)
    with SimulatorProcess(blue, [], {}) as blue_engine, SimulatorProcess(green, [], {}) as green_engine:
        blue_engine.wait_until_healthy()
        green_engine.wait_until_healthy()
        envoy = BareEnvoy(tmp_path, port, admin_port, {Color.BLUE: f"127.0.0.1:{blue}", Color.GREEN: f"127.0.0.1:{green}"})
        with envoy, ColorProbe(port, "/v1/models") as probe:
            clock = RenameClock(envoy.routes_file)
            for new in (Color.GREEN, Color.BLUE):
                assert 0 <= timed_flip(probe, clock, lambda new=new: envoy.write(new), new) < BENCH_SECONDS


@pytest.mark.timeout(BENCH_SECONDS + 60)
def test_a_small_run_of_chaos_loses_no_request() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "chaos", "--quick", "--json"],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=BENCH_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert (figures["failed"], figures["streams_cut_elsewhere"], figures["within_limits"]) == (0, 0, True)
    assert figures["kills"] == 3
