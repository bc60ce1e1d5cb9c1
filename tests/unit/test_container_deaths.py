"""A container that keeps ending is noticed by its restarts since the warm-up began."""

import pytest

from probes.containers import ContainerState
from providers import container_deaths
from providers.container_deaths import ContainerDeaths


@pytest.fixture(autouse=True)
def _asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_deaths, "_ASK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(container_deaths, "last_words", lambda _host, _name: "bad flag")


def deaths(counts: list[int | None]) -> list[str | None]:
    """What is said each time Docker shows another count of restarts (None: no answer)."""
    left = iter(counts)

    def state(_host: str, _name: str) -> ContainerState | None:
        count = next(left)
        return None if count is None else ContainerState("restarting", count, 2)

    watch = ContainerDeaths("", "dev", ["chat-green-0"], state)
    return [watch.reason() for _ in counts]


def test_a_container_that_ends_three_times_is_named_with_its_exit_code_and_last_words() -> None:
    *before, said = deaths([0, 1, 2, 3])
    assert before == [None, None, None]
    assert said is not None
    assert "verdigris-dev-chat-green-0 keeps ending (exit code 2): bad flag" in said


def test_restarts_from_before_the_warm_up_don_t_count() -> None:
    assert deaths([7, 7, 9]) == [None, None, None]


def test_no_answer_of_docker_says_nothing() -> None:
    assert deaths([None, None]) == [None, None]
