"""One model endpoint: two pools, their gates, the split between them, and the order that makes both directions safe.

A color that is to carry traffic:  Drain -> engines -> WarmupGate -> EvalGate -> TrafficSplit.
A color that is to carry none:     TrafficSplit -> Drain -> engines -> WarmupGate -> EvalGate, advisory, then asleep where it is to sleep.
So raising a color waits for it, and taking it back waits for nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.gpu_pool import GpuPool
from components.targets.target import Target
from components.weighted_router import WeightedRouter
from delivery.color import Color
from delivery.coverage import GateMode
from delivery.desired import DesiredService
from delivery.plan import ServicePlan
from delivery.receipt import GateName
from probes.stack_home import StackHome
from providers.asleep import Asleep
from providers.drain import Drain
from providers.eval_gate import EvalGate
from providers.traffic_split import TrafficSplit
from providers.warmup_gate import WarmupGate


class ModelService(pulumi.ComponentResource):
    """A service of the config. Nothing in it depends on another service."""

    def __init__(
        self, desired: DesiredService, plan: ServicePlan, sets: dict[GateName, str], target: Target, router: WeightedRouter,
        home: StackHome, grader_key: Sequence[pulumi.Resource] = (),
    ) -> None:  # fmt: skip
        super().__init__("verdigris:index:ModelService", desired.name)
        self._desired, self._plan, self._sets, self._target, self._home = desired, plan, sets, target, home
        self._grader_key = grader_key
        carrying = [color for color in desired.releases if plan.shift.target.of(color) > 0]
        standby = [color for color in desired.releases if color not in carrying]
        gates = [gate for color in carrying for gate in self._color(color, router.ready)]
        self.split = TrafficSplit(
            f"{desired.name}-split",
            home=str(home.path),
            desired=desired,
            sets=sets,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*router.ready, *gates]),
        )
        for color in standby:
            chain = self._color(color, [self.split])
            if desired.sleeps(color):
                name = f"{desired.name}-{color}-asleep"
                Asleep(name, home=str(home.path), desired=desired, color=color, opts=self._options(chain))
        self.register_outputs({"weights": self.split.weights})

    def _color(self, color: Color, depends_on: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        """The chain of one color; returns what the split has to wait for."""
        name, config = self._desired.name, self._desired.config
        drain = Drain(
            f"{name}-{color}-drain",
            home=str(self._home.path),
            desired=self._desired,
            color=color,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(depends_on)),
        )
        pool = GpuPool(self._desired, color, self._target, [drain], self)
        chain: list[pulumi.Resource] = [drain, *pool.engines]
        planned = self._plan.pool(color)
        assert planned is not None, "a color with a release is planned"
        mode = planned.mode
        if config.gates.warmup is not None and pool.engines:
            chain.append(WarmupGate(f"{name}-{color}-warmup", self._home, self._desired, color, mode, self._options(chain)))
        if config.gates.eval is not None and pool.engines:
            baseline = color.other if self._is_baseline(color.other, mode) else None
            items = self._sets[GateName.EVAL]
            options = self._options([*chain, *self._grader_key])
            chain.append(EvalGate(f"{name}-{color}-eval", self._home, self._desired, color, mode, items, baseline, options))
        return chain

    def _is_baseline(self, color: Color, mode: GateMode) -> bool:
        """Whether a candidate has to be as good as this color: it carries traffic when the candidate is measured."""
        weights = self._plan.shift.target if mode is GateMode.ADVISORY else self._plan.shift.before
        return color in self._desired.releases and weights is not None and weights.of(color) > 0

    def _options(self, depends_on: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on))
