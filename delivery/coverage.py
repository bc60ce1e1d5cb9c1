"""Whether what a gate measured still says something about the engines that run now, and so whether it has to measure again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from delivery.receipt import Receipt, Verdict


class GateMode(StrEnum):
    """Why a gate is asked.

    `required`: a weight rises, so only a pass will do. `advisory`: the color carries nothing; a failure is a warning and a receipt.
    `idle`: the color carries traffic and no weight rises unproven; measuring would only hold up the shift.
    """

    REQUIRED = "required"
    ADVISORY = "advisory"
    IDLE = "idle"


@dataclass(frozen=True)
class Subject:
    """What a receipt must be about: the release, the identities of the engines live now by address (None where an engine can't be
    asked) and the digest of the evaluation set (empty for the warm-up)."""

    release: str
    engines: Mapping[str, str | None]
    evaluation_set: str = ""


def mismatch(receipt: Receipt | None, subject: Subject) -> str | None:
    """Why the receipt says nothing about the subject; None when it is about exactly this release, these processes and these items."""
    if receipt is None:
        return "was never measured"
    if receipt.release != subject.release:
        return f"was measured for release {receipt.release}, not {subject.release}"
    if receipt.evaluation_set != subject.evaluation_set:
        return f"was measured with evaluation set {receipt.evaluation_set}, not {subject.evaluation_set}"
    silent = sorted(address for address, identity in subject.engines.items() if identity is None)
    if silent:
        return f"can't be matched with engines that don't answer ({', '.join(silent)})"
    unmeasured = sorted(set(_identities(subject)) - set(receipt.engines))
    if unmeasured:
        return f"was measured before {_addresses(unmeasured)} started"
    return None


def must_measure(mode: GateMode, receipt: Receipt | None, subject: Subject) -> bool:
    """Whether the gate has to measure now.

    A standby is measured again only when another process answers than those that its receipt is about: neither a failed receipt nor an
    engine that fell silent is waited for, so that an `up` beside a broken standby stays short.
    """
    if mode is GateMode.IDLE:
        return False
    if mode is GateMode.ADVISORY and receipt is not None:
        answering = {address: identity for address, identity in subject.engines.items() if identity is not None}
        return mismatch(receipt, Subject(subject.release, answering, subject.evaluation_set)) is not None
    if mismatch(receipt, subject) is not None:
        return True
    return mode is GateMode.REQUIRED and receipt is not None and receipt.verdict is not Verdict.PASS


def shortfall(receipts: Sequence[tuple[str, Receipt | None, Subject]]) -> str | None:
    """Why a weight may not rise on these (gate, receipt, subject); None when every one holds and passed."""
    for gate, receipt, subject in receipts:
        reason = mismatch(receipt, subject)
        if reason is not None:
            return f"{gate} {reason}"
        if receipt is not None and receipt.verdict is not Verdict.PASS:
            return f"{gate} is {receipt.verdict}: {receipt.reason}"
    return None


def _identities(subject: Subject) -> list[str]:
    return [identity for identity in subject.engines.values() if identity is not None]


def _addresses(identities: Sequence[str]) -> str:
    return ", ".join(identity.rpartition("@")[0] or identity for identity in identities)
