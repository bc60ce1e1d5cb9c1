"""Turns what pydantic says about a config or a release into refusals that a person can act on."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from delivery.refusal import Refusal


def refusals_of(error: ValidationError, model: type[BaseModel]) -> list[Refusal]:
    """One refusal for each error of the validation."""
    return [Refusal(".".join(map(str, e["loc"])), e["input"], e["msg"], "it is invalid", "mend it") for e in error.errors()]
