"""The engines of one color of one service, and the gates that measure them. When they run is ModelService's to order."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.targets.target import Target
from delivery.color import Color
from delivery.desired import DesiredService


class GpuPool(pulumi.ComponentResource):
    """A physical pool. Depend on `engines`, not on the component: one without engines would be waited for in vain."""

    def __init__(
        self, desired: DesiredService, color: Color, target: Target, depends_on: Sequence[pulumi.Resource], parent: pulumi.Resource
    ) -> None:
        super().__init__("verdigris:index:GpuPool", f"{desired.name}-{color}", opts=pulumi.ResourceOptions(parent=parent))
        release = desired.releases[color]
        stop_seconds = desired.config.drain.deadline_seconds
        self.engines = [target.engine(engine, release, stop_seconds, depends_on, self) for engine in desired.engines[color]]
        self.register_outputs({"release": release.digest, "engines": [engine.address for engine in desired.engines[color]]})
