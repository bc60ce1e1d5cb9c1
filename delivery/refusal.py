"""How Verdigris says no: one sentence a person can act on. Who raises it and how it is shown is left to the callers."""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):
    """A request that can't be carried out; nothing was changed.

    `path` is where the mistake stands (a config path, a file, a service), `do` what to do about it.
    """

    def __init__(self, path: str, got: object, need: str, because: str, do: str) -> None:
        self.path = path
        super().__init__(f"{path}: got {got}, need {need} because {because}; {do}")


class Refusals(Exception):
    """Several refusals at once, one a line, so that a person mends all of them in one go."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(str(refusal) for refusal in self.refusals))
