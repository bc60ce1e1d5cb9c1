"""Evaluation sets and prompts: what is accepted, what is refused and where, and grading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from delivery.eval_set import Item, digest, grade, parse_eval_set
from delivery.prompts import parse_prompts
from delivery.refusal import Refusals

ROOT = Path(__file__).resolve().parents[2]


def item(**grading: object) -> Item:
    return Item.model_validate({"id": "x", "prompt": "q", "grade": grading})


@pytest.mark.parametrize(
    ("grading", "right", "wrong"),
    [
        ({"kind": "exact", "expected": "12345"}, [" 12345\n"], ["12354", "the 12345", ""]),
        ({"kind": "exact", "expected": "Yes", "ignore_case": True}, ["YES"], ["no"]),
        ({"kind": "contains", "expected": ["a", "b"]}, ["xbxa"], ["a", "B a", ""]),
        ({"kind": "regex", "pattern": r"^\d+$"}, ["12"], ["12a", ""]),
        ({"kind": "numeric", "expected": 1234.5, "tolerance": 0.1}, ["so 1,234.6", "3 then 1.2344e3"], ["1234.7", "none", "", "1e999"]),
        ({"kind": "numeric", "expected": 3}, ["it is 3."], ["3.0001"]),
        ({"kind": "json_schema", "schema": {"type": "object", "required": ["a"]}}, ['{"a": 1}', '```json\n{"a": 1}\n```'], ["{}", "{", ""]),
    ],
)  # fmt: skip
def test_each_kind_of_grade_tells_right_from_wrong(grading: dict[str, object], right: list[str], wrong: list[str]) -> None:
    assert [grade(item(**grading), answer) for answer in right] == [True] * len(right)
    assert [grade(item(**grading), answer) for answer in wrong] == [False] * len(wrong)


GOOD = {"id": "a", "prompt": "q", "grade": {"kind": "exact", "expected": "1"}}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[]", "valid dictionary"),
        (json.dumps(GOOD), "id 'a' of line 1 again"),
        (json.dumps(GOOD | {"id": "b", "extra": 1}), "Extra inputs"),
        (json.dumps(GOOD | {"id": ""}), "at least 1 character"),
        (json.dumps(GOOD | {"id": "b", "max_tokens": 0}), "greater than or equal to 1"),
        (json.dumps(GOOD | {"id": "b", "max_tokens": "9"}), "valid integer"),
        (json.dumps(GOOD | {"id": "b", "messages": [{"role": "user", "content": "x"}]}), "and not both"),
        (json.dumps({"id": "b", "grade": GOOD["grade"]}), "either messages or prompt"),
        (json.dumps(GOOD | {"id": "b", "grade": {"kind": "guess"}}), "expected tags"),
        (json.dumps(GOOD | {"id": "b", "grade": {"kind": "regex", "pattern": "("}}), "regular expression"),
        (json.dumps(GOOD | {"id": "b", "grade": {"kind": "json_schema", "schema": {"type": "nope"}}}), "JSON schema"),
        (json.dumps(GOOD | {"id": "b", "grade": {"kind": "model_graded", "rubric": "r"}}), "need gates.eval.grader"),
    ],
)
def test_a_bad_line_is_refused_with_its_file_and_line(line: str, said: str) -> None:
    with pytest.raises(Refusals) as refused:
        parse_eval_set(json.dumps(GOOD) + "\n\n" + line, "evals/e.jsonl")
    assert "evals/e.jsonl:3" in str(refused.value)
    assert said in str(refused.value)


def test_every_bad_line_is_named_at_once_and_an_empty_file_is_refused() -> None:
    with pytest.raises(Refusals) as refused:
        parse_eval_set("{\n{\n", "e.jsonl")
    assert len(refused.value.refusals) == 2
    for parse in (parse_eval_set, parse_prompts):
        with pytest.raises(Refusals, match="at least"):
            parse("\n", "e.jsonl")


def test_the_digest_changes_with_the_text() -> None:
    assert len(digest("a")) == 16
    assert digest("a") != digest("b")


def test_prompts_with_the_most_shared_opening_come_first_one_of_each() -> None:
    def line(system: str, user: str) -> str:
        return json.dumps({"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]})

    prompts = parse_prompts("\n".join([line("A", "1"), line("B", "2"), line("B", "3"), json.dumps({"prompt": "4"})]), "p.jsonl")
    assert [prompt.chat()[-1]["content"] for prompt in prompts] == ["2", "1", "4", "3"]


def test_the_examples_in_the_repository_are_valid() -> None:
    examples = parse_eval_set((ROOT / "evals/sort.jsonl").read_text(), "evals/sort.jsonl")
    assert len(examples.items) == 120
    assert all(grade(item, "".join(sorted(item.chat()[-1]["content"].removeprefix("sort ")))) for item in examples.items)
    assert len(parse_prompts((ROOT / "evals/prompts.jsonl").read_text(), "evals/prompts.jsonl")) >= 6
