"""Saying how far a measurement is, at most every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

Say = Callable[[str], None]

EVERY_SECONDS = 5.0


class Progress:
    """Begins each line with `label`, adds the seconds since the start, and keeps quiet in between."""

    def __init__(self, say: Say, label: str) -> None:
        self._say, self._label = say, label
        self._started = time.monotonic()
        self._last = self._started

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def tell(self, text: str) -> None:
        """Say it now."""
        self._last = time.monotonic()
        self._say(f"{self._label}: {text}, {self.seconds:.0f} s")

    def tell_sometimes(self, text: str) -> None:
        """Say it if nothing was said for a while."""
        if time.monotonic() - self._last >= EVERY_SECONDS:
            self.tell(text)
