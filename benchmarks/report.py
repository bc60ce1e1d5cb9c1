"""What a bench hands back: figures, and which of its limits they break. Pure."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


class BenchFailed(Exception):
    """A bench couldn't measure what it is for; the message says at which step and what was printed there."""


@dataclass
class Report:
    """Figures by name, in the order they were noted, and a line for each limit that they break."""

    bench: str
    quick: bool
    figures: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def note(self, **figures: Any) -> None:
        """Add figures."""
        self.figures.update(figures)

    def at_most(self, name: str, limit: float) -> None:
        """The figure of this name must be there, a number, and not above the limit."""
        self._limit(name, "at most", limit, lambda value: value <= limit)

    def at_least(self, name: str, limit: float) -> None:
        """The figure of this name must be there, a number, and not below the limit."""
        self._limit(name, "at least", limit, lambda value: value >= limit)

    def to_json(self) -> str:
        """One line of JSON; what isn't a number (nothing was measured) is null."""
        whole = {"bench": self.bench, "quick": self.quick, **self.figures, "within_limits": not self.problems, "problems": self.problems}
        return json.dumps(_without_nan(whole))

    def _limit(self, name: str, word: str, limit: float, holds: Any) -> None:
        value = self.figures.get(name)
        if not isinstance(value, int | float) or not holds(value):  # a NaN holds nothing
            self.problems.append(f"{name}: got {value}, need {word} {limit:g}")


def ratio(mine: float, peer: float) -> float:
    """How many times the peer's figure; NaN where the peer's isn't positive, which no limit accepts."""
    return round(mine / peer, 3) if peer > 0 else math.nan


def median(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    return statistics.median(values) if values else math.nan


def milliseconds(seconds: float) -> float:
    """For figures that are read by people."""
    return round(seconds * 1000, 3)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
