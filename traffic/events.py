"""What became of one request, and the line of JSON that carries it between processes. Judging answers is left to `judging.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    FAILED = "failed"
    """No proper answer: a status other than 200, no connection, a reset, a timeout, an answer of the wrong shape."""
    CUT = "cut"
    """A stream that began (status 200) and didn't come to its proper end."""


@dataclass(frozen=True, slots=True)
class Event:
    """One request. Moments are seconds since the epoch, so that processes can compare them."""

    stream: bool
    outcome: Outcome
    reason: str
    """Empty for `ok`; else in few words, the same words for the same kind of failure."""
    planned_at: float
    """When the request was due. Latencies count from here: a request that leaves late has waited, too."""
    sent_at: float
    ended_at: float
    first_token_seconds: float | None
    """From `planned_at` to the first bytes of the body of a stream; None for plain requests and where nothing came."""
    tokens: int
    status: int
    """Of HTTP; 0 where there was no answer."""
    color: str
    """Header x-verdigris-color; empty where there was none."""
    release: str
    """Header x-verdigris-release; empty where there was none."""

    @property
    def latency_seconds(self) -> float:
        """From the planned moment to the end of the answer."""
        return self.ended_at - self.planned_at

    def to_line(self) -> str:
        """A line of JSON (a list, to be short), with its line end."""
        row = [getattr(self, name) for name in _NAMES]
        return json.dumps(row, separators=(",", ":")) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Event:
        """The event of such a line. Raises ValueError for any other text."""
        row = json.loads(line)
        if not isinstance(row, list) or len(row) != len(_NAMES):
            raise ValueError(f"got a line of {line[:80]!r}, need a list of {len(_NAMES)} values")
        values = dict(zip(_NAMES, row, strict=True))
        values["outcome"] = Outcome(values["outcome"])
        return cls(**values)


_NAMES = tuple(Event.__dataclass_fields__)
