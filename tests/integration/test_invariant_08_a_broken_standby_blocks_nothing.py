"""Invariant 8: at weight 0 gates are advisory. A broken green is a warning and a receipt, once, and never blocks an `up`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName, Verdict
from probes.receipts import read_receipt
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import ALSO_GOOD, BAD, live, live_stack, must
from tests.fakes.project_files import project_file

ALL_BLUE = Weights(100, 0)
WARMUP_SECONDS = 300
"""An `up` that waited for an engine that cannot start would take longer than this."""

CANNOT_START = """\
name: cannot-start
engine: simulator
servedModelName: sorter
args: {exit-at-start: true}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """All on blue, and a good green."""
    with live_stack(tmp_path_factory.mktemp("eight")) as stack:
        stack.service()["gates"]["warmup"]["deadlineSeconds"] = WARMUP_SECONDS
        must(stack.up())
        yield stack


def verdict(stack: StackDriver, gate: GateName) -> Verdict | None:
    """What green's receipt says."""
    receipt = read_receipt(stack.home.path, "chat", Color.GREEN, gate)
    return receipt.verdict if receipt else None


def assert_next_up_does_nothing(stack: StackDriver) -> None:
    """Another `up` measures nothing and changes nothing."""
    ran = must(stack.up("--expect-no-changes"))
    assert "warning" not in ran.output, ran.output
    assert live(stack) == ALL_BLUE


def test_invariant_08_a_green_that_answers_wrong_is_a_warning_and_a_fail_receipt_once(stack: StackDriver) -> None:
    stack.service()["green"] = {"release": BAD}
    ran = must(stack.up())
    assert "warning: chat/green: eval fail" in ran.output
    assert "It carries no traffic, so this `up` goes on" in ran.output
    assert (verdict(stack, GateName.WARMUP), verdict(stack, GateName.EVAL)) == (Verdict.PASS, Verdict.FAIL)
    assert live(stack) == ALL_BLUE
    assert_next_up_does_nothing(stack)


def test_invariant_08_a_green_that_cannot_start_is_a_warning_and_a_fail_receipt_in_bounded_time(stack: StackDriver) -> None:
    with project_file("cannot-start.yaml", CANNOT_START) as release:
        stack.service()["green"] = {"release": release}
        ran = must(stack.up())
        assert ran.seconds < WARMUP_SECONDS
        assert "warning: chat/green: warmup fail" in ran.output
        assert "keeps ending" in ran.output
        assert verdict(stack, GateName.WARMUP) is Verdict.FAIL
        assert verdict(stack, GateName.EVAL) is Verdict.INCONCLUSIVE
        assert live(stack) == ALL_BLUE
        assert_next_up_does_nothing(stack)


def test_invariant_08_a_green_that_is_good_again_is_measured_again_and_passes(stack: StackDriver) -> None:
    stack.service()["green"] = {"release": ALSO_GOOD}
    must(stack.up())
    assert verdict(stack, GateName.EVAL) is Verdict.PASS
