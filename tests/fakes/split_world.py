"""A world for shifts that remembers every call in order and fails where a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from delivery.color import Color, Weights
from delivery.coverage import Subject
from delivery.receipt import GateName, Receipt, Verdict
from delivery.split_record import SplitRecord


def identity_of(color: Color, started: str = "1.00") -> str:
    """The identity of the one engine of a color."""
    return f"{color}:1@{started}"


class FakeSplitWorld:
    """Two pools of one engine each behind a router that does what it is told. `calls` is what was done, in order."""

    def __init__(self, live: Weights | None, record: SplitRecord | None = None) -> None:
        self.live, self.record = live, record or SplitRecord(weights=live)
        self.calls: list[str] = []
        self.started = dict.fromkeys(Color, "1.00")
        self.verdicts: dict[Color, Verdict | None] = dict.fromkeys(Color, Verdict.PASS)
        self.dead: set[Color] = set()
        self.broken_answers: dict[Color, list[str | None]] = {}
        self.observed: list[Mapping[Color | None, int]] = []
        self.failures: dict[str, list[BaseException | None]] = {}

    def _did(self, call: str) -> None:
        self.calls.append(call)
        failures = self.failures.get(call.split(" ")[0])
        failure = failures.pop(0) if failures else None
        if failure is not None:
            raise failure

    def read_record(self) -> SplitRecord:
        return self.record

    def write_record(self, record: SplitRecord) -> None:
        self._did("journal " + str(record.journal.target) if record.journal else "record")
        self.record = record

    def live_weights(self) -> Weights | None:
        return self.live

    def identities(self, color: Color) -> Mapping[str, str | None]:
        return {f"{color}:1": None if color in self.dead else identity_of(color, self.started[color])}

    def wake(self, color: Color) -> None:
        self.calls.append(f"wake {color}")

    def silent_engines(self, color: Color) -> Mapping[str, str | None]:
        self.calls.append(f"token {color}")
        return {f"{color}:1": "no token within 10 s" if color in self.dead else None}

    def receipts(self, color: Color, identities: Mapping[str, str | None]) -> Sequence[tuple[str, Receipt | None, Subject]]:
        self.calls.append(f"receipts {color}")
        verdict = self.verdicts[color]
        receipt = None if verdict is None else Receipt(
            gate=GateName.EVAL, service="chat", color=color, release=color.value[0], engines=(identity_of(color),), verdict=verdict,
            reason="90 of 100", measured_at="2026-11-21T10:00:00Z")  # fmt: skip
        return [("eval", receipt, Subject(color.value[0], identities))]

    def write_weights(self, weights: Weights | None) -> None:
        self._did(f"write {weights}")
        self.live = weights

    def await_weights(self, weights: Weights | None) -> None:
        self._did(f"read {weights}")

    def count_colors(self, at_least: int) -> Mapping[Color | None, int]:
        self._did("count")
        if self.observed:
            return self.observed.pop(0)
        assert self.live is not None
        return {color: 2 * self.live.of(color) for color in Color}

    def smoke(self, color: Color) -> str | None:
        self.calls.append(f"smoke {color}")
        answers = self.broken_answers.get(color)
        return answers.pop(0) if answers else None

    def say(self, text: str) -> None:
        self.calls.append(f"say {text}")
