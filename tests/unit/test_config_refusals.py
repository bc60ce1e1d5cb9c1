"""Every bad config of the tables is refused with path, value, reason and advice, and nothing else is complained of."""

from __future__ import annotations

import pytest

from delivery.config import parse_config
from delivery.refusal import Refusal, Refusals
from tests.unit.config_cases import VALID, Case, changed
from tests.unit.config_cases_of_fields import FIELD_CASES
from tests.unit.config_cases_of_rules import RULE_CASES

CASES = [*FIELD_CASES, *RULE_CASES]


def refusals_of(raw: dict[str, object]) -> tuple[Refusal, ...]:
    with pytest.raises(Refusals) as caught:
        parse_config(raw)
    return caught.value.refusals


def test_the_config_that_the_cases_change_is_valid() -> None:
    parse_config(VALID)


def test_there_are_enough_cases_and_no_two_alike() -> None:
    assert len({(case.name, case.path) for case in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_config_is_refused_with_path_value_reason_and_advice(case: Case) -> None:
    matching = [refusal for refusal in refusals_of(changed(case.changes)) if refusal.path == case.path]
    assert matching, f"nothing was said about {case.path}"
    text = str(matching[0])
    assert text.startswith(f"{case.path}: got {case.got}, need "), text
    need, _, rest = text.split(", need ", 1)[1].partition(" because ")
    because, _, advice = rest.partition("; ")
    assert case.need in need
    assert case.because in because
    assert case.do in advice
    assert "\n" not in text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_mistake_is_not_reported_as_many(case: Case) -> None:
    refusals = refusals_of(changed(case.changes))
    assert len({refusal.path for refusal in refusals}) == len(refusals)
    assert len(refusals) <= 2


def test_all_mistakes_are_reported_at_once() -> None:
    raw = changed({"target": "moon", "services.chat.canaryWeight": 101, "services.chat.blue.replicas": 0, "services.code.colour": "blue"})
    assert {refusal.path for refusal in refusals_of(raw)} == {
        "target",
        "services.chat.canaryWeight",
        "services.chat.blue.replicas",
        "services.code.colour",
    }


def test_a_long_wrong_value_is_cut() -> None:
    (refusal,) = refusals_of(changed({"services.chat.active": "x" * 10_000}))
    assert len(str(refusal)) < 400


def test_values_that_are_no_json_are_refused() -> None:
    (refusal,) = refusals_of(changed({"services.chat.blue.release": object()}))
    assert "not JSON" in str(refusal)


def test_a_service_named_like_a_field_is_advised_about_its_own_fields() -> None:
    pool = {"release": "releases/a.yaml", "replica": 1}
    (refusal,) = refusals_of({"target": "local", "services": {"blue": {"active": "blue", "blue": pool}}})
    assert refusal.path == "services.blue.blue.replica"
    assert str(refusal).endswith("write `replicas`")
