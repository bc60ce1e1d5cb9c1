"""How a user sets a config value: the sentence that ends a refusal."""

from __future__ import annotations

import re

DECIMAL = re.compile(r"\d+\.\d+")


def how_to_set(path: str, value: object) -> str:
    """The command that sets one value, or what to write where `pulumi config set` would store text (decimals, lists, maps)."""
    text = str(value)
    if text.startswith(("[", "{")) or DECIMAL.fullmatch(text):
        name = re.sub(r"(\[\d+\])+$", "", path).rsplit(".", 1)[-1]
        return f"write `{name}: {text}` in the stack's file"
    return f"run: pulumi config set --path 'verdigris:{path}' {text}"
