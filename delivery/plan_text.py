"""The plan as a person reads it in `pulumi preview` and in a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from delivery.plan import PoolPlan, ServicePlan
from delivery.receipt import SECONDS, GateName, Receipt
from delivery.shift import Need

FLOOR_SECONDS = 5
"""What an `up` costs without gates: Pulumi's own start, read-backs and the proof of the split."""


def plan_lines(plan: ServicePlan, receipts: Mapping[str, Sequence[Receipt]]) -> list[str]:
    """The lines of one service. `receipts` holds, by color, what earlier gates measured, from which the expected time follows."""
    return [f"{plan.service}: {_weights(plan)}; expect about {_expected_time(plan, receipts)}", *_pools(plan)]


def gpu_lines(uses: Mapping[int, Sequence[tuple[str, float]]]) -> list[str]:
    """The GPUs in use once the `up` is through: by id, who is on it and with which share of its memory."""
    return [
        f"gpu {gpu}: " + ", ".join(f"{owner} {share * 100:.0f} %" for owner, share in owners)
        for gpu, owners in sorted(uses.items())
    ]


def orphan_warning(programs: Sequence[str]) -> str:
    """What an `up` does to programs whose supervisord is dead, for whoever chooses its moment."""
    return (
        f"supervisord is dead: `pulumi up` ends {', '.join(programs)} and starts them again, because a new one can't adopt them; requests "
        "in flight are cut and clients get no answer until the engines have loaded. Until then they go on answering: choose the moment"
    )


def _weights(plan: ServicePlan) -> str:
    shift = plan.shift
    if not plan.reachable:
        known = f"last known weights {shift.before}" if shift.before else "no weights known"
        return f"live weights unknown, the router does not answer ({known}) -> {shift.target}"
    if shift.before is None:
        return f"first deployment -> {shift.target}, after its gates"
    if not shift.changes:
        return f"weights unchanged at {shift.target}"
    needs = {Need.RECEIPTS: "after passing gates", Need.LIVENESS: "at once, after a token from it", Need.NOTHING: "at once"}
    return f"weights {shift.before} -> {shift.target}, {needs[shift.need]}"


def _pools(plan: ServicePlan) -> list[str]:
    lines = []
    for pool in plan.pools:
        engines = f"{pool.engines} engine{'' if pool.engines == 1 else 's'}"
        lines.append(f"  {pool.color}: {pool.role}, release {pool.release}, {pool.action} {engines}")
        lines += [f"    {gate.gate}: {gate.why}" for gate in pool.gates]
    return lines


def _expected_time(plan: ServicePlan, receipts: Mapping[str, Sequence[Receipt]]) -> str:
    """From what each gate took the last time, loading included; one that never ran here can't be told."""
    times = [seconds for pool in plan.pools for seconds in _gate_seconds(pool, receipts.get(pool.color, ()))]
    known = FLOOR_SECONDS + sum(seconds for seconds in times if seconds is not None)
    return f"{known:.0f} s" + (", and the time to load and to measure for the first time" if None in times else "")


def _gate_seconds(pool: PoolPlan, receipts: Sequence[Receipt]) -> list[float | None]:
    took: dict[GateName, float | None] = {receipt.gate: receipt.numbers.get(SECONDS) for receipt in receipts}
    return [took.get(gate.gate) for gate in pool.gates if gate.measures]
