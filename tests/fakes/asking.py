"""Asking a simulated engine from tests: now, in a thread, and waiting for something to become true."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable

from tests.fakes.engines import DEADLINE_SECONDS, SimulatorProcess


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fails past the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def post(engine: SimulatorProcess, content: str = "sort 21", **fields: object) -> tuple[int, str]:
    """Status and body of a plain or streamed chat."""
    body = {"model": "toy", "messages": [{"role": "user", "content": content}]} | fields
    return engine.send("POST", "/v1/chat/completions", body)


class Background:
    """One request in a thread, because it doesn't end soon."""

    def __init__(self, engine: SimulatorProcess, content: str, **fields: object) -> None:
        self.answer: tuple[int, str] | Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(engine, content, fields), daemon=True)
        self._thread.start()

    def _run(self, engine: SimulatorProcess, content: str, fields: dict[str, object]) -> None:
        try:
            self.answer = post(engine, content, **fields)
        except (OSError, http.client.HTTPException) as error:
            self.answer = error

    def join(self) -> tuple[int, str]:
        """Status and body, once they are there; fails when the connection broke."""
        self._thread.join(DEADLINE_SECONDS)
        assert isinstance(self.answer, tuple), self.answer
        return self.answer
