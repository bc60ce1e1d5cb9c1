"""The order of a shift: check, journal, write, read back, prove, smoke-test, remember; and the way back from each of them.

What is legal and what counts as proven is decided in delivery; how the world is read and written is behind `SplitWorld`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from delivery import shift as shifts
from delivery import split_proof
from delivery.color import Color, Weights
from delivery.coverage import Subject, shortfall
from delivery.receipt import Receipt
from delivery.shift import Need, Shift, Wish
from delivery.split_record import Journal, ProvenRun, SplitRecord


class ShiftFailed(Exception):
    """The weights asked for could not be reached; the message carries the evidence and says what is live now."""


class SplitWorld(Protocol):
    """Everything a shift reads and writes. Each call is short and has its own deadline."""

    def read_record(self) -> SplitRecord: ...
    def write_record(self, record: SplitRecord) -> None: ...
    def live_weights(self) -> Weights | None: ...
    def identities(self, color: Color) -> Mapping[str, str | None]: ...
    def wake(self, color: Color) -> None: ...
    def silent_engines(self, color: Color) -> Mapping[str, str | None]: ...
    def receipts(self, color: Color, identities: Mapping[str, str | None]) -> Sequence[tuple[str, Receipt | None, Subject]]: ...
    def write_weights(self, weights: Weights | None) -> None: ...
    def await_weights(self, weights: Weights | None) -> None: ...
    def count_colors(self, at_least: int) -> Mapping[Color | None, int]: ...
    def smoke(self, color: Color) -> str | None: ...
    def say(self, text: str) -> None: ...


@dataclass(frozen=True)
class Proof:
    """What a shift left behind: the weights before and now, and the probes that each color answered."""

    before: Weights | None
    weights: Weights
    observed: Mapping[Color | None, int]


def run(world: SplitWorld, wish: Wish) -> Proof:
    """Make the wish true or leave the weights as they were.

    Raises Refusal for a change that is not legal and ShiftFailed for one that could not be proven; in both cases the weights from
    before are live, unless the message says that they could not be restored.
    """
    record, live = world.read_record(), world.live_weights()
    before = shifts.base_of(record, live)
    rising = shifts.rising_color(before, wish)
    identities = world.identities(rising) if rising else {}
    running = tuple(identity for identity in identities.values() if identity is not None)
    decided = shifts.decide(wish, record, live, {rising: running} if rising else {})
    _check(world, wish, decided, live, identities)
    begun = record.model_copy(update={"journal": Journal(before=decided.before, target=decided.target)})
    _guard(wish, decided.before, "the journal could not be written", lambda: world.write_record(begun))
    try:
        observed = _move(world, decided)
    except BaseException as failure:
        _restore(world, record, decided, failure)
        raise
    world.write_record(_remember(world, wish, record, identities))
    return Proof(decided.before, decided.target, observed)


def _check(world: SplitWorld, wish: Wish, shift: Shift, live: Weights | None, identities: Mapping[str, str | None]) -> None:
    """Everything that can say no before anything is written."""
    if shift.rising is None:
        return
    color = shift.rising
    where = f"{wish.service}/{color}"
    kept = f"Weights are unchanged at {live}" if live else "No weights are set"
    world.wake(color)
    if shift.need is Need.RECEIPTS:
        reason = shortfall(world.receipts(color, identities))
        if reason:
            raise ShiftFailed(
                f"{where}: got a release whose {reason}, need passing receipts for the engines that run now because it is to rise to "
                f"{shift.target.of(color)} %; run `pulumi up` without --target so that its gates measure it. {kept}"
            )
    silent = {engine: reason for engine, reason in world.silent_engines(color).items() if reason}
    every = set(silent) >= set(identities)
    if every or (silent and shift.need is Need.RECEIPTS):
        raise ShiftFailed(
            f"{where}: got no token ({'; '.join(f'{engine}: {reason}' for engine, reason in sorted(silent.items()))}), need one because it "
            f"is to carry {shift.target.of(color)} %; look at its engines' logs. {kept}"
        )
    for engine, reason in sorted(silent.items()):
        world.say(f"{where}: {engine} answers nothing ({reason}); the pool's other engines carry its share")
    reason = world.smoke(color)
    if reason:
        raise ShiftFailed(f"{where}: got {reason} through the router, need a whole answer before it carries traffic. {kept}")


def _move(world: SplitWorld, shift: Shift) -> Mapping[Color | None, int]:
    """Write, read back, prove, smoke-test. Raises ShiftFailed or OSError."""
    world.write_weights(shift.target)
    world.await_weights(shift.target)
    observed = _prove(world, shift)
    for color in [shift.rising] if shift.rising else []:
        reason = world.smoke(color)
        if reason:
            raise ShiftFailed(f"{color}: got {reason} at {shift.target}, need a whole plain and streamed completion")
    return observed


def _prove(world: SplitWorld, shift: Shift) -> Mapping[Color | None, int]:
    """The colors that answered, when they fit. What doesn't fit is counted a second time, unless a color that answers nothing explains it:
    each of its probes costs a deadline."""
    everyone = dict.fromkeys(Color, True)
    alive: dict[Color, bool] = {}
    for _ in range(2):
        observed = world.count_colors(split_proof.probes_needed(shift.target))
        reason = split_proof.judge(observed, shift.target, everyone, shift.rising)
        if reason is None:
            return observed
        alive = alive or {color: color is shift.rising or _lives(world, color) for color in Color}
        if shift.rising is None and not any(alive[color] for color in Color if shift.target.of(color)):
            raise ShiftFailed(f"got {reason}, and no color that carries traffic answers")
        unexcused = split_proof.judge(observed, shift.target, alive, shift.rising)
        if unexcused is None:
            world.say(f"the split is proven without a color that answers nothing: {reason}")
            return observed
    raise ShiftFailed(unexcused)


def _lives(world: SplitWorld, color: Color) -> bool:
    reasons = world.silent_engines(color)
    return any(reason is None for reason in reasons.values())


def _remember(world: SplitWorld, wish: Wish, record: SplitRecord, identities: Mapping[str, str | None]) -> SplitRecord:
    """The record after a proven shift: a color that now carries everything is proven with the engines it has."""
    proven = dict(record.proven)
    for color in Color:
        if wish.target.of(color) == 100:
            engines = tuple(identity for identity in (identities or world.identities(color)).values() if identity is not None)
            proven[color] = ProvenRun(release=wish.releases[color], engines=engines)
    return SplitRecord(weights=wish.target, active=wish.active, proven=proven, journal=None)


def _restore(world: SplitWorld, record: SplitRecord, shift: Shift, failure: BaseException) -> None:
    """Bring back the weights from before and say what is live. An interruption passes on as it is."""
    kept = _bring_back(world, record, shift)
    if isinstance(failure, OSError):
        raise ShiftFailed(
            f"got {failure}, need a router that takes the weights {shift.target}; mend that and run `pulumi up` again. {kept}"
        ) from failure
    if isinstance(failure, ShiftFailed):
        raise ShiftFailed(f"{failure}. {kept}") from failure


def _bring_back(world: SplitWorld, record: SplitRecord, shift: Shift) -> str:
    try:
        if world.live_weights() != shift.before:
            world.write_weights(shift.before)
            world.await_weights(shift.before)
    except (OSError, ShiftFailed) as again:
        return (
            f"The weights from before ({shift.before}) could not be restored ({again}); mend that and run `pulumi up` again, "
            "which finishes or undoes the shift"
        )
    try:
        world.write_record(record.model_copy(update={"weights": shift.before, "journal": None}))
    except OSError as error:
        # A journal left behind is harmless: it names the weights that are live again.
        world.say(f"the record of the shift could not be closed ({error}); the next `pulumi up` does it")
    return f"Weights are unchanged at {shift.before}" if shift.before else "No weights are set"


def _guard(wish: Wish, before: Weights | None, what: str, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:
        raise ShiftFailed(
            f"services.{wish.service}: {what} (got {error}), need it because a shift that dies must be finished or undone; free the disk. "
            f"Weights are unchanged at {before}"
        ) from error
