"""Invariant 7: no data is never a pass. Whatever keeps a gate from measuring, no weight rises, and the message says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName, Verdict
from probes.receipts import read_receipt
from scripts.stack_driver import ROOT, StackDriver
from tests.fakes.live_stack import live, live_stack, must, refused, set_canary
from tests.fakes.project_files import project_file
from tests.fakes.stack_faults import dead, faulty, frozen, program

ALL_BLUE = Weights(100, 0)
WARMUP_SECONDS, SHORT_SECONDS = 60, 5
SET = "evals/sort.jsonl"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue, green gated."""
    with live_stack(tmp_path_factory.mktemp("seven"), steps=[25, 100]) as stack:
        must(stack.up())
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = WARMUP_SECONDS
        yield stack


@pytest.fixture(autouse=True)
def no_weight_moves(stack: StackDriver) -> Iterator[None]:
    """Whatever a test does, everything is still on blue."""
    yield
    assert live(stack) == ALL_BLUE
    stack.service()["canaryWeight"] = 0
    stack.service()["gates"]["eval"]["set"] = SET


def forget(stack: StackDriver, *gates: GateName) -> None:
    """Green has to be measured again by these gates."""
    for gate in gates:
        (stack.home.path / "receipts" / f"chat-green-{gate}.json").unlink(missing_ok=True)
        assert read_receipt(stack.home.path, "chat", Color.GREEN, gate) is None


def unreachable(stack: StackDriver, how: str) -> AbstractContextManager[None]:
    """An engine that answers nothing: gone, or there and stuck."""
    return dead(stack, Color.GREEN) if how == "dead" else frozen(stack, program(Color.GREEN))


@pytest.mark.parametrize("fault", ["empty_rate", "error_rate"])
def test_invariant_07_answers_that_are_empty_or_missing_are_no_pass(stack: StackDriver, fault: str) -> None:
    forget(stack, GateName.EVAL)
    with faulty(stack, Color.GREEN, **{fault: 0.9}):
        refused(set_canary(stack, 25), "chat/green: eval", "need", "Its weight was not raised")
    receipt = read_receipt(stack.home.path, "chat", Color.GREEN, GateName.EVAL)
    assert receipt is not None
    assert receipt.verdict is not Verdict.PASS


def test_invariant_07_too_few_items_are_no_pass(stack: StackDriver) -> None:
    few = "".join((ROOT / SET).read_text().splitlines(keepends=True)[:3])
    with project_file("few.jsonl", few) as path:
        stack.service()["gates"]["eval"]["set"] = path
        ran = refused(set_canary(stack, 25), "chat/green: eval inconclusive", "3 items support a margin of", "use more items")
        assert "Its weight was not raised" in ran.output


@pytest.mark.parametrize("text", [None, "not a line of JSON\n", ""])
def test_invariant_07_an_evaluation_set_that_cannot_be_read_is_refused_at_preview(stack: StackDriver, text: str | None) -> None:
    with project_file("broken.jsonl", text or "") as path:
        if text is None:
            (ROOT / path).unlink()
        stack.service()["gates"]["eval"]["set"] = path
        stack.service()["canaryWeight"] = 25
        refused(stack.preview(), path)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("dead", ("keeps ending", "need engines that stay up", "read the engine's log")),
        ("frozen", (f"0 of 1 engines came up within {SHORT_SECONDS} s", "need all", "read the engine's log")),
    ],
)
def test_invariant_07_an_unreachable_engine_is_no_pass(stack: StackDriver, how: str, words: tuple[str, ...]) -> None:
    forget(stack, *GateName)
    stack.service()["gates"]["warmup"]["deadlineSeconds"] = SHORT_SECONDS if how == "frozen" else WARMUP_SECONDS
    with unreachable(stack, how):
        refused(set_canary(stack, 25), "chat/green: warmup", *words, "Its weight was not raised")
