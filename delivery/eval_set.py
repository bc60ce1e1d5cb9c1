"""Evaluation sets: items with a grade each, in JSONL. Owns their form and the grading; running them is probes/eval_run.py's."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from delivery.gate_settings import GraderSettings
from delivery.prompts import Prompt, empty_file, read_lines
from delivery.refusal import Refusal, Refusals

_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_FENCE = re.compile(r"\A```[a-zA-Z]*\n(.*?)\n?```\Z", re.DOTALL)


class _Grade(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Exact(_Grade):
    """The answer is the expected text, apart from white space around it."""

    kind: Literal["exact"]
    expected: str
    ignore_case: bool = False


class Contains(_Grade):
    """The answer contains every one of the expected texts."""

    kind: Literal["contains"]
    expected: str | list[str] = Field(min_length=1)
    ignore_case: bool = False


class Regex(_Grade):
    """The pattern (Python's `re`) is found somewhere in the answer."""

    kind: Literal["regex"]
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"need a regular expression: {error}") from error
        return pattern


class Numeric(_Grade):
    """The last number in the answer is within an absolute `tolerance` of the expected one. Commas group thousands."""

    kind: Literal["numeric"]
    expected: float = Field(allow_inf_nan=False)
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class JsonSchema(_Grade):
    """The answer is JSON that the schema accepts (in a code fence or not)."""

    kind: Literal["json_schema"]
    json_schema: dict[str, Any] = Field(alias="schema")

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        import jsonschema  # slow to load, and most sets have no such item

        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise ValueError(f"need a JSON schema: {error.message}") from error
        return schema


class ModelGraded(_Grade):
    """A model decides by the rubric (delivery/model_grading.py, probes/model_grader.py)."""

    kind: Literal["model_graded"]
    rubric: str = Field(min_length=1)


Grade = Annotated[Exact | Contains | Regex | Numeric | JsonSchema | ModelGraded, Field(discriminator="kind")]


class Item(Prompt):
    """One item. Items with the same `source` are variants of one thing and fail together; the statistics count them so."""

    id: str = Field(min_length=1)
    grade: Grade
    source: str = ""


@dataclass(frozen=True)
class EvalSet:
    """A parsed set: its items in the file's order and the digest of its text."""

    items: tuple[Item, ...]
    digest: str

    @property
    def source_of(self) -> dict[str, str]:
        """The source of each item by id, "" where it has none."""
        return {item.id: item.source for item in self.items}


def parse_eval_set(text: str, path: str, grader: GraderSettings | None = None) -> EvalSet:
    """The items of a JSONL text. Who grades is part of the digest where a model does. Raises Refusals that name file and line: what is no
    item, a second use of an id, an item that only a model can grade where none is configured, and a file without items."""
    numbered, refusals = read_lines(text, path, Item)
    first_seen: dict[str, int] = {}
    for number, item in numbered:
        where = f"{path}:{number}"
        if item.id in first_seen:
            got, because = f"the id '{item.id}' of line {first_seen[item.id]} again", "answers of two releases are paired by id"
            refusals.append(Refusal(where, got, "an id of its own", because, "rename one"))
        first_seen.setdefault(item.id, number)
        if isinstance(item.grade, ModelGraded) and grader is None:
            refusals.append(_no_grader(where))
    if refusals:
        raise Refusals(refusals)
    if not numbered:
        raise Refusals([empty_file(path, "an item")])
    by_model = grader is not None and any(isinstance(item.grade, ModelGraded) for _, item in numbered)
    graded_by = f"\n{grader.model_dump_json()}" if grader and by_model else ""
    return EvalSet(tuple(item for _, item in numbered), digest(text + graded_by))


def digest(text: str) -> str:
    """16 hex digits that identify the text of a set."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def grade(item: Item, answer: str) -> bool:
    """Whether the answer is right. Raises TypeError for an item that only a model can grade."""
    wanted = item.grade
    if isinstance(wanted, ModelGraded):
        raise TypeError(f"{item.id} is graded by a model")
    if isinstance(wanted, Exact):
        return _folded(answer.strip(), wanted.ignore_case) == _folded(wanted.expected.strip(), wanted.ignore_case)
    if isinstance(wanted, Contains):
        texts = [wanted.expected] if isinstance(wanted.expected, str) else wanted.expected
        return all(_folded(text, wanted.ignore_case) in _folded(answer, wanted.ignore_case) for text in texts)
    if isinstance(wanted, Regex):
        return re.search(wanted.pattern, answer) is not None
    if isinstance(wanted, Numeric):
        return _is_near(answer, wanted)
    return _fits(answer, wanted.json_schema)


def _no_grader(where: str) -> Refusal:
    because = "an answer that nobody grades is never right"
    do = "add the grader's url and model there, or use exact, contains, regex, numeric or json_schema"
    return Refusal(where, "a grade of kind model_graded", "gates.eval.grader", because, do)


def _folded(text: str, ignore_case: bool) -> str:
    return text.casefold() if ignore_case else text


def _is_near(answer: str, wanted: Numeric) -> bool:
    numbers = _NUMBER.findall(answer)
    if not numbers:
        return False
    got = float(numbers[-1].replace(",", ""))
    # A tolerance of 0.1 must accept 0.3 for 0.2 although their difference isn't exactly 0.1 in binary.
    rounding = 1e-9 * max(1.0, abs(wanted.expected)) if wanted.tolerance else 0.0
    return math.isfinite(got) and abs(got - wanted.expected) <= wanted.tolerance + rounding


def _fits(answer: str, schema: dict[str, Any]) -> bool:
    import jsonschema

    fenced = _FENCE.match(answer.strip())
    try:
        value = json.loads(fenced.group(1) if fenced else answer)
        return bool(jsonschema.Draft202012Validator(schema).is_valid(value))
    except (ValueError, RecursionError):
        return False
