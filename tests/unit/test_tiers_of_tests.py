"""scripts/test: what is left out, what fails, what is required."""

import pytest

from scripts import test_tiers
from scripts.test_tiers import Outcome, Status, Tier

CANNOT_RUN = Tier("unit", "tests/unit", missing=lambda: "no frobnicator on PATH")
RUNS = Tier("unit", "tests/unit")


def outcome_of(
    tier: Tier, monkeypatch: pytest.MonkeyPatch, required: bool = False, code: int = 0, last: str = "== 3 passed in 0.1s =="
) -> Outcome:
    monkeypatch.setattr(test_tiers, "run_and_show", lambda command: (code, last))
    return test_tiers.run_tier(tier, required, [])


def test_a_tier_whose_parts_are_missing_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_of(CANNOT_RUN, monkeypatch)
    assert (outcome.status, outcome.detail) == (Status.LEFT_OUT, "no frobnicator on PATH")


def test_a_required_tier_whose_parts_are_missing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome_of(CANNOT_RUN, monkeypatch, required=True).status is Status.FAILED


def test_a_tier_without_tests_is_left_out_and_a_failure_when_required(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Tier("docker", "tests/no-such-folder")
    assert outcome_of(empty, monkeypatch).detail == "no tests in tests/no-such-folder"
    assert outcome_of(empty, monkeypatch, required=True).status is Status.FAILED


def test_counts_come_from_the_closing_line_of_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_of(RUNS, monkeypatch, code=1, last="==== 1 failed, 72 passed in 8.49s (0:00:08) ====")
    assert (outcome.status, outcome.detail) == (Status.FAILED, "1 failed, 72 passed")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ([], Status.PASSED, 0),
        ([], Status.FAILED, 1),
        ([], Status.LEFT_OUT, 0),
        (["--tier", "unit"], Status.LEFT_OUT, 1),
    ],
)
def test_the_exit_code_follows_from_failures_and_from_what_was_asked_for(
    arguments: list[str], status: Status, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_tiers, "run_tier", lambda tier, required, words: Outcome(tier.name, status, 0.0, ""))
    assert test_tiers.main(arguments) == code


def test_require_all_requires_every_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    required: dict[str, bool] = {}

    def record(tier: Tier, is_required: bool, words: object) -> Outcome:
        required[tier.name] = is_required
        return Outcome(tier.name, Status.PASSED, 0.0, "")

    monkeypatch.setattr(test_tiers, "run_tier", record)
    test_tiers.main(["--require", "all"])
    assert required == dict.fromkeys(test_tiers.NAMES, True)


def test_an_unknown_tier_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        test_tiers.main(["--tier", "e2e"])
    assert "got 'e2e', need all or some of lint, unit" in capsys.readouterr().err


@pytest.mark.parametrize(("second", "status"), [(0, Status.PASSED), (1, Status.FAILED)])
def test_what_failed_on_real_processes_runs_once_more_and_is_named(second: int, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [(1, "== 1 failed, 72 passed in 8.49s =="), (second, f"== 1 {'failed' if second else 'passed'} in 0.5s ==")]
    commands: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, str]:
        commands.append(command)
        return runs.pop(0)

    monkeypatch.setattr(test_tiers, "run_and_show", run)
    outcome = test_tiers.run_tier(Tier("integration", "tests/integration", second_try=True), True, [])
    assert outcome.status is status
    assert outcome.detail.startswith("1 failed, 72 passed; at a second try 1 ")
    assert "--last-failed" in commands[1]


def test_a_pure_test_gets_no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_of(RUNS, monkeypatch, code=1, last="== 1 failed in 0.1s ==")
    assert (outcome.status, outcome.detail) == (Status.FAILED, "1 failed")
