"""What the demo calls a success, and what a person and a machine read of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from delivery.color import Color
from delivery.receipt import GateName, Receipt, Verdict
from scripts.demo_options import parse_options
from scripts.demo_report import Row, as_json, next_steps, problems, rows_of, table_of, totals
from scripts.demo_rollout import SAID_LIVE, WHY, StepRun
from scripts.demo_steps import Step
from traffic.events import Event, Outcome
from traffic.summary import Summary, summarize

RAISE = Step("green to 25 %", Color.BLUE, 25, True)
EVERYTHING = Step("green to 100 %", Color.BLUE, 100, True)


class Recorded:
    """A load that has ended."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def summary(self, *, since: float = -math.inf, until: float = math.inf) -> Summary:
        return summarize(self.events, since=since, until=until)


def event(at: float, color: str = "blue", outcome: Outcome = Outcome.OK, stream: bool = False) -> Event:
    return Event(stream, outcome, "" if outcome is Outcome.OK else "reset", at, at, at + 0.01, None, 5, 200, color, "r")


def events(begin: float, blue: int, green: int) -> list[Event]:
    colors = ["blue"] * blue + ["green"] * green
    return [event(begin + number / 100, color) for number, color in enumerate(colors)]


def run(step: Step, started: float, settled: float, **changes: Any) -> StepRun:
    return replace(StepRun(step, started, settled, up_seconds=3.0), **changes)


def receipt(gate: GateName, **numbers: float) -> Receipt:
    return Receipt(
        gate=gate, service="chat", color=Color.GREEN, release="r", engines=("e@1",), verdict=Verdict.PASS, reason="", measured_at="",
        numbers=numbers,
    )  # fmt: skip


def shown(rows: list[Row]) -> str:
    console = Console(width=200, record=True, file=None)
    with console.capture() as captured:
        console.print(table_of(rows))
    return captured.get()


def test_a_step_owns_the_requests_from_its_start_to_the_next_one() -> None:
    load = Recorded(events(10, 75, 25) + events(20, 0, 50))
    rows = rows_of([run(RAISE, 10, 10), run(EVERYTHING, 20, 20)], load)
    assert [row.requests for row in rows] == [100, 50]
    assert problems(rows) == []


def test_only_answers_after_the_weights_were_live_are_measured_against_them() -> None:
    load = Recorded(events(10, 300, 0) + events(15, 0, 50))
    row = rows_of([run(EVERYTHING, 10, 15)], load)[0]
    assert row.requests == 350
    assert row.answered == {"blue": 0, "green": 50}
    assert not row.failure


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (event(10.5, outcome=Outcome.FAILED), "1 requests failed"),
        (event(10.5, outcome=Outcome.CUT, stream=True), "1 streams were cut"),
    ],
)
def test_one_bad_request_breaks_the_promise_and_names_its_step(bad: Event, word: str) -> None:
    rows = rows_of([run(RAISE, 10, 10), run(EVERYTHING, 20, 20)], Recorded([*events(10, 75, 25), bad, *events(20, 0, 9)]))
    [problem] = problems(rows)
    assert problem.startswith("green to 25 %: ")
    assert word in problem


def test_traffic_on_a_color_without_weight_breaks_the_promise() -> None:
    rows = rows_of([run(EVERYTHING, 10, 10)], Recorded(events(10, 1, 99)))
    assert "blue answered 1 of 100 probes at weight 0, need 0" in problems(rows)[0]


def test_a_failed_step_is_a_problem_even_where_no_request_was_sent() -> None:
    rows = rows_of([run(RAISE, 10, 0, failure="pulumi up failed")], Recorded([]))
    assert problems(rows) == ["green to 25 %: pulumi up failed"]


def test_the_table_shows_the_gates_with_their_numbers_and_the_measured_split() -> None:
    measured = [
        receipt(GateName.EVAL, right=119, asked=120, loss_upper_percent=2.5, margin_percent=5),
        receipt(GateName.WARMUP, cold_ttft_ms=40, warm_ttft_ms=6),
    ]
    rows = rows_of([run(RAISE, 10, 10, measured=measured, probes={"blue": 150, "green": 50})], Recorded(events(10, 75, 25)))
    text = shown(rows)
    for words in (
        "green warmup pass: first token 40 -> 6 ms", "green eval pass: 119 of 120 right, at most 2.5 points worse (margin 5)",
        "green 25.0 % of 200 probes", "green 25.0 % of 100 requests", "blue 75 / green 25", "3.0",
    ):  # fmt: skip
        assert words in text, text


def test_the_table_says_why_no_gate_ran() -> None:
    whys = ["after passing gates", "at once, after a token from it", ""]
    runs = [run(RAISE, at, at, why=why) for at, why in enumerate(whys)]
    gates = [row.gates for row in rows_of(runs, Recorded([]))]
    assert gates == [["receipts hold, not run again"], ["none: at once, after a token from it"], ["none: no weight rises"]]


def test_the_json_is_one_object_that_says_whether_it_went_well() -> None:
    load = Recorded(events(10, 75, 25))
    report = as_json(rows_of([run(RAISE, 10, 10)], load), load.summary(), parse_options([]), 12.34)
    read = json.loads(json.dumps(report, allow_nan=False))
    assert read["ok"] is True
    assert (read["requests"], read["failed"], read["streams_cut"], read["steps"][0]["step"]) == (100, 0, 0, "green to 25 %")
    assert as_json([], summarize([]), parse_options([]), 0)["ok"] is False


def test_the_totals_cope_with_a_load_that_never_began() -> None:
    assert totals(summarize([])) == "No request was sent."


def test_what_to_try_next_names_the_port_and_the_way_to_remove_it() -> None:
    text = next_steps(parse_options(["--port", "12000"]), ".verdigris/demo")
    assert "http://127.0.0.1:12000/v1/chat/completions" in text
    assert "scripts/demo --down" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (" +  pulumi:pulumi:Stack verdigris-demo creating (2s) chat/blue: warmup pass: 1 of 1", "chat/blue: warmup pass: 1 of 1"),
        ("    pulumi:pulumi:Stack verdigris-demo running chat: blue 100 / green 0", "chat: blue 100 / green 0"),
        ("    pulumi:pulumi:Stack verdigris-demo running Plan", None),
        (" +  pulumi:pulumi:Stack verdigris-demo creating (0s) Plan", None),
        (" +  pulumi:pulumi:Stack verdigris-demo created (7s) 6 messages", None),
        (" ~  pulumi-python:dynamic/verdigris:TrafficSplit chat-split updating (0s) [diff: ~weights]", None),
    ],
)
def test_only_what_the_program_says_is_passed_on_while_it_runs(line: str, said: str | None) -> None:
    found = SAID_LIVE.search(line)
    assert (found.group(1) if found else None) == said


def test_the_reason_of_a_shift_is_read_from_the_plan() -> None:
    plan = "    Plan\n    chat: weights blue 0 / green 100 -> blue 100 / green 0, at once, after a token from it; expect about 5 s\n"
    found = WHY.search(plan)
    assert found
    assert found.group(1) == "at once, after a token from it"
    assert not WHY.search("    chat: weights unchanged at blue 100 / green 0; expect about 5 s\n")
