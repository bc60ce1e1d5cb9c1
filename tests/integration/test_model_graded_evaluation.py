"""A real `up` whose evaluation is graded by a model that wants a key: it passes, it fails, it is away, and the key stays secret."""

from __future__ import annotations

import json
from pathlib import Path

from delivery.color import Color
from delivery.receipt import GateName, Verdict
from probes.receipts import read_receipt
from tests.fakes.grader import start_grader
from tests.fakes.live_stack import BAD, live_stack, must, refused, set_canary
from tests.fakes.project_files import project_file

KEY = "sk-grader-4Tz8nB1vQy"
RUBRIC = {"kind": "model_graded", "rubric": "the digits of the task, in ascending order"}


ITEMS = "".join(
    json.dumps({"id": f"i{n}", "prompt": f"sort {n}", "grade": RUBRIC, "max_tokens": 16}) + "\n" for n in range(31_000, 31_120)
)


def test_a_release_is_judged_by_the_grading_model_and_its_key_is_in_one_file(tmp_path: Path) -> None:
    with (
        project_file("graded.jsonl", ITEMS) as items,
        start_grader(KEY) as grader,
        live_stack(tmp_path, secrets={"graderKey": KEY}, steps=[50, 100]) as stack,
    ):
        gate = stack.service()["gates"]["eval"]
        gate["set"] = items
        refused(stack.preview(), "a grade of kind model_graded", "need gates.eval.grader")
        gate["grader"] = {"url": grader.url, "model": "judge"}
        printed = must(stack.up()).output
        assert len(grader.asked) >= 240
        assert grader.refused == 0
        must(set_canary(stack, 50))
        must(set_canary(stack, 0))

        stack.service()["green"] = {"release": BAD}
        assert "green: eval fail" in must(stack.up()).output
        refused(set_canary(stack, 50), "green: eval fail", "need 80 %")

        stack.service()["canaryWeight"] = 0
        gate["grader"]["model"] = "stricter"
        grader.reply = "I would rather not say."
        must(stack.up())
        receipt = read_receipt(stack.home.path, "chat", Color.GREEN, GateName.EVAL)
        assert receipt is not None
        assert receipt.verdict is Verdict.INCONCLUSIVE
        assert "neither PASS nor FAIL" in receipt.reason

        assert KEY not in printed
        holders = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()}
        assert holders == {f"home/{stack.name}/secrets/grader-key"}
