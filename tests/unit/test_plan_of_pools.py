"""What may happen to the engines of a color that carries traffic, and why its gates are asked."""

from __future__ import annotations

import pytest

from delivery.color import Color, Weights
from delivery.coverage import GateMode
from delivery.desired import DesiredEngine, spec_of
from delivery.engine_args import EngineCommand
from delivery.plan import DesiredPool, LiveService, PoolAction, ServicePlan, loses_engines, plan_service
from delivery.plan_text import plan_lines
from delivery.receipt import SECONDS, GateName, Receipt, Verdict
from delivery.refusal import Refusal
from delivery.shift import Wish
from delivery.split_record import SplitRecord

BLUE, GREEN = Color.BLUE, Color.GREEN
DEPLOYED = {BLUE: DesiredPool("b", "spec-b", ("h:1",)), GREEN: DesiredPool("g", "spec-g", ("h:51",))}


def plan(
    before: Weights, after: Weights, changes: dict[Color, DesiredPool] | None = None, deployed: dict[Color, DesiredPool] | None = None
) -> ServicePlan:
    """From a deployed service with these weights to others, with other pools where changes say so."""
    running = DEPLOYED | (deployed or {})
    identities = {color: {engine: f"{engine}@1.00" for engine in pool.engines} for color, pool in running.items()}
    specs = {color: pool.spec for color, pool in running.items()}
    live = LiveService(True, before, SplitRecord(weights=before, active=BLUE), specs, identities, {})
    pools = running | (changes or {})
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


TWO = DesiredPool("x", "spec-x", ("h:1", "h:2"))
ONE = DesiredPool("x", "spec-x", ("h:1",))


@pytest.mark.parametrize("spec", ["spec-x", "spec-of-other-gpus"])
def test_a_weighted_pool_does_not_grow_because_nothing_measured_the_new_engine(spec: str) -> None:
    grown = DesiredPool("x", spec, TWO.engines)
    words = r"blue.replicas: got 2 while blue carries 75 %, need 1 as it was deployed because a new engine .* before any gate measured it"
    with pytest.raises(Refusal, match=f"{words}; give green 2 and shift to it, or take blue to 0 % first"):
        plan(Weights(75, 25), Weights(25, 75), {BLUE: grown}, {BLUE: ONE})


def test_a_weighted_pool_does_not_shrink_because_the_engine_that_goes_still_answers() -> None:
    with pytest.raises(Refusal, match=r"green.replicas: got 1 while green carries 25 %, need 2 as it was deployed because .* would be cut"):
        plan(Weights(75, 25), Weights(75, 25), {GREEN: ONE}, {GREEN: TWO})


@pytest.mark.parametrize(("before", "after"), [(ONE, TWO), (TWO, ONE)])
@pytest.mark.parametrize("weights", [(Weights(100, 0), Weights(75, 25)), (Weights(75, 25), Weights(100, 0))])
def test_a_pool_grows_and_shrinks_in_the_up_that_raises_it_from_0_or_takes_it_there(
    weights: tuple[Weights, Weights], before: DesiredPool, after: DesiredPool
) -> None:
    planned = plan(*weights, {GREEN: after}, {GREEN: before}).pool(GREEN)
    assert planned is not None
    assert (planned.action, planned.engines) == (PoolAction.KEEP, len(after.engines))


def test_only_a_pool_that_grows_keeps_all_its_engines() -> None:
    assert not loses_engines(ONE.engines, TWO.engines)
    assert loses_engines(TWO.engines, ONE.engines)
    assert loses_engines(ONE.engines, ("h:2",))


def engine(gpus: tuple[int, ...], port: int = 9620) -> DesiredEngine:
    """A simulated engine that was given these GPUs."""
    return DesiredEngine(f"chat-blue-{port}", "127.0.0.1", port, EngineCommand(("simulator", "--port", str(port)), {}), gpus)


def test_an_engine_on_another_gpu_is_another_pool_and_one_more_without_gpus_is_not() -> None:
    pools = [(engine((0,)),), (engine((1,)),), (engine((0,)), engine((1,), 9621)), (engine((0,)), engine((2,), 9621))]
    assert len({spec_of("b", pool) for pool in pools}) == len(pools)
    assert spec_of("b", (engine(()),)) == spec_of("b", (engine(()), engine((), 9621)))


def test_a_color_that_is_taken_back_may_change_and_is_measured_only_then() -> None:
    back = (Weights(75, 25), Weights(100, 0))
    assert modes(plan(*back), GREEN) == {GateMode.IDLE}
    assert modes(plan(*back, {GREEN: DesiredPool("x", "spec-x", ("h:51",))}), GREEN) == {GateMode.ADVISORY}
    assert modes(plan(Weights(100, 0), Weights(100, 0)), GREEN) == {GateMode.ADVISORY}
    assert modes(plan(Weights(100, 0), Weights(75, 25)), GREEN) == {GateMode.REQUIRED}


def test_the_expected_time_follows_from_what_the_gates_took_and_says_when_one_never_ran() -> None:
    planned = plan(Weights(100, 0), Weights(75, 25))
    took = [
        Receipt(gate=gate, service="chat", color=GREEN, release="g", engines=(), verdict=Verdict.PASS, reason="", measured_at="",
                numbers={SECONDS: seconds}) for gate, seconds in ((GateName.WARMUP, 40.0), (GateName.EVAL, 12.0))
    ]  # fmt: skip
    assert "expect about 5 s, and the time to load and to measure" in plan_lines(planned, {})[0]
    assert "expect about 45 s, and the time" in plan_lines(planned, {GREEN: took[:1]})[0]
    assert plan_lines(planned, {GREEN: took})[0].endswith("expect about 57 s")
