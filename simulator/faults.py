"""Which faults an engine shows, and reading them from JSON. Acting them out is left to `engine.py` and `completions.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace


@dataclass(frozen=True)
class Faults:
    """Faults that can be switched on at the start (flags) or while running (POST /simulator/faults).

    Rates are fractions from 0 to 1.
    """

    hang: bool = False
    """/health says 200, but no completion ever answers."""
    error_rate: float = 0.0
    """Completions answered with status 500."""
    first_token_delay_seconds: float = 0.0
    """Added to the time to first token of every completion."""
    cut_rate: float = 0.0
    """Streams whose connection is reset in the middle."""
    wrong_rate: float = 0.0
    """Prompts with a wrong answer: always the same prompts for a seed, and those of a lower rate stay wrong at a higher one."""
    empty_rate: float = 0.0
    """Completions answered in order, with no text."""
    crash_after: int | None = None
    """The process exits without a word at the next completion after this many; None: never."""
    wrong_model: str = ""
    """The engine serves this model name instead of its own; empty: its own."""

    def __post_init__(self) -> None:
        for name in ("error_rate", "cut_rate", "wrong_rate", "empty_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, need a fraction from 0 to 1")
        if self.first_token_delay_seconds < 0:
            raise ValueError(f"first_token_delay_seconds: got {self.first_token_delay_seconds}, need 0 or more seconds")
        if self.crash_after is not None and self.crash_after < 0:
            raise ValueError(f"crash_after: got {self.crash_after}, need a count of 0 or more, or null")

    def changed(self, changes: Mapping[str, object]) -> Faults:
        """These faults with some of them set anew. Raises ValueError for an unknown name or a value of the wrong kind."""
        checked = {name: _checked(name, value) for name, value in changes.items()}
        return replace(self, **checked)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        """All faults by name."""
        return asdict(self)


def _checked(name: str, value: object) -> object:
    known = {field.name: field.default for field in fields(Faults)}
    if name not in known:
        raise ValueError(f"{name}: got a fault of this name, need one of {', '.join(sorted(known))}")
    if name == "crash_after":
        return _of_kind(name, value, (int, type(None)), "a whole number or null")
    default = known[name]
    if isinstance(default, bool):
        return _of_kind(name, value, (bool,), "true or false")
    if isinstance(default, float):
        return float(_of_kind(name, value, (int, float), "a number"))  # type: ignore[arg-type]
    return _of_kind(name, value, (str,), "a text")


def _of_kind(name: str, value: object, kinds: tuple[type, ...], need: str) -> object:
    # bool is an int in Python; `error_rate: true` is a mistake all the same.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{name}: got {value!r}, need {need}")
    return value
