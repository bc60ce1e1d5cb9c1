"""What the simulated model says, and how its faults are read. Pure."""

from __future__ import annotations

import pytest

from simulator.answers import is_wrong, limited, tokens_of_answer
from simulator.faults import Faults
from simulator.metrics import Histogram, Metrics
from simulator.options import parse_options


def answer(task: str, wrong_rate: float = 0.0, seed: int = 0) -> str:
    return "".join(tokens_of_answer(task, seed=seed, wrong_rate=wrong_rate))


def test_the_last_line_is_sorted_one_token_a_digit() -> None:
    assert tokens_of_answer("Sort these.\nsort 52413", seed=0, wrong_rate=0) == ["1", "2", "3", "4", "5"]


def test_count_gives_one_token_a_number() -> None:
    assert tokens_of_answer("count 3", seed=0, wrong_rate=0) == ["1", " 2", " 3"]


def test_other_prompts_are_echoed_and_padded() -> None:
    assert answer("hello") == "You said: hello"
    assert len(tokens_of_answer("hello", seed=0, wrong_rate=0, at_least_tokens=40)) == 40


@pytest.mark.parametrize("task", ["sort 52413", "sort 11111", "sort 9", "sort 12345", "count 5", "anything else"])
def test_a_wrong_answer_is_never_the_right_one(task: str) -> None:
    assert answer(task, wrong_rate=1.0) != answer(task)
    assert answer(task, wrong_rate=1.0) == answer(task, wrong_rate=1.0)


def test_wrong_prompts_are_the_same_each_time_and_stay_wrong_at_a_higher_rate() -> None:
    tasks = [f"sort {number:05}" for number in range(2000)]
    at_20 = {task for task in tasks if is_wrong(task, 7, 0.2)}
    assert 300 < len(at_20) < 500
    assert at_20 == {task for task in tasks if is_wrong(task, 7, 0.2)}
    assert at_20 < {task for task in tasks if is_wrong(task, 7, 0.4)}
    assert at_20 != {task for task in tasks if is_wrong(task, 8, 0.2)}


def test_the_end_of_the_sequence_needs_room_for_a_token() -> None:
    assert limited(list("123"), 4, ignore_eos=False) == (["1", "2", "3", ""], "stop")
    assert limited(list("123"), 3, ignore_eos=False) == (["1", "2", "3"], "length")
    assert limited(list("123"), 5, ignore_eos=True) == (["1", "2", "3", ".", "."], "length")
    assert limited([], 5, ignore_eos=False) == ([""], "stop")


@pytest.mark.parametrize(
    "changes",
    [
        {"error_rate": 1.5},
        {"error_rate": True},
        {"error_rate": "1"},
        {"hang": 1},
        {"crash_after": -1},
        {"crash_after": 1.5},
        {"wrong_model": None},
        {"first_token_delay_seconds": -1},
        {"unheard_of": 1},
    ],
)
def test_a_bad_fault_is_refused_by_name(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Faults().changed(changes)


def test_faults_that_are_not_named_stay() -> None:
    assert Faults(hang=True).changed({"cut_rate": 1}) == Faults(hang=True, cut_rate=1.0)


def test_flags_that_only_vllm_needs_are_ignored() -> None:
    flags = [
        "--port",
        "20",
        "--chat-template",
        "a.jinja",
        "--enforce-eager",
        "--tensor-parallel-size=2",
        "--wrong-rate",
        "0.5",
        "--model",
        "m",
    ]
    options = parse_options(flags, {"VLLM_API_KEY": "secret"})
    assert (options.port, options.served_model_names, options.faults.wrong_rate, options.api_key) == (20, ("m",), 0.5, "secret")


def test_a_key_in_argv_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--api-key", "hidden-value"], {})
    complaint = capsys.readouterr().err
    assert "VLLM_API_KEY" in complaint
    assert "hidden-value" not in complaint


def test_buckets_of_a_histogram_are_cumulative() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    lines = list(histogram.lines("h", 'a="b"'))
    assert lines == [
        'h_bucket{a="b",le="1.0"} 2.0',
        'h_bucket{a="b",le="2.0"} 3.0',
        'h_bucket{a="b",le="+Inf"} 4.0',
        'h_count{a="b"} 4.0',
        'h_sum{a="b"} 12.0',
    ]


def test_the_start_of_the_process_is_written_as_prometheus_writes_it() -> None:
    assert "process_start_time_seconds 1.79527223267e+09\n" in Metrics("m", 1795272232.67).text()
    assert "process_start_time_seconds 1.7952e+09\n" in Metrics("m", 1795200000.0).text()
