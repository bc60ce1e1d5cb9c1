"""What TrafficSplit remembers of a service between two `up`s. The router's live weights beat it; it says what they can't."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from delivery.color import Color, Weights


class ProvenRun(BaseModel):
    """A color that has carried all traffic: the release it ran and the identities of its engines at that time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    engines: tuple[str, ...]


class Journal(BaseModel):
    """A shift that was begun and not yet proven. `before` is None for a service that had no weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: Weights | None
    target: Weights


class SplitRecord(BaseModel):
    """The weights last written, the active color then, the colors proven under all traffic, and the shift in progress, if an `up`
    died in one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Weights | None = None
    active: Color | None = None
    proven: dict[Color, ProvenRun] = {}
    journal: Journal | None = None
