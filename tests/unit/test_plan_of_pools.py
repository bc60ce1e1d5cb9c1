"""What may happen to the engines of a color that carries traffic, and why its gates are asked."""

from __future__ import annotations

import pytest

from delivery.color import Color, Weights
from delivery.coverage import GateMode
from delivery.plan import DesiredPool, LiveService, PoolAction, ServicePlan, moves, plan_service
from delivery.receipt import GateName
from delivery.refusal import Refusal
from delivery.shift import Wish
from delivery.split_record import SplitRecord

BLUE, GREEN = Color.BLUE, Color.GREEN
DEPLOYED = {BLUE: DesiredPool("b", "spec-b", ("h:1",)), GREEN: DesiredPool("g", "spec-g", ("h:51",))}


def plan(before: Weights, after: Weights, changes: dict[Color, DesiredPool] | None = None) -> ServicePlan:
    """From a deployed service with these weights to others, with other pools where changes say so."""
    identities = {color: {engine: f"{engine}@1.00" for engine in pool.engines} for color, pool in DEPLOYED.items()}
    specs = {color: pool.spec for color, pool in DEPLOYED.items()}
    live = LiveService(True, before, SplitRecord(weights=before, active=BLUE), specs, identities, {})
    pools = DEPLOYED | (changes or {})
    wish = Wish("chat", BLUE, after, (25, 100), {color: pool.release for color, pool in pools.items()})
    return plan_service(wish, pools, {GateName.WARMUP: "", GateName.EVAL: "items"}, live)


def modes(planned: ServicePlan, color: Color) -> set[GateMode]:
    """Why the gates of a color are asked."""
    pool = planned.pool(color)
    assert pool is not None
    assert {gate.mode for gate in pool.gates} == {pool.mode}
    return {pool.mode}


@pytest.mark.parametrize("color", list(Color))
def test_another_release_of_a_weighted_color_is_refused(color: Color) -> None:
    with pytest.raises(Refusal, match=f"services.chat.{color}: got another release .* take {color} to 0 % first"):
        plan(Weights(75, 25), Weights(75, 25), {color: DesiredPool("x", "spec-x", DEPLOYED[color].engines)})


def test_other_ports_of_a_weighted_color_are_refused() -> None:
    with pytest.raises(Refusal, match=r"got other addresses \(h:9…\) while blue carries 100 %.* set basePort and enginePort back"):
        plan(Weights(100, 0), Weights(100, 0), {BLUE: DesiredPool("b", "spec-b", ("h:9",))})


def test_a_weighted_pool_may_grow_and_shrink() -> None:
    grown = {BLUE: DesiredPool("b", "spec-b", ("h:1", "h:2"))}
    planned = plan(Weights(100, 0), Weights(100, 0), grown).pool(BLUE)
    assert planned is not None
    assert planned.action is PoolAction.KEEP
    assert (moves(("h:1", "h:2"), ("h:1",)), moves(("h:1",), ("h:1", "h:2")), moves(("h:1",), ("h:2",))) == (False, False, True)


def test_a_color_that_is_taken_back_may_change_and_is_measured_only_then() -> None:
    back = (Weights(75, 25), Weights(100, 0))
    assert modes(plan(*back), GREEN) == {GateMode.IDLE}
    assert modes(plan(*back, {GREEN: DesiredPool("x", "spec-x", ("h:51",))}), GREEN) == {GateMode.ADVISORY}
    assert modes(plan(Weights(100, 0), Weights(100, 0)), GREEN) == {GateMode.ADVISORY}
    assert modes(plan(Weights(100, 0), Weights(75, 25)), GREEN) == {GateMode.REQUIRED}
