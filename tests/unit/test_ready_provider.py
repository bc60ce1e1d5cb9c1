"""The resource after a container: waits as long as it is told, and goes before its container does."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.output import Unknown

from providers import ready
from providers.ready import ReadyProvider

PROPS: dict[str, Any] = {
    "name": "router-ready", "url": "http://127.0.0.1:1/ready", "container": "c1", "seconds": 0.0, "required": True, "look": "docker logs r",
}  # fmt: skip


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The next answers of the address, the last one for ever."""
    answers = [True]
    monkeypatch.setattr(ready, "answers", lambda _url: answers.pop(0) if len(answers) > 1 else answers[0])
    return answers


def test_an_answer_that_others_need_and_that_fails_to_come_fails_the_up_with_where_to_look(answering: list[bool]) -> None:
    answering[:] = [False]
    with pytest.raises(Exception, match="docker logs r"):
        ReadyProvider().create(PROPS)


def test_an_answer_that_only_orders_others_is_waited_for_only_so_long(answering: list[bool]) -> None:
    answering[:] = [False]
    assert (ReadyProvider().create({**PROPS, "required": False}).outs or {})["answered"] is False


def test_it_waits_until_the_address_answers(answering: list[bool]) -> None:
    answering[:] = [False, False, True]
    assert (ReadyProvider().create({**PROPS, "seconds": 30.0}).outs or {})["answered"] is True


@pytest.mark.parametrize("container", ["c2", Unknown()])
def test_with_another_container_or_one_to_come_it_is_replaced_and_goes_first(container: object, answering: list[bool]) -> None:
    difference = ReadyProvider().diff("id", PROPS, {**PROPS, "container": container})
    assert difference.replaces == ["container"]
    assert difference.delete_before_replace


def test_nothing_differs_while_it_answers_and_a_silent_one_that_others_need_is_waited_for_again(answering: list[bool]) -> None:
    assert not ReadyProvider().diff("id", PROPS, PROPS).changes
    answering[:] = [False]
    assert ReadyProvider().diff("id", PROPS, PROPS).changes
    assert not ReadyProvider().diff("id", {**PROPS, "required": False}, {**PROPS, "required": False}).changes


def test_an_envoy_is_drained_before_its_container_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    drained: list[str] = []
    monkeypatch.setattr(ready, "drain", lambda url, _seconds, _say: drained.append(url))
    ReadyProvider().delete("id", PROPS)
    ReadyProvider().delete("id", {**PROPS, "drain_url": "http://127.0.0.1:9601"})
    assert drained == ["http://127.0.0.1:9601"]
