"""When the warm-up stops waiting for an engine that keeps dying."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.color import Color
from delivery.coverage import GateMode
from probes.programs import ProcessState, ProgramStatus
from providers import warmup_gate
from providers.warmup_gate import WarmupInputs

QUICK = "Exited too quickly (process log may have details)"


def reasons(monkeypatch: pytest.MonkeyPatch, home: Path, seen: list[ProgramStatus]) -> list[bool]:
    """Whether the wait ends at each of the statuses seen."""
    wanted = WarmupInputs(
        home=str(home), service="chat", color=Color.GREEN, release="r", model="m", engines=["127.0.0.1:1"], mode=GateMode.REQUIRED,
        settings={}, programs=["chat-green-0"],
    )  # fmt: skip
    statuses = iter(seen)
    monkeypatch.setattr(warmup_gate.programs, "status", lambda _home, _name: next(statuses))
    deaths = warmup_gate._Deaths(wanted)
    return [deaths.reason() is not None for _ in seen]


def test_three_quick_deaths_in_the_same_words_end_the_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dead = [ProgramStatus(ProcessState.BACKOFF, 0, QUICK, started_at) for started_at in (10, 10, 12, 12, 15)]
    assert reasons(monkeypatch, tmp_path, dead) == [False, False, False, False, True]


def test_one_death_seen_many_times_is_one_death(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not any(reasons(monkeypatch, tmp_path, [ProgramStatus(ProcessState.BACKOFF, 0, QUICK, 10)] * 9))


def test_an_engine_that_is_starting_is_not_dead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    starting = [ProgramStatus(ProcessState.STARTING, 7, "", started_at) for started_at in range(9)]
    assert not any(reasons(monkeypatch, tmp_path, starting))
