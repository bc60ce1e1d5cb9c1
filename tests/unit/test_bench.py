"""scripts/bench: what it prints, when it says that a limit is broken, and how it reads what it measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHES, main
from benchmarks.chaos import is_of_a_kill
from benchmarks.flip_clock import RenameClock, flip_seconds, settled
from benchmarks.report import BenchFailed, Report, ratio
from benchmarks.rollback import met_a_broken_green
from delivery.color import Color
from probes.atomic_file import write_atomically
from traffic.events import Event, Outcome


def bench_with(**figures: object) -> Callable[[bool], Report]:
    def bench(quick: bool) -> Report:
        report = Report("fake", quick)
        report.note(**figures)
        report.at_most("failed", 0)
        report.at_least("requests", 10)
        return report

    return bench


def run_of(capsys: pytest.CaptureFixture[str], bench: Callable[[bool], Report], *flags: str) -> tuple[int, list[str]]:
    code = main(["fake", *flags], {"fake": (bench, "a fake")})
    return code, capsys.readouterr().out.splitlines()


def test_figures_within_their_limits_exit_with_0_and_one_json_object_on_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run_of(capsys, bench_with(failed=0, requests=10))
    assert code == 0
    assert json.loads(lines[-1]) == {
        "bench": "fake", "quick": False, "failed": 0, "requests": 10, "within_limits": True, "problems": [],
    }  # fmt: skip
    assert len(lines) == 3


def test_json_alone_is_a_single_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = run_of(capsys, bench_with(failed=0, requests=10), "--json", "--quick")
    assert len(lines) == 1
    assert json.loads(lines[0])["quick"] is True


@pytest.mark.parametrize(
    ("figures", "named"),
    [
        ({"failed": 1, "requests": 10}, "failed: got 1, need at most 0"),
        ({"failed": 0, "requests": 9}, "requests: got 9, need at least 10"),
        ({"failed": 0}, "requests: got None"),
        ({"failed": float("nan"), "requests": 10}, "failed: got nan"),
    ],
)
def test_a_figure_outside_its_limit_or_missing_exits_with_1_and_is_named(
    capsys: pytest.CaptureFixture[str], figures: dict[str, object], named: str
) -> None:
    code, lines = run_of(capsys, bench_with(**figures))
    last = json.loads(lines[-1])
    assert (code, last["within_limits"]) == (1, False)
    assert any(named in problem for problem in last["problems"])


def test_a_bench_that_could_not_measure_says_why_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(quick: bool) -> Report:
        raise BenchFailed("no router")

    code, lines = run_of(capsys, broken, "--json")
    assert (code, json.loads(lines[-1])["problems"]) == (1, ["no router"])


def test_help_lists_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in BENCHES)


def test_an_unknown_bench_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["flop"])
    assert ended.value.code == 2
    assert "flip" in capsys.readouterr().err


def test_a_ratio_against_nothing_keeps_no_limit() -> None:
    report = Report("fake", False)
    report.note(ratio=ratio(1.0, 0.0))
    report.at_most("ratio", 2)
    assert report.problems
    assert json.loads(report.to_json())["ratio"] is None


def test_a_flip_lasts_until_the_last_reply_of_the_old_color() -> None:
    replies = [(9.0, "blue"), (10.001, "green"), (10.004, "blue"), (10.005, "green")]
    assert flip_seconds(replies, 10.0, "green") == pytest.approx(0.004)


def test_a_flip_without_a_late_reply_took_no_time() -> None:
    assert flip_seconds([(9.0, "blue"), (10.1, "green")], 10.0, "green") == 0.0


def test_a_flip_is_over_only_when_every_connection_has_replied_twice_in_the_new_color() -> None:
    new = [(float(index), "green") for index in range(12)]
    assert settled(new, "green")
    assert not settled(new[:11], "green")
    assert not settled([*new, (12.0, "blue")], "green")


def test_the_moment_of_a_rename_is_that_of_the_file_alone(tmp_path: Path) -> None:
    clock = RenameClock(tmp_path / "routes.json")
    write_atomically(tmp_path / "other.json", "{}")
    assert clock.renamed_at != clock.renamed_at
    write_atomically(tmp_path / "routes.json", "{}")
    assert clock.renamed_at > 0


def event(color: str, planned_at: float, ended_at: float) -> Event:
    return Event(True, Outcome.CUT, "reset", planned_at, planned_at, ended_at, None, 0, 200, color, "")


@pytest.mark.parametrize(
    ("color", "ended_at", "excused"),
    [("green", 100.2, True), ("blue", 100.2, False), ("green", 99.0, False), ("green", 110.0, False), ("", 100.2, False)],
)
def test_only_streams_of_the_killed_color_that_broke_at_a_kill_are_excused(color: str, ended_at: float, excused: bool) -> None:
    assert is_of_a_kill(event(color, 98.0, ended_at), Color.GREEN, [50.0, 100.0]) is excused


@pytest.mark.parametrize(
    ("planned_at", "ended_at", "broken"),
    [(101.0, 103.0, True), (99.0, 100.5, True), (109.0, 115.0, True), (110.0, 111.0, False), (98.0, 99.5, False), (80.0, 101.0, False)],
)
def test_a_failure_counts_as_met_by_a_broken_green_from_its_break_to_the_rollback(planned_at: float, ended_at: float, broken: bool) -> None:
    assert met_a_broken_green(event("green", planned_at, ended_at), [(100.0, 110.0)]) is broken
