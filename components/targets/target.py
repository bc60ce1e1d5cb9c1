"""What every target offers to the components. What its parts are made of is each target's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pulumi

from delivery.desired import DesiredEngine, ReleaseRef
from delivery.topology import Topology

STOP_MARGIN_SECONDS = 10
"""An engine gets this long after its own drain deadline before it is killed."""

ENGINE_KEY_VARIABLE = "VLLM_API_KEY"
"""Read by vLLM and by the simulator; in the environment because argv can be read by everyone on the machine."""


class Target(Protocol):
    """Where engines and router run. `ground` is what everything on it depends on, `key` the file with the engines' API key, if any."""

    key: pulumi.Resource | None

    @property
    def ground(self) -> Sequence[pulumi.Resource]: ...

    def router(self, topology: Topology, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """The router; what is returned is there once it answers."""
        ...

    def engine(
        self, engine: DesiredEngine, ref: ReleaseRef, stop_seconds: int, depends_on: Sequence[pulumi.Resource], parent: pulumi.Resource
    ) -> pulumi.Resource:
        """One engine, which has `stop_seconds` for its last requests. Engines on one GPU start one after the other."""
        ...
