"""The door of a release file: what its YAML says in, a Release or refusals out. Reading files is probes/release_files.py's."""

from __future__ import annotations

import json

from pydantic import ValidationError

from delivery.config_errors import Document, refusals_of, shown
from delivery.field_notes import RELEASE_NOTES
from delivery.refusal import Refusal, Refusals
from delivery.release import Release
from delivery.release_rules import release_refusals


def parse_release(raw: object, file: str) -> Release:
    """The release that a file describes; `file` is its path for messages. Raises Refusals with one Refusal for every mistake."""
    if not isinstance(raw, dict):
        raise Refusals([Refusal(file, shown(raw), "a map", "a release has a name, an engine and more", "begin it with `name: …`")])
    try:
        # YAML reads an unquoted 2026-11-20 as a date; as a name it is meant as written, and that is what str gives.
        release = Release.model_validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        document = Document(Release, RELEASE_NOTES, lambda path, example: _how_to_set(file, path, example), file, f"{file} ")
        raise Refusals(refusals_of(error, document)) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise Refusals([Refusal(file, f"YAML that is no plain data ({error})", "text, numbers, booleans, lists and maps",
                                "a release is compared by its digest", "write it in plain YAML")]) from None  # fmt: skip
    broken = release_refusals(release, file)
    if broken:
        raise Refusals(broken)
    return release


def _how_to_set(file: str, path: str, example: str) -> str:
    return f"write `{path.split('.', 1)[0].split('[', 1)[0]}: {example}` in {file}"
