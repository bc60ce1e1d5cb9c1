"""The story that the demo tells, as config changes: pure. Running them is scripts/demo_rollout.py's."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.color import Color, Weights
from scripts.demo_options import DemoOptions

SERVICE = "chat"
NAMESPACE = "verdigris:"


@dataclass(frozen=True)
class Step:
    """One config to bring about with one `pulumi up`. `measures` is the color whose gates have to pass in it, if any."""

    title: str
    active: Color
    canary_percent: int
    green: bool
    """Whether green has a pool."""
    measures: Color | None = None

    @property
    def weights(self) -> Weights:
        """What has to be live afterwards."""
        return Weights.of_canary(self.active, self.canary_percent)


def story(steps: Sequence[int]) -> list[Step]:
    """Deploy, gate, raise through the config's own `steps`, swap the roles, and revert to the config of before the raise."""
    raises = [Step(f"green to {percent} %", Color.BLUE, percent, True) for percent in steps]
    return [
        Step("deploy blue", Color.BLUE, 0, False, measures=Color.BLUE),
        Step("deploy green at 0 %", Color.BLUE, 0, True, measures=Color.GREEN),
        *raises,
        Step("swap the roles", Color.GREEN, 0, True),
        Step("revert the config", Color.BLUE, 0, True),
    ]


def base_config(document: Mapping[str, Any], options: DemoOptions) -> dict[str, Any]:
    """The embedded config (a parsed `Pulumi.dev.yaml`), without the namespace, as the options change it."""
    stated = copy.deepcopy(dict(document["config"]))
    config = {key.removeprefix(NAMESPACE): value for key, value in stated.items() if key.startswith(NAMESPACE)}
    config |= {"target": options.target.value, "basePort": options.port, "router": {"kind": options.router.value, "listen": "127.0.0.1"}}
    chat = config["services"][SERVICE]
    for color, release in zip(Color, options.profile.releases, strict=True):
        chat[color.value]["release"] = release
    if options.profile.gate_seconds is not None:
        for gate in ("warmup", "eval"):
            chat["gates"][gate]["deadlineSeconds"] = options.profile.gate_seconds
    return config


def config_of(base: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """The whole config of a step."""
    config = copy.deepcopy(dict(base))
    chat = config["services"][SERVICE]
    chat |= {"active": step.active.value, "canaryWeight": step.canary_percent}
    if not step.green:
        del chat[Color.GREEN.value]
    return config
