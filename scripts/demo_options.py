"""The command line of `scripts/demo`: what can be asked for, what each engine needs, and what is refused because it is not built."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from delivery.addresses import ENGINE_PORTS, FIRST_ENGINE_OFFSET
from delivery.config_models import HIGHEST_PORT, LOWEST_PORT, RouterKind, Target
from delivery.config_rules import BUILT_ROUTERS, BUILT_TARGETS
from delivery.refusal import Refusal

DEFAULT_PORT = 9600
HIGHEST_BASE_PORT = HIGHEST_PORT - FIRST_ENGINE_OFFSET - ENGINE_PORTS
LEAST_RATE, HIGHEST_RATE = 0.1, 1000.0
"""Requests a second. Above, two cores measure the load itself and not what is behind it."""


class Engine(StrEnum):
    """What answers behind the router."""

    SIMULATOR = "simulator"
    VLLM_CPU = "vllm-cpu"


@dataclass(frozen=True)
class EngineProfile:
    """How a kind of engine is demonstrated: two releases that are both good, and a pace that two cores can keep up with.

    `gate_seconds` is the deadline of each gate (None: as the embedded config says), `up_seconds` that of each `pulumi up`.
    """

    releases: tuple[str, str]
    bad_release: str
    rate: float
    seconds_per_step: float
    gate_seconds: int | None
    up_seconds: float
    request_seconds: float


PROFILES = {
    Engine.SIMULATOR: EngineProfile(
        releases=("releases/sort-good-1.yaml", "releases/sort-good-2.yaml"), bad_release="releases/sort-bad.yaml",
        rate=40, seconds_per_step=2, gate_seconds=None, up_seconds=300, request_seconds=60,
    ),
    # vLLM is healthy after 50 to 180 s on two cores; a tiny model answers one of these requests in about a second.
    Engine.VLLM_CPU: EngineProfile(
        releases=("releases/sort-vllm-good.yaml", "releases/sort-vllm-prompt.yaml"), bad_release="releases/sort-vllm-under-trained.yaml",
        rate=2, seconds_per_step=10, gate_seconds=900, up_seconds=2400, request_seconds=180,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class DemoOptions:
    """What one run of the demo was asked for."""

    down: bool
    engine: Engine
    router: RouterKind
    target: Target
    port: int
    rate: float
    seconds_per_step: float
    json: bool

    @property
    def profile(self) -> EngineProfile:
        """What the engine needs."""
        return PROFILES[self.engine]


def parse_options(arguments: Sequence[str]) -> DemoOptions:
    """The options of a command line. Raises Refusal for values that can't be demonstrated; exits with 2 for words it doesn't know."""
    given = _parser().parse_args(arguments)
    engine = Engine(_one_of("--engine", given.engine, [kind.value for kind in Engine], "the demo has releases for these"))
    router = RouterKind(_one_of("--router", given.router, BUILT_ROUTERS, f"the router {given.router} is not built yet"))
    target = Target(_one_of("--target", given.target, BUILT_TARGETS, f"the target {given.target} is not built yet"))
    profile = PROFILES[engine]
    rate = profile.rate if given.rate is None else given.rate
    seconds = profile.seconds_per_step if given.seconds_per_step is None else given.seconds_per_step
    _within("--port", given.port, LOWEST_PORT, HIGHEST_BASE_PORT, "the admin interface and the engines listen above it")
    _within("--rate", rate, LEAST_RATE, HIGHEST_RATE, "something must be measured, on the cores that also serve it")
    _within("--seconds-per-step", seconds, 0.5, 3600, "the split is measured in that time")
    return DemoOptions(given.down, engine, router, target, given.port, rate, seconds, given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Replaces a model behind a live endpoint, and back, under load.")
    parser.add_argument("--down", action="store_true", help="remove the demo's stack and everything it keeps")
    parser.add_argument("--engine", default=Engine.SIMULATOR.value)
    parser.add_argument("--router", default=RouterKind.ENVOY.value)
    parser.add_argument("--target", default=Target.LOCAL.value)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--rate", type=float, default=None, help="requests a second")
    parser.add_argument("--seconds-per-step", type=float, default=None)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    return parser


def _one_of(option: str, got: str, allowed: Collection[str], because: str) -> str:
    if got in allowed:
        return got
    names = " or ".join(sorted(allowed))
    raise Refusal(option, got, names, because, f"leave {option} out, or say {option} {sorted(allowed)[0]}")


def _within(option: str, got: float, lowest: float, highest: float, because: str) -> None:
    if not lowest <= got <= highest:
        raise Refusal(option, f"{got:g}", f"{lowest:g} to {highest:g}", because, f"choose another value, or leave {option} out")
