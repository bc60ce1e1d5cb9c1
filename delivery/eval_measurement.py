"""What an evaluation measured, before anyone judges it. Filled by probes/eval_run.py, judged in delivery/eval_verdict.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """One item on one side: the answer, whether it is right, and the error instead of an answer, if there was one."""

    right: bool
    answer: str = ""
    error: str = ""


@dataclass(frozen=True)
class EvalMeasurement:
    """What was asked, by item id; an item that is missing was never asked. `asked_for` are all ids of the set.

    `baseline` is None where there is nothing to compare with; then `baseline_expected` says whether there should have been, and
    `baseline_note` why not. `stopped` says why the run ended early ("" when it didn't), `ungraded` that a grading model failed.
    """

    asked_for: tuple[str, ...]
    source_of: Mapping[str, str]
    candidate: Mapping[str, Outcome]
    identities_before: Mapping[str, str]
    identities_after: Mapping[str, str]
    baseline: Mapping[str, Outcome] | None = None
    baseline_expected: bool = False
    baseline_note: str = ""
    stopped: str = ""
    ungraded: str = ""
    seconds: float = field(default=0.0, compare=False)
