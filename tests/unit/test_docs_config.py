"""docs/config.md has a row for every key that the schema knows, with its default and its bounds, and none that it doesn't know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from delivery.config_models import GatesConfig, PoolConfig, ServiceConfig, StackConfig
from delivery.release import Release

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "config.md"
SECTIONS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "## Stack": (StackConfig, {"services"}),
    "## A service": (ServiceConfig, {"blue", "green", "gates"}),
    "## A pool": (PoolConfig, set()),
    "## Gates": (GatesConfig, set()),
    "## A release file": (Release, set()),
}
SECRETS = {"apiKey", "clientKeys", "graderKey"}
"""Read by the program as Pulumi secrets; they never reach the schema."""


def nested(field: FieldInfo) -> type[BaseModel] | None:
    """The model behind `M` or `M | None`."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def keys(model: type[BaseModel], left_out: set[str], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key that holds a value, as it is written in YAML."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in left_out:
            continue
        inner = nested(field)
        if inner is None:
            yield prefix + key, field
        else:
            yield from keys(inner, set(), f"{prefix}{key}.")


def rows(heading: str) -> dict[str, str]:
    """The rows of one section by key."""
    section = REFERENCE.read_text(encoding="utf-8").partition(f"\n{heading}")[2].partition("\n## ")[0]
    return {match[1]: match[0] for match in re.finditer(r"^\| `([\w.]+)` \|.*$", section, re.MULTILINE)}


def stated(field: FieldInfo) -> list[str]:
    """What has to stand in the row: the default, unless it is nothing or a map, and the numbers that bound the value."""
    default: Any = field.default
    if isinstance(default, Enum):
        default = default.value
    words = [f"{default:g}" if isinstance(default, float) else str(default)] if isinstance(default, int | float | str) else []
    for rule in field.metadata:
        words += [f"{getattr(rule, bound):.15g}" for bound in ("ge", "le", "gt", "lt") if getattr(rule, bound, None) is not None]
    return words


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_has_a_row_and_every_row_a_key(heading: str) -> None:
    model, left_out = SECTIONS[heading]
    written = set(rows(heading)) - (SECRETS if model is StackConfig else set())
    assert written == {key for key, _ in keys(model, left_out)}, f"mend docs/config.md, section {heading!r}"


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_row_states_default_and_bounds(heading: str) -> None:
    model, left_out = SECTIONS[heading]
    found = rows(heading)
    missing = {
        key: [word for word in stated(field) if not re.search(rf"(?<![\d.]){re.escape(word)}(?![\d.]*\d)", found.get(key, ""))]
        for key, field in keys(model, left_out)
    }
    assert {key: words for key, words in missing.items() if words} == {}
