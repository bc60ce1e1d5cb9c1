"""What an `up` will do to a service: roles, order, gates, engines, time. Read by the preview and by the components, so both agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from delivery.color import Color, Weights
from delivery.coverage import GateMode, Subject, mismatch, must_measure
from delivery.receipt import GateName, Receipt
from delivery.refusal import Refusal
from delivery.shift import Need, Shift, Wish, decide, rising_color
from delivery.split_record import SplitRecord


class Role(StrEnum):
    """What a color does once the `up` is through; derived from the config, never stored."""

    ACTIVE = "active"
    CANARY = "canary"
    STANDBY = "standby"


class PoolAction(StrEnum):
    """What happens to a pool's engines."""

    START = "start"
    KEEP = "keep"
    REPLACE = "replace"
    STOP = "stop"
    NONE = "no"


@dataclass(frozen=True)
class DesiredPool:
    """A pool as the config wants it: release digest, digest of everything that would restart its engines, their addresses."""

    release: str
    spec: str
    engines: tuple[str, ...]


@dataclass(frozen=True)
class LiveService:
    """What is known of a service now. `reachable` is False when the router could not be asked; `weights` are then those remembered.

    `specs` are the pools as last deployed, `identities` the engines that answer now (None for one that doesn't).
    """

    reachable: bool
    weights: Weights | None
    record: SplitRecord
    specs: Mapping[Color, str]
    identities: Mapping[Color, Mapping[str, str | None]]
    receipts: Mapping[tuple[Color, GateName], Receipt]


@dataclass(frozen=True)
class GatePlan:
    """One gate of one color: why it is asked, whether it will measure, and a phrase for the preview."""

    gate: GateName
    mode: GateMode
    measures: bool
    why: str


@dataclass(frozen=True)
class PoolPlan:
    """One color of one service."""

    color: Color
    role: Role
    release: str
    action: PoolAction
    engines: int
    mode: GateMode
    gates: tuple[GatePlan, ...]


@dataclass(frozen=True)
class ServicePlan:
    """One service: its shift and its pools. `reachable` is False when the live weights are not known."""

    service: str
    reachable: bool
    shift: Shift
    pools: tuple[PoolPlan, ...]

    def pool(self, color: Color) -> PoolPlan | None:
        """The plan of one color, None where the config has no such pool."""
        return next((pool for pool in self.pools if pool.color is color), None)


def plan_service(
    wish: Wish, desired: Mapping[Color, DesiredPool], sets: Mapping[GateName, str], live: LiveService
) -> ServicePlan:
    """The plan from the live world to the wish. `sets` holds the configured gates with the digest of their items ("" for the warm-up).

    Raises Refusal for a shift that is not legal and for a pool that would change under its traffic.
    """
    base = live.record.journal.before if live.record.journal else live.weights
    rising = rising_color(base, wish)
    for color, pool in desired.items():
        _refuse_change_under_traffic(wish, color, pool, live)
    engines = {rising: _running(live, rising)} if rising else {}
    shift = decide(wish, live.record, live.weights, engines)
    pools = tuple(_pool(color, pool, wish, shift, sets, live) for color, pool in sorted(desired.items()))
    return ServicePlan(wish.service, live.reachable, shift, pools)


def gate_mode(color: Color, shift: Shift, action: PoolAction) -> GateMode:
    """Why the gates of a color are asked in this shift. One that is taken back as it is, is not measured: nobody waits for what is left."""
    if shift.rising is color and shift.need is Need.RECEIPTS:
        return GateMode.REQUIRED
    is_taken_back = shift.before is not None and shift.before.of(color) > 0 and action is PoolAction.KEEP
    return GateMode.ADVISORY if shift.target.of(color) == 0 and not is_taken_back else GateMode.IDLE


