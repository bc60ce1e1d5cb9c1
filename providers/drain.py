"""The resource in front of a pool: its engines are not touched before the last request on their color has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from delivery.color import Color
from delivery.desired import DesiredService
from delivery.in_flight import InFlight, verdict
from delivery.plan import loses_engines
from probes.in_flight import pool_in_flight
from probes.router import RouterUnreachable
from probes.router_kinds import open_router
from probes.stack_home import StackHome
from providers.progress import about
from providers.refused import refused
from providers.resource import Inputs, Provider, inputs

POLL_SECONDS = 0.25
SAY_EVERY_SECONDS = 5.0


class DrainInputs(Inputs):
    """`spec` is the digest of what would restart the engines (empty: they are to go); another one than before means a drain."""

    home: str
    service: str
    color: Color
    spec: str
    engines: list[str]
    deadline_seconds: float


class DrainProvider(Provider):
    """Waits until router and engines have nothing in flight for a color that is about to change."""

    model = DrainInputs
    identity = ("home", "service", "color")

    def create(self, props: dict[str, Any]) -> CreateResult:
        """A new pool has nothing to drain."""
        wanted = inputs(DrainInputs, props)
        return CreateResult(f"{wanted.service}-{wanted.color}", {**wanted.model_dump(mode="json"), "drained": "nothing to drain"})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Wait for the engines that run now: those of the old inputs. A pool that only grows has nothing to wait for."""
        old, wanted = inputs(DrainInputs, _olds), inputs(DrainInputs, _news)
        touched = bool(old.spec) and (old.spec != wanted.spec or loses_engines(old.engines, wanted.engines))
        drained = _drain(old.model_copy(update={"deadline_seconds": wanted.deadline_seconds})) if touched else "nothing to drain"
        return UpdateResult({**wanted.model_dump(mode="json"), "drained": drained})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: engines that are removed drain by themselves after SIGTERM."""

    def changed(self, _olds: dict[str, Any], _wanted: DrainInputs) -> bool:
        """Whether the pool is about to change; a weight alone never waits here."""
        old = inputs(DrainInputs, _olds)
        return (old.spec, old.engines) != (_wanted.spec, _wanted.engines)

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """It has no life of its own."""
        return _props


def _drain(wanted: DrainInputs) -> str:
    """Poll until nothing is in flight. Raises Refused past the deadline, with what was last seen."""
    home, say = StackHome(Path(wanted.home)), about(f"{wanted.service}/{wanted.color}")
    started = said = time.monotonic()
    while True:
        seen = seen_in_flight(home, wanted.service, wanted.color, wanted.engines)
        elapsed = time.monotonic() - started
        problem = verdict(seen)
        if problem is None:
            return f"after {elapsed:.1f} s"
        if elapsed > wanted.deadline_seconds:
            where = f"services.{wanted.service}"
            raise refused(
                f"{where}.{wanted.color}: got {problem} after {elapsed:.0f} s, need none in flight before its engines change because they "
                "would be cut; run `pulumi up` again once they have ended, or end them"
            )
        if time.monotonic() - said > SAY_EVERY_SECONDS:
            said = time.monotonic()
            say(f"draining, {problem}, {elapsed:.0f} s of at most {wanted.deadline_seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def seen_in_flight(home: StackHome, service: str, color: Color, engines: Sequence[str]) -> InFlight:
    """What router and engines have in flight for a color now."""
    router: int | None
    try:
        router = open_router(home.path).in_flight(service, color)
    except RouterUnreachable:
        router = None
    key = home.engine_key if home.engine_key.is_file() else None
    return InFlight(router, pool_in_flight(engines, key))


class Drain(Resource, module="verdigris", name="Drain"):
    """What a pool's engines depend on."""

    drained: pulumi.Output[str]

    def __init__(self, name: str, *, home: str, desired: DesiredService, color: Color, opts: pulumi.ResourceOptions) -> None:
        pool = desired.pools()[color]
        props: dict[str, Any] = {
            "home": home, "service": desired.name, "color": color.value, "spec": pool.spec, "engines": list(pool.engines),
            "deadline_seconds": desired.config.drain.deadline_seconds, "drained": None,
        }  # fmt: skip
        super().__init__(DrainProvider(), name, props, opts)
