"""The resource behind the gates of a pool that is to sleep at weight 0: its engines give their GPU memory back. The split wakes them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from delivery.color import Color
from delivery.desired import DesiredService
from delivery.in_flight import verdict
from probes.sleep import awake_engines, put_to_sleep
from probes.stack_home import StackHome
from providers.drain import seen_in_flight
from providers.progress import say
from providers.resource import Inputs, Provider, inputs

POLL_SECONDS = 0.25
SAY_EVERY_SECONDS = 5.0


class AsleepInputs(Inputs):
    """The engines of a color at weight 0, and how long their last requests may take."""

    home: str
    service: str
    color: Color
    engines: list[str]
    deadline_seconds: float

    @property
    def stack_home(self) -> StackHome:
        """The folder as an object."""
        return StackHome(Path(self.home))

    @property
    def key_file(self) -> Path | None:
        """The engines' API key, where one is configured."""
        return self.stack_home.engine_key if self.stack_home.engine_key.is_file() else None


class AsleepProvider(Provider):
    """Puts a pool to sleep. Nothing here fails an `up`: the color carries no traffic, so what can't sleep is only a warning."""

    model = AsleepInputs
    identity = ("home", "service", "color")

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Put it to sleep."""
        wanted = inputs(AsleepInputs, props)
        return CreateResult(f"{wanted.service}-{wanted.color}", _asleep(wanted))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Put those to sleep that woke up or started since."""
        return UpdateResult(_asleep(inputs(AsleepInputs, _news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: who needs the engines wakes them first."""

    def changed(self, _olds: dict[str, Any], _wanted: AsleepInputs) -> bool:
        """Whether an engine says that it is awake. One that can't be asked can't be put to sleep either."""
        awake = awake_engines(_wanted.engines, _wanted.key_file)
        return any(problem is None for problem in awake.values()) or inputs(AsleepInputs, _olds).engines != _wanted.engines

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """Which engines sleep now."""
        wanted = inputs(AsleepInputs, _props)
        return {**_props, "asleep": _sleeping(wanted)}


def _asleep(wanted: AsleepInputs) -> dict[str, Any]:
    where = f"{wanted.service}/{wanted.color}"
    busy = _await_idle(wanted)
    if busy:
        say(f"warning: {where}: stays awake, {busy} after {wanted.deadline_seconds:.0f} s; the next `pulumi up` puts it to sleep")
    else:
        for engine, problem in sorted(put_to_sleep(wanted.engines, wanted.key_file).items()):
            say(f"warning: {where}: {engine} stays awake ({problem}); the next `pulumi up` tries again")
    return {**wanted.model_dump(mode="json"), "asleep": _sleeping(wanted)}


def _await_idle(wanted: AsleepInputs) -> str | None:
    """None once nothing is in flight, past the deadline what still is."""
    started = said = time.monotonic()
    while True:
        busy = verdict(seen_in_flight(wanted.stack_home, wanted.service, wanted.color, wanted.engines))
        now = time.monotonic()
        if busy is None or now - started > wanted.deadline_seconds:
            return busy
        if now - said > SAY_EVERY_SECONDS:
            said = now
            waited = f"{now - started:.0f} s of at most {wanted.deadline_seconds:.0f} s"
            say(f"{wanted.service}/{wanted.color}: not asleep yet, {busy}, {waited}")
        time.sleep(POLL_SECONDS)


def _sleeping(wanted: AsleepInputs) -> list[str]:
    awake = awake_engines(wanted.engines, wanted.key_file)
    return [engine for engine in wanted.engines if engine not in awake]


class Asleep(Resource, module="verdigris", name="Asleep"):
    """The end of the chain of a standby that sleeps. Depends on its gates, which have to ask it awake."""

    asleep: pulumi.Output[list[str]]

    def __init__(self, name: str, *, home: str, desired: DesiredService, color: Color, opts: pulumi.ResourceOptions) -> None:
        props: dict[str, Any] = {
            "home": home, "service": desired.name, "color": color.value, "engines": [engine.address for engine in desired.engines[color]],
            "deadline_seconds": desired.config.drain.deadline_seconds, "asleep": None,
        }  # fmt: skip
        super().__init__(AsleepProvider(), name, props, opts)
