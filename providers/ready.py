"""The resource after a container that others have to wait for: there once an address answers, or the wait was long enough. It goes before
its container does, which is when an Envoy is drained."""

from __future__ import annotations

import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from pulumi.output import Unknown

from delivery.refusal import Refusal
from probes.envoy_drain import drain
from probes.readiness import answers
from providers.progress import about
from providers.refused import refused
from providers.resource import Inputs, Provider, inputs

_POLL_SECONDS = 0.2
_SAY_EVERY_SECONDS = 10.0


class ReadyInputs(Inputs):
    """`url` is asked until it answers 200, at most `seconds`; only with `required` does an answer that fails to come fail the `up`.
    `container`: another id means another wait. `look`: where a person finds out why. `drain_url`: the admin interface of an Envoy, which
    has `drain_seconds` for its last requests before it is stopped."""

    name: str
    url: str
    container: str
    seconds: float
    required: bool
    look: str
    drain_url: str = ""
    drain_seconds: float = 0.0


class ReadyProvider(Provider):
    """Waits."""

    model = ReadyInputs
    identity = ("name",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait."""
        wanted = inputs(ReadyInputs, props)
        return CreateResult(wanted.name, _await(wanted))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Wait again."""
        return UpdateResult(_await(inputs(ReadyInputs, _news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Let an Envoy finish its requests: SIGTERM would cut them. The container is another resource."""
        old = inputs(ReadyInputs, _props)
        if old.drain_url:
            drain(old.drain_url, old.drain_seconds, about(old.name))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """With another container, or one that is about to be replaced, it goes before the old one."""
        container = _news.get("container")
        if isinstance(container, Unknown) or container != _olds.get("container"):
            return DiffResult(changes=True, replaces=["container"], delete_before_replace=True)
        return super().diff(_id, _olds, _news)

    def changed(self, _olds: dict[str, Any], _wanted: ReadyInputs) -> bool:
        """Told otherwise than before; or others need it and it doesn't answer now."""
        old = inputs(ReadyInputs, _olds)
        return old != _wanted or (_wanted.required and not answers(_wanted.url))

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """It has no life of its own."""
        return _props


def _await(wanted: ReadyInputs) -> dict[str, Any]:
    started = said = time.monotonic()
    say = about(wanted.name)
    while not (answered := answers(wanted.url)):
        now = time.monotonic()
        if now - started > wanted.seconds:
            refusal = Refusal(
                wanted.name, f"no answer on {wanted.url} within {wanted.seconds:.0f} s", "200", "others depend on it",
                f"see `{wanted.look}`; if its container is gone, run `pulumi up --refresh`",
            )  # fmt: skip
            if wanted.required:
                raise refused(str(refusal))
            say(f"warning: {refusal}")
            break
        if now - said > _SAY_EVERY_SECONDS:
            said = now
            say(f"starting, {now - started:.0f} s of at most {wanted.seconds:.0f} s")
        time.sleep(_POLL_SECONDS)
    return {**wanted.model_dump(), "answered": answered}


class Ready(Resource, module="verdigris", name="Ready"):
    """Depends on its container."""

    answered: pulumi.Output[bool]

    def __init__(
        self, resource_name: str, *, url: str, container: pulumi.Input[str], seconds: float, required: bool, look: str, drain_url: str = "",
        drain_seconds: float = 0.0, opts: pulumi.ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Any] = {
            "name": resource_name, "url": url, "container": container, "seconds": seconds, "required": required, "look": look,
            "drain_url": drain_url, "drain_seconds": drain_seconds, "answered": None,
        }  # fmt: skip
        super().__init__(ReadyProvider(), resource_name, props, opts)
