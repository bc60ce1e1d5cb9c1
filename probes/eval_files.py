"""Reads the files that gates are measured with: prompts and evaluation sets, relative to the project's root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from delivery.eval_set import EvalSet, parse_eval_set
from delivery.gate_settings import EvalSettings
from delivery.prompts import Prompt, parse_prompts
from delivery.refusal import Refusal


def read_prompts(root: Path, path: str) -> Sequence[Prompt]:
    """The prompts of a warm-up. Raises Refusal for a file that can't be read, Refusals for its lines."""
    return parse_prompts(_read(root, path, "gates.warmup.prompts"), path)


def read_eval_set(root: Path, settings: EvalSettings) -> EvalSet:
    """An evaluation set with its digest. Raises Refusal for a file that can't be read, Refusals for its lines."""
    return parse_eval_set(_read(root, settings.set, "gates.eval.set"), settings.set, settings.grader)


def _read(root: Path, path: str, named_by: str) -> str:
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Refusal(named_by, f"{path} ({problem})", "a JSONL file that can be read", "nothing measured is never a pass",
                      "check the path, which starts at the project's root") from None  # fmt: skip
