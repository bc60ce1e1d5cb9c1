"""What a gate leaves behind. Whether a receipt still holds is decided in delivery/coverage.py."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from delivery.color import Color

SECONDS = "seconds"
"""The number of every receipt that says how long its gate took, loading included."""


class Verdict(StrEnum):
    """Outcome of a gate. Only `pass` lets a weight rise; missing data is `inconclusive`, never a pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class GateName(StrEnum):
    """The gates of a release, in the order in which they run."""

    WARMUP = "warmup"
    EVAL = "eval"


class Receipt(BaseModel):
    """Evidence for one release on the engine processes that were measured.

    `engines` are identities (`host:port@start time`), so a restarted process is another engine. `evaluation_set` is the digest of the
    items measured (empty for the warm-up); `baseline` says what the candidate was compared with. `measured_at` is ISO 8601, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: GateName
    service: str
    color: Color
    release: str
    engines: tuple[str, ...]
    verdict: Verdict
    reason: str
    measured_at: str
    samples: int = 0
    numbers: dict[str, float] = {}
    evaluation_set: str = ""
    baseline: str = ""
