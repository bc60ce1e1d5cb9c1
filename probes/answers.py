"""Answers kept on disk, so that a candidate can be compared with a release that can't be asked any more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from probes.atomic_file import write_atomically


class KeptAnswers(BaseModel):
    """The answers of one release to one evaluation set, by item id; an item without an answer is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    evaluation_set: str
    answers: dict[str, str]


def answers_path(folder: Path, release: str, evaluation_set: str) -> Path:
    """Where the answers of a release digest to a set digest are kept."""
    return folder / f"{release}-{evaluation_set}.json"


def save_answers(folder: Path, release: str, evaluation_set: str, answers: Mapping[str, str]) -> Path:
    """Keep the answers; returns where. Raises OSError."""
    kept = KeptAnswers(release=release, evaluation_set=evaluation_set, answers=dict(answers))
    path = answers_path(folder, release, evaluation_set)
    write_atomically(path, kept.model_dump_json(indent=1))
    return path


def load_answers(folder: Path, release: str, evaluation_set: str) -> dict[str, str] | None:
    """The kept answers; None when there are none for exactly this release and set, or when the file is damaged."""
    try:
        kept = KeptAnswers.model_validate_json(answers_path(folder, release, evaluation_set).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None
    return kept.answers if (kept.release, kept.evaluation_set) == (release, evaluation_set) else None
