"""The engines' API key does not change under traffic. How it may stand in the config is secret_key's."""

from __future__ import annotations

from collections.abc import Iterator

from components.secret_key import API_KEY, SecretKey
from delivery.color import Color
from delivery.desired import DesiredService
from delivery.plan import LiveService
from delivery.refusal import Refusal
from probes.programs import running_digest
from probes.stack_home import StackHome


def key_refusals(home: StackHome, service: DesiredService, live: LiveService, key: SecretKey | None) -> Iterator[Refusal]:
    """A key that engines which carry traffic were not started with: they would have to be restarted, and clients hold the old one."""
    carrying = [color for color in Color if live.weights and live.weights.of(color) and color in service.engines]
    started_with = {running_digest(home, engine.name) for color in carrying for engine in service.engines[color]} - {None}
    if started_with <= {key.digest if key else ""}:
        return
    got = "no key" if key is None else "a key" if started_with == {""} else "another key"
    colors = " and ".join(f"{color} ({live.weights.of(color)} %)" for color in carrying if live.weights)
    yield Refusal(
        API_KEY, f"{got} for {service.name}'s running engines", "what they were started with",
        f"{colors} would have to be restarted under its traffic and refuse every client that holds what was valid so far",
        "set it back; for another key deploy a second stack with it and move the clients, or `pulumi destroy` and `pulumi up`, "
        "which interrupts the service",
    )  # fmt: skip
