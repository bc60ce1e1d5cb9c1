"""How values are written in nginx's language."""

from __future__ import annotations


def quoted(text: str) -> str:
    """A text as one word. Raises ValueError for a `$`, which nginx would take for a variable."""
    if "$" in text:
        raise ValueError(f"nginx would read a variable in {text!r}")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def variable(service: str, name: str) -> str:
    """The name of a service's variable, with the `$`. Distinct for distinct services: other signs are written as their code."""
    plain = "".join(sign if sign.isascii() and (sign.islower() or sign.isdigit()) else f"_{ord(sign):x}_" for sign in service)
    return f"$verdigris_{plain}_{name}"