def loses_engines(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether an engine goes or changes its address. A pool that only grows keeps all that it has."""
    return not set(before) <= set(after)


def _running(live: LiveService, color: Color) -> tuple[str, ...]:
    return tuple(identity for identity in live.identities.get(color, {}).values() if identity is not None)


def _refuse_change_under_traffic(wish: Wish, color: Color, pool: DesiredPool, live: LiveService) -> None:
    carries = live.weights.of(color) if live.weights else 0
    running = live.specs.get(color)
    if not carries or not wish.target.of(color) or running in (None, ""):
        return
    deployed = tuple(live.identities.get(color, ())) or pool.engines
    if running != pool.spec or set(deployed) != set(pool.engines):
        raise _change_under_traffic(wish, color, pool, carries, deployed)


def _change_under_traffic(wish: Wish, color: Color, pool: DesiredPool, carries: int, deployed: tuple[str, ...]) -> Refusal:
    """What the change is, for people: addresses and numbers of engines first, since they may be why the spec differs."""
    path = f"services.{wish.service}.{color}"
    role = "active" if color is wish.active else "canary"
    grows, shrinks = set(deployed) < set(pool.engines), set(deployed) > set(pool.engines)
    if grows or shrinks:
        because = (
            "a new engine would answer clients before any gate measured it" if grows
            else "what an engine that goes still answers would be cut at the drain's deadline"
        )  # fmt: skip
        return Refusal(
            f"{path}.replicas", f"{len(pool.engines)} while {color} carries {carries} %", f"{len(deployed)} as it was deployed", because,
            f"give {color.other} {len(pool.engines)} and shift to it, or take {color} to 0 % first",
        )  # fmt: skip
    if set(deployed) != set(pool.engines):
        return Refusal(
            path, f"other addresses ({pool.engines[0]}…) while {color} carries {carries} %",
            f"those that it was deployed with ({deployed[0]}…)", f"{color} is the {role} color and its engines would have to be restarted",
            "set basePort and enginePort back, or deploy a second stack with the new ones and move the clients",
        )  # fmt: skip
    return Refusal(
        path, f"another release or engine setting (release {pool.release}) while {color} carries {carries} %",
        "the pool as it was deployed", f"{color} is the {role} color and changing it would restart engines that are answering requests",
        f"put the change on {color.other} and shift to it, or take {color} to 0 % first",
    )  # fmt: skip


def _pool(
    color: Color, pool: DesiredPool, wish: Wish, shift: Shift, sets: Mapping[GateName, str], live: LiveService
) -> PoolPlan:
    action = _action(color, pool, live)
    mode = gate_mode(color, shift, action)
    gates = tuple(_gate(gate, items, color, pool, mode, action, live) for gate, items in sets.items())
    return PoolPlan(color, _role(color, wish), pool.release, action, len(pool.engines), mode, gates)


def _role(color: Color, wish: Wish) -> Role:
    if color is wish.active:
        return Role.ACTIVE
    return Role.CANARY if wish.target.of(color) else Role.STANDBY


def _action(color: Color, pool: DesiredPool, live: LiveService) -> PoolAction:
    running = live.specs.get(color, "")
    if not pool.engines:
        return PoolAction.STOP if running else PoolAction.NONE
    if not running:
        return PoolAction.START
    return PoolAction.KEEP if running == pool.spec else PoolAction.REPLACE


def _gate(
    gate: GateName, items: str, color: Color, pool: DesiredPool, mode: GateMode, action: PoolAction, live: LiveService
) -> GatePlan:
    receipt = live.receipts.get((color, gate))
    subject = Subject(pool.release, {engine: live.identities.get(color, {}).get(engine) for engine in pool.engines}, items)
    reason = mismatch(receipt, subject)
    if not pool.engines:
        return GatePlan(gate, mode, False, "not run, there are no engines")
    measures = must_measure(mode, receipt, subject) or (mode is not GateMode.IDLE and action in (PoolAction.START, PoolAction.REPLACE))
    if not measures:
        if mode is GateMode.IDLE:
            return GatePlan(gate, mode, False, "not needed, no weight rises unproven")
        return GatePlan(gate, mode, False, f"not run, measured already: {receipt.verdict if receipt else 'unknown'}")
    because = "its last verdict was no pass" if reason is None else f"the release {reason}"
    why = f"runs, {because}" + ("" if mode is GateMode.REQUIRED else " (advisory: nothing rises)")
    return GatePlan(gate, mode, True, why)
