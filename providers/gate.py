"""What both gates share: when they measure, the receipt they leave, and how a verdict ends an `up` or only warns."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, UpdateResult

from delivery.color import Color
from delivery.coverage import GateMode, Subject, must_measure
from delivery.gates import GateResult
from delivery.receipt import SECONDS, GateName, Receipt, Verdict
from probes.engine_client import probe_pool
from probes.receipts import read_receipt, write_receipt
from probes.sleep import wake
from probes.stack_home import StackHome
from providers.progress import about, say
from providers.refused import refusals, refused
from providers.resource import Inputs, Provider, inputs

IDENTITY_SECONDS = 5.0
"""For asking the engines who they are; a preview must answer within seconds although one hangs."""


class GateInputs(Inputs):
    """Whom a gate measures and why it is asked. `evaluation_set` is the digest of the items, "" for the warm-up."""

    home: str
    service: str
    color: Color
    release: str
    model: str
    engines: list[str]
    mode: GateMode
    settings: dict[str, Any]
    evaluation_set: str = ""

    @property
    def stack_home(self) -> StackHome:
        """The folder as an object."""
        return StackHome(Path(self.home))

    @property
    def key_file(self) -> Path | None:
        """The engines' API key, where one is configured."""
        return self.stack_home.engine_key if self.stack_home.engine_key.is_file() else None

    @property
    def label(self) -> str:
        """How the lines about it begin."""
        return f"{self.service}/{self.color}"

    def identities(self) -> dict[str, str | None]:
        """The engine processes that answer now."""
        states = probe_pool(self.engines, self.model, IDENTITY_SECONDS, self.key_file, tokens=False)
        return {engine: state.identity for engine, state in states.items()}

    def answering(self) -> dict[str, str]:
        """The same without engines that answer nothing: for a receipt that says why nothing could be measured."""
        return {engine: identity for engine, identity in self.identities().items() if identity is not None}

    def subject(self) -> Subject:
        """What a receipt has to be about."""
        return Subject(self.release, self.identities(), self.evaluation_set)


class GateProvider(Provider):
    """Measures when it must, leaves a receipt whatever comes out, and lets a required verdict other than a pass end the `up`."""

    identity = ("home", "service", "color")
    gate: ClassVar[GateName]

    def measure(self, wanted: Any) -> tuple[GateResult, dict[str, str]]:
        """The verdict and the identities of the engines that were measured, by address."""
        raise NotImplementedError

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Measure, unless the color carries traffic and nothing rises."""
        wanted: GateInputs = inputs(self.model, props)  # type: ignore[assignment]
        return CreateResult(f"{wanted.label}-{self.gate}", self._outputs(wanted))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Measure again."""
        return UpdateResult(self._outputs(inputs(self.model, _news)))  # type: ignore[arg-type]

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Receipts stay: they are about engines, not about this resource."""

    def changed(self, _olds: dict[str, Any], _wanted: GateInputs) -> bool:
        """Whether the last receipt says too little about the engines that run now."""
        if _wanted.mode is GateMode.IDLE:
            return False
        receipt = read_receipt(_wanted.stack_home.path, _wanted.service, _wanted.color, self.gate)
        return must_measure(_wanted.mode, receipt, _wanted.subject())

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """The last receipt, as it is on disk."""
        wanted: GateInputs = inputs(self.model, _props)  # type: ignore[assignment]
        return {**_props, "receipt": _summary(read_receipt(wanted.stack_home.path, wanted.service, wanted.color, self.gate))}

    def _outputs(self, wanted: GateInputs) -> dict[str, Any]:
        home = wanted.stack_home.path
        receipt = read_receipt(home, wanted.service, wanted.color, self.gate)
        if must_measure(wanted.mode, receipt, wanted.subject()):
            with refusals():
                wake(wanted.engines, wanted.key_file, about(wanted.label))
                began = time.monotonic()
                result, engines = self.measure(wanted)
                receipt = _receipt(self.gate, wanted, result, engines, time.monotonic() - began)
                write_receipt(home, receipt)
            _announce(wanted, self.gate, receipt)
        return {**wanted.model_dump(mode="json"), "receipt": _summary(receipt)}


def _receipt(gate: GateName, wanted: GateInputs, result: GateResult, engines: dict[str, str], seconds: float) -> Receipt:
    return Receipt(
        gate=gate, service=wanted.service, color=wanted.color, release=wanted.release, engines=tuple(engines.values()),
        verdict=result.verdict, reason=result.reason, measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        samples=result.samples, numbers={**result.numbers, SECONDS: round(seconds, 1)}, evaluation_set=wanted.evaluation_set,
    )  # fmt: skip


def _announce(wanted: GateInputs, gate: GateName, receipt: Receipt) -> None:
    """Say the verdict; raise for one that a required gate must not pass on."""
    if receipt.verdict is Verdict.PASS:
        say(f"{wanted.label}: {gate} pass: {receipt.reason}")
        return
    if wanted.mode is GateMode.REQUIRED:
        raise refused(f"{wanted.label}: {gate} {receipt.verdict}: {receipt.reason}. Its weight was not raised")
    say(f"warning: {wanted.label}: {gate} {receipt.verdict}: {receipt.reason}. It carries no traffic, so this `up` goes on")


def _summary(receipt: Receipt | None) -> dict[str, Any]:
    return {} if receipt is None else receipt.model_dump(mode="json")
