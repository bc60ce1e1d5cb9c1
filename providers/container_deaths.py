"""Notices an engine's container that keeps ending, so that a warm-up ends before its deadline. For processes: providers/warmup_gate.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from probes.containers import ContainerState, container_name, container_state, last_words

DEATHS = 3
"""Ends since the warm-up began after which waiting is in vain; fewer can be a GPU that was not free yet."""

_ASK_EVERY_SECONDS = 2.0

States = Callable[[str, str], ContainerState | None]


class ContainerDeaths:
    """The containers of one pool, `programs` being the names of its engines. Docker is asked every other second at most."""

    def __init__(self, host: str, stack: str, programs: Sequence[str], states: States = container_state) -> None:
        self._host, self._states = host, states
        self._names = [container_name(stack, program) for program in programs]
        self._first: dict[str, int] = {}
        self._next = 0.0

    def reason(self) -> str | None:
        """Which container keeps ending, with the end of its log."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + _ASK_EVERY_SECONDS
        for name in self._names:
            state = self._states(self._host, name)
            if state is None:
                continue
            ends = state.restarts - self._first.setdefault(name, state.restarts)
            if ends >= DEATHS:
                return f"{name} keeps ending (exit code {state.exit_code}): {last_words(self._host, name)} (log: docker logs {name})"
        return None
