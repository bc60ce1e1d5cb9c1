"""The door of the config: raw values in, a StackConfig or refusals out. Everyone imports config from here.

The shape is delivery/config_models.py's, the rules between fields delivery/config_rules.py's, the wording delivery/config_errors.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError

from delivery.config_advice import how_to_set
from delivery.config_errors import Document, refusals_of
from delivery.config_models import (
    DockerConfig,
    DrainConfig,
    GatesConfig,
    PoolConfig,
    ProofConfig,
    RouterConfig,
    RouterKind,
    ServiceConfig,
    StackConfig,
    Standby,
    Target,
)
from delivery.config_rules import broken_rules
from delivery.field_notes import CONFIG_NOTES
from delivery.refusal import Refusal, Refusals

__all__ = [
    "DockerConfig",
    "DrainConfig",
    "GatesConfig",
    "PoolConfig",
    "ProofConfig",
    "RouterConfig",
    "RouterKind",
    "ServiceConfig",
    "StackConfig",
    "Standby",
    "Target",
    "parse_config",
]

DOCUMENT = Document(StackConfig, CONFIG_NOTES, how_to_set, "config")


def parse_config(raw: Mapping[str, object]) -> StackConfig:
    """The config of a stack from plain values (`target`, `basePort`, `router`, `services`; absent or None means the default).

    Raises Refusals with one Refusal for every mistake; the rules between fields are only looked at once every field is well-formed.
    """
    stated = {key: value for key, value in raw.items() if value is not None}
    try:
        text = json.dumps(stated)
    except (TypeError, ValueError, RecursionError) as error:
        raise Refusals([_not_json(error)]) from None
    try:
        # Through JSON, because pydantic's strict mode takes "blue" for an enum and a list for a tuple from JSON only.
        config = StackConfig.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise Refusals(refusals_of(error, DOCUMENT)) from None
    broken = broken_rules(config)
    if broken:
        raise Refusals(broken)
    return config


def _not_json(error: Exception) -> Refusal:
    return Refusal("config", f"values that are not JSON ({error})", "text, numbers, booleans, lists and maps",
                   "Pulumi hands config over as JSON", "quote dates and other special YAML values")  # fmt: skip
