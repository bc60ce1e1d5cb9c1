"""Colors of pools and the weights of a service. Roles (active, canary, standby) are derived elsewhere, never stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Color(StrEnum):
    """A physical pool. Never a role: what a color does now follows from the config and the weights."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Color:
        """The pool beside this one."""
        return Color.GREEN if self is Color.BLUE else Color.BLUE


@dataclass(frozen=True)
class Weights:
    """Integer percent of new requests for each color; they sum to 100, so 0/0 (Envoy would answer 404 to everyone) can't exist.

    Raises ValueError for anything else.
    """

    blue: int
    green: int

    def __post_init__(self) -> None:
        if not (0 <= self.blue <= 100 and 0 <= self.green <= 100 and self.blue + self.green == 100):
            raise ValueError(f"got weights {self.blue}/{self.green}, need integers from 0 to 100 that sum to 100")

    @classmethod
    def of_canary(cls, active: Color, canary_percent: int) -> Weights:
        """The weights when `canary_percent` of the traffic goes to the color that isn't active."""
        rest = 100 - canary_percent
        return cls(rest, canary_percent) if active is Color.BLUE else cls(canary_percent, rest)

    @classmethod
    def all_on(cls, color: Color) -> Weights:
        """Everything on one color."""
        return cls.of_canary(color, 0)

    def of(self, color: Color) -> int:
        """Percent on one color."""
        return self.blue if color is Color.BLUE else self.green

    def __str__(self) -> str:
        return f"blue {self.blue} / green {self.green}"
