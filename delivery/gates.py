"""What a gate hands back, whatever it measured. The verdicts are in warmup_verdict.py and eval_verdict.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from delivery.receipt import Verdict


@dataclass(frozen=True)
class GateResult:
    """A verdict, the sentence that explains it (measured, needed, what to do), how many samples it rests on and its numbers."""

    verdict: Verdict
    reason: str
    samples: int
    numbers: Mapping[str, float] = field(default_factory=dict)


def changed_engines(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses behind which another process answered after a measurement than before it."""
    return tuple(sorted(address for address in {**before, **after} if before.get(address) != after.get(address)))


def listed(names: list[str] | tuple[str, ...], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
