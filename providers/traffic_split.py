"""The weights of a service as a resource. Compared with the router on every preview, changed only by a transaction that proves itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from delivery.color import Color, Weights
from delivery.desired import DesiredService
from delivery.receipt import GateName
from delivery.refusal import Refusal
from delivery.shift import Wish
from probes.receipts import read_record, shift_lock
from probes.router import RouterClient, RouterUnreachable
from probes.router_kinds import open_router
from probes.stack_home import StackHome
from providers.progress import say
from providers.refused import refusals, refused
from providers.resource import Inputs, Provider, inputs
from providers.split_transaction import ShiftFailed, run
from providers.split_world import LiveSplitWorld, Pools


class SplitInputs(Inputs):
    """What the config asks of a service: who is active, the weights, and everything needed to check, write and prove them."""

    home: str
    service: str
    active: Color
    weights: dict[Color, int]
    steps: list[int]
    releases: dict[Color, str]
    engines: dict[Color, list[str]]
    model: str
    path_prefix: str
    sets: dict[GateName, str]
    probes: int

    @property
    def stack_home(self) -> StackHome:
        """The folder as an object."""
        return StackHome(Path(self.home))

    @property
    def target(self) -> Weights:
        """The weights asked for."""
        return Weights(self.weights[Color.BLUE], self.weights[Color.GREEN])

    @property
    def wish(self) -> Wish:
        """The same as the rules of shifts read it."""
        return Wish(self.service, self.active, self.target, tuple(self.steps), self.releases)

    def router(self) -> RouterClient:
        """The router whose weights these are."""
        return open_router(self.stack_home.path)


class TrafficSplitProvider(Provider):
    """The one writer of a service's weights."""

    model = SplitInputs
    identity = ("home", "service")

    def create(self, props: dict[str, Any]) -> CreateResult:
        """The first weights."""
        wanted = inputs(SplitInputs, props)
        return CreateResult(wanted.service, _shift(wanted))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Other weights, or the same ones again where they drifted."""
        return UpdateResult(_shift(inputs(SplitInputs, _news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Take the service out of traffic; what is proven is forgotten with it."""
        old = inputs(SplitInputs, _props)
        with refusals():
            try:
                old.router().write_weights(old.service, None)
            except RouterUnreachable:
                say(f"{old.service}: there is no router to take it out of")
            old.stack_home.split_record(old.service).unlink(missing_ok=True)

    def changed(self, _olds: dict[str, Any], _wanted: SplitInputs) -> bool:
        """Whether the router, the record of the last shift, or what the state remembers is not what is wanted. The state is behind where a
        shift outlived the `up` that began it."""
        try:
            live = _wanted.router().live_weights(_wanted.service)
            record = read_record(_wanted.stack_home.path, _wanted.service)
        except (RouterUnreachable, Refusal):
            return True
        is_behind = _olds.get("weights") != _by_color(_wanted.target)
        is_open = record.journal is not None
        return is_behind or is_open or live != _wanted.target or record.active is not _wanted.active or record.weights != live

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """The live weights; unknown while the router is down."""
        old = inputs(SplitInputs, _props)
        try:
            live = old.router().live_weights(old.service)
        except RouterUnreachable:
            return _props
        return None if live is None else {**_props, "weights": _by_color(live)}


def _shift(wanted: SplitInputs) -> dict[str, Any]:
    pools = Pools(wanted.releases, wanted.engines, wanted.model, wanted.path_prefix, wanted.sets, wanted.probes)
    world = LiveSplitWorld(wanted.stack_home, wanted.service, pools, wanted.router())
    try:
        with shift_lock(wanted.stack_home.path, wanted.service), refusals():
            proof = run(world, wanted.wish)
    except ShiftFailed as failure:
        raise refused(str(failure)) from None
    except BlockingIOError:
        raise refused(
            f"services.{wanted.service}: got another `up` amid a shift, need one at a time because each proves its own weights; wait for "
            "it to end and run `pulumi up` again (a killed one still ends its shift: a minute at most, as a rule)"
        ) from None
    observed = {color.value: proof.observed.get(color, 0) for color in Color}
    say(f"{wanted.service}: {proof.before or 'no weights'} -> {proof.weights}, proven by {sum(observed.values())} probes: {observed}")
    return {**wanted.model_dump(mode="json"), "weights": _by_color(proof.weights), "observed": observed}


def _by_color(weights: Weights) -> dict[str, int]:
    return {color.value: weights.of(color) for color in Color}


class TrafficSplit(Resource, module="verdigris", name="TrafficSplit"):
    """The weights of one service. Depends on the gates of every color that is to carry traffic."""

    weights: pulumi.Output[dict[str, int]]
    observed: pulumi.Output[dict[str, int]]

    def __init__(self, name: str, *, home: str, desired: DesiredService, sets: dict[GateName, str], opts: pulumi.ResourceOptions) -> None:
        config = desired.config
        props: dict[str, Any] = {
            "home": home, "service": desired.name, "active": config.active.value, "weights": _by_color(config.target_weights),
            "steps": list(config.steps), "releases": {color.value: ref.digest for color, ref in desired.releases.items()},
            "engines": {color.value: [engine.address for engine in pool] for color, pool in desired.engines.items()},
            "model": desired.route.served_model, "path_prefix": config.path_prefix,
            "sets": {gate.value: digest for gate, digest in sets.items()}, "probes": config.proof.probes, "observed": None,
        }  # fmt: skip
        super().__init__(TrafficSplitProvider(), name, props, opts)
