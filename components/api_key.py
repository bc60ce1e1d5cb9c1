"""The engines' API key: how it may stand in the config, and that it does not change under traffic. Keeping it is SecretFile's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from delivery.color import Color
from delivery.desired import DesiredService
from delivery.plan import LiveService
from delivery.refusal import Refusal
from probes.programs import content_digest, running_digest
from probes.stack_home import StackHome

_KEY = "verdigris:apiKey"
_SET = "run `pulumi config set --secret verdigris:apiKey …`"
_HEADER_TEXT = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class ApiKey:
    """The key as a secret output, and a digest that tells whether it changed."""

    value: pulumi.Output[str]
    digest: str


def read_api_key() -> ApiKey | None:
    """The configured key, None without one. Raises Refusal, which never shows the value."""
    text = CONFIG.get().get(_KEY)
    if text is None:
        return None
    if not is_config_secret(_KEY):
        raise Refusal("apiKey", "a plain value", "a secret", "the stack's file is committed and its state is read by many", _SET)
    if not _HEADER_TEXT.fullmatch(text):
        raise Refusal("apiKey", "an empty value or one with spaces", "letters, digits and signs", "clients send it in a header", _SET)
    return ApiKey(pulumi.Output.secret(text), content_digest([text.encode()]))


def key_refusals(home: StackHome, service: DesiredService, live: LiveService, key: ApiKey | None) -> Iterator[Refusal]:
    """A key that engines which carry traffic were not started with: they would have to be restarted, and clients hold the old one."""
    carrying = [color for color in Color if live.weights and live.weights.of(color) and color in service.engines]
    started_with = {running_digest(home, engine.name) for color in carrying for engine in service.engines[color]} - {None}
    if started_with <= {key.digest if key else ""}:
        return
    got = "no key" if key is None else "a key" if started_with == {""} else "another key"
    colors = " and ".join(f"{color} ({live.weights.of(color)} %)" for color in carrying if live.weights)
    yield Refusal(
        "apiKey", f"{got} for {service.name}'s running engines", "what they were started with",
        f"{colors} would have to be restarted under its traffic and refuse every client that holds what was valid so far",
        "set it back; for another key deploy a second stack with it and move the clients, or `pulumi destroy` and `pulumi up`, "
        "which interrupts the service",
    )  # fmt: skip
