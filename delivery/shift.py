"""Which change of weights is legal, and what it needs first. The only place that knows the rules of going up and of going back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from delivery.color import Color, Weights
from delivery.refusal import Refusal
from delivery.split_record import SplitRecord


class Need(StrEnum):
    """What a shift needs before the weights are written.

    `nothing`: no weight rises. `liveness`: a token from the color that rises. `receipts`: passing receipts for its live engines.
    """

    NOTHING = "nothing"
    LIVENESS = "liveness"
    RECEIPTS = "receipts"


@dataclass(frozen=True)
class Wish:
    """What the config asks for: the active color, the weights, the steps of a raise in percent, and each color's release digest."""

    service: str
    active: Color
    target: Weights
    steps: tuple[int, ...]
    releases: Mapping[Color, str]


@dataclass(frozen=True)
class Shift:
    """A legal change of weights. `before` is None for a service that has none yet, `rising` None when no weight rises."""

    before: Weights | None
    target: Weights
    rising: Color | None
    need: Need

    @property
    def changes(self) -> bool:
        """Whether the weights differ from those before."""
        return self.before != self.target


def base_of(record: SplitRecord, live: Weights | None) -> Weights | None:
    """The weights that a shift starts from: those before a shift that nobody proved, else the router's own."""
    return record.journal.before if record.journal else live


def rising_color(before: Weights | None, wish: Wish) -> Color | None:
    """The color whose weight goes up; the active one on a first deployment; None when none does."""
    if before is None:
        return wish.active
    return next((color for color in Color if wish.target.of(color) > before.of(color)), None)


def decide(wish: Wish, record: SplitRecord, live: Weights | None, engines: Mapping[Color, tuple[str, ...]]) -> Shift:
    """The shift from the live weights to the wish, `engines` being the identities live now (invariant 2 of the design).

    A canary's decrease and the return to a proven color go any distance; a raise goes one step, with receipts. A release that was put
    on the active color while the canary carried everything rises like any other.
    Raises Refusal for a raise of more than one step, a first deployment that isn't all on the active color, and roles exchanged
    for a color that never carried all traffic.
    """
    before = base_of(record, live)
    if before is None:
        return _first(wish)
    _check_roles(wish, record)
    rising = rising_color(before, wish)
    if rising is None:
        return Shift(before, wish.target, None, Need.NOTHING)
    is_decrease_of_canary = wish.active == rising == (record.active or rising) and not _is_another_release(record, rising, wish)
    if is_decrease_of_canary or is_proven(record, rising, wish.releases.get(rising, ""), engines.get(rising, ())):
        return Shift(before, wish.target, rising, Need.LIVENESS)
    if not _carried_all(record, rising, wish):
        _check_step(wish, before, rising)
    return Shift(before, wish.target, rising, Need.RECEIPTS)


def is_proven(record: SplitRecord, color: Color, release: str, engines: tuple[str, ...]) -> bool:
    """Whether exactly these processes have carried all traffic with this release."""
    run = record.proven.get(color)
    return run is not None and run.release == release and bool(engines) and set(engines) <= set(run.engines)


def _carried_all(record: SplitRecord, color: Color, wish: Wish) -> bool:
    run = record.proven.get(color)
    return run is not None and run.release == wish.releases.get(color)


def _is_another_release(record: SplitRecord, color: Color, wish: Wish) -> bool:
    """Whether the color got a release that is not the one that made it active: at canaryWeight 100 the active pool may be replaced."""
    return color in record.proven and not _carried_all(record, color, wish)


def _first(wish: Wish) -> Shift:
    if wish.target.of(wish.active) != 100:
        raise Refusal(
            f"services.{wish.service}.canaryWeight", wish.target.of(wish.active.other), "0 on the first deployment",
            f"{wish.active} has to carry the traffic before any of it can be moved",
            f"deploy with canaryWeight 0, then raise it to {wish.steps[0]}",
        )  # fmt: skip
    return Shift(None, wish.target, wish.active, Need.RECEIPTS)


def _check_roles(wish: Wish, record: SplitRecord) -> None:
    if record.active in (None, wish.active) or _carried_all(record, wish.active, wish):
        return
    raise Refusal(
        f"services.{wish.service}.active", wish.active, f"{wish.active.other} until {wish.active} has carried all traffic",
        f"the roles can only be exchanged for a color proven at 100, and {wish.active}'s release was not",
        f"raise canaryWeight to 100 step by step with active: {wish.active.other}, then set active: {wish.active} and canaryWeight: 0",
    )  # fmt: skip


def _check_step(wish: Wish, before: Weights, rising: Color) -> None:
    highest = next((step for step in wish.steps if step > before.of(rising)), 100)
    if wish.target.of(rising) <= highest:
        return
    raise Refusal(
        f"services.{wish.service}.canaryWeight", _as_canary(wish, wish.target.of(rising), rising),
        f"at most {_as_canary(wish, highest, rising)}" if rising is not wish.active else f"at least {_as_canary(wish, highest, rising)}",
        f"{rising} carries {before.of(rising)} % and a raise goes one step of {list(wish.steps)}",
        f"set it to {_as_canary(wish, highest, rising)} and go on from there, or change `steps`",
    )  # fmt: skip


def _as_canary(wish: Wish, percent: int, rising: Color) -> int:
    return percent if rising is not wish.active else 100 - percent
