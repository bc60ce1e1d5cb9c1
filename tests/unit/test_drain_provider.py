"""When a pool's change waits for its requests, and whose. What is in flight is told here, not asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.in_flight import InFlight
from providers import drain
from providers.drain import DrainProvider

ONE, TWO = ["h:1"], ["h:1", "h:2"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The engines whose requests were waited for; the second look finds none."""
    found: list[list[str]] = []

    def seen(_home: object, _service: str, _color: object, engines: list[str]) -> InFlight:
        found.append(list(engines))
        return InFlight(1 if len(found) == 1 else 0, {})

    monkeypatch.setattr(drain, "seen_in_flight", seen)
    monkeypatch.setattr(drain, "POLL_SECONDS", 0)
    return found


def update(home: Path, before: list[str], after: list[str], spec: str = "s") -> str:
    """What the drain says of a pool that becomes another."""
    pool = {"home": str(home), "service": "chat", "color": "green", "deadline_seconds": 60.0}
    outs = DrainProvider().update("chat-green", {**pool, "spec": "s", "engines": before}, {**pool, "spec": spec, "engines": after}).outs
    assert outs is not None
    return str(outs["drained"])


def test_an_engine_that_goes_is_waited_for_before_it_is_touched(tmp_path: Path, asked: list[list[str]]) -> None:
    assert update(tmp_path, TWO, ONE).startswith("after")
    assert asked == [TWO, TWO]


def test_engines_that_restart_are_waited_for(tmp_path: Path, asked: list[list[str]]) -> None:
    assert update(tmp_path, ONE, ONE, spec="another").startswith("after")
    assert asked == [ONE, ONE]


def test_a_pool_that_only_grows_waits_for_nothing(tmp_path: Path, asked: list[list[str]]) -> None:
    assert update(tmp_path, ONE, TWO) == "nothing to drain"
    assert asked == []
