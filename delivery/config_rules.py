"""The rules between the fields of a config, and those that a bound can't say."""

from __future__ import annotations

from delivery.config_models import StackConfig
from delivery.refusal import Refusal


def broken_rules(config: StackConfig) -> list[Refusal]:
    """Every rule that a well-formed config breaks."""
    return []
