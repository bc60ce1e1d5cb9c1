"""Paths that a config or release may name: relative to the project root and inside it, so that a stack means the same on every machine."""

from __future__ import annotations


def path_problem(path: str) -> str | None:
    """What is wrong with a project path; None when nothing is."""
    if path.startswith(("/", "~")):
        return "begins outside the project"
    if "\\" in path or any(ord(character) < 32 for character in path):
        return "holds characters that paths of a project don't have"
    parts = path.removeprefix("./").split("/")
    if ".." in parts:
        return "leaves the project with `..`"
    if "" in parts or "." in parts:
        return "has an empty part"
    return None
