"""What a good config means: defaults, pools, weights; and that every generated bad one is refused in order."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from delivery.addresses import engine_addresses, router_port
from delivery.color import Color, Weights
from delivery.config import StackConfig, Standby, Target, parse_config
from delivery.config_errors import suggestion
from delivery.field_notes import CONFIG_NOTES, RELEASE_NOTES
from delivery.gate_settings import EvalSettings, GraderSettings, WarmupSettings
from delivery.refusal import Refusals
from delivery.release import Release
from tests.unit.config_cases import VALID

GATES = {"warmup": {"prompts": "evals/prompts.jsonl"}, "eval": {"set": "evals/sort.jsonl"}}
SMALLEST = {"target": "local", "services": {"chat": {"active": "green", "green": {"release": "releases/a.yaml"}, "gates": GATES}}}
ROBUST = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck), database=None)

WORDS = st.sampled_from(["", "blue", "25", "9600", "releases/a.yaml", "../x", "/", "/chat", "a b", "é", "\ud800", "\0", "x" * 300, "null"])
SCALARS = st.none() | st.booleans() | st.integers() | st.integers(-5, 105) | st.floats() | WORDS | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6)
PORTS = st.integers(1024, 65_535)


def test_the_smallest_config_gets_the_documented_defaults() -> None:
    config = parse_config(SMALLEST)
    chat = config.services["chat"]
    assert (config.target, config.base_port, router_port(config), config.router.listen) == (Target.LOCAL, 9600, 9600, "127.0.0.1")
    assert (chat.canary_weight, chat.steps, chat.path_prefix, chat.sticky_header) == (0, (1, 25, 75, 100), "/", None)
    assert (chat.drain.deadline_seconds, chat.proof.probes) == (120, 200)
    assert chat.green is not None
    assert (chat.green.replicas, chat.green.gpus, chat.green.standby) == (1, (), Standby.WARM)


def test_values_that_are_none_mean_the_default() -> None:
    assert parse_config({**SMALLEST, "router": None, "basePort": None}) == parse_config(SMALLEST)


def test_the_target_weights_follow_from_the_active_color_and_the_canary_weight() -> None:
    chat = parse_config(VALID).services["chat"]
    assert chat.target_weights == Weights(75, 25)
    assert parse_config(SMALLEST).services["chat"].target_weights == Weights(0, 100)


def test_a_color_without_a_pool_has_no_pool_and_no_addresses() -> None:
    config = parse_config(SMALLEST)
    chat = config.services["chat"]
    assert chat.pool(Color.BLUE) is None
    assert list(chat.pools) == [Color.GREEN]
    assert engine_addresses(config, chat, Color.BLUE) == ()


def test_a_parsed_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_config(SMALLEST).services["chat"].canary_weight = 100


def test_parsing_leaves_the_raw_values_as_they_were() -> None:
    raw = copy.deepcopy(dict(VALID))
    parse_config(raw)
    assert raw == VALID


@pytest.mark.parametrize("model", [StackConfig, WarmupSettings, EvalSettings, GraderSettings, Release])
def test_every_field_has_a_reason_and_an_example(model: type[BaseModel]) -> None:
    notes = RELEASE_NOTES if model is Release else CONFIG_NOTES
    assert {field.alias for field in model.model_fields.values()} <= set(notes)


@pytest.mark.parametrize(("word", "meant"), [("canary-weight", "canaryWeight"), ("CANARYWEIGHT", "canaryWeight"), ("step", "steps")])
def test_an_unknown_key_gets_the_key_that_was_meant(word: str, meant: str) -> None:
    assert suggestion(word, ["active", "canaryWeight", "steps"]) == f"write `{meant}`"


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a config can be broken: every key and index in it."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here for key, child in children for here in ((*path, key), *places(child, (*path, key)))]


def replaced(path: tuple[Any, ...], value: object) -> dict[str, object]:
    config: Any = copy.deepcopy(dict(VALID))
    here = config
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    return config  # type: ignore[no-any-return]


def accepted_or_refused(raw: Any) -> None:
    """The config parses, or the refusals have all four parts each and one line; nothing else is ever raised."""
    try:
        parse_config(raw)
        return
    except Refusals as caught:
        refusals = caught.refusals
    assert refusals
    for refusal in refusals:
        assert refusal.path
        assert re.fullmatch(re.escape(refusal.path) + ": got .+, need .+ because .+; .+", str(refusal))


@ROBUST
@given(st.sampled_from(places(VALID)), VALUES)
def test_any_value_at_any_place_is_accepted_or_refused_in_order(path: tuple[Any, ...], value: object) -> None:
    accepted_or_refused(replaced(path, value))


@ROBUST
@given(st.sampled_from(places(VALID)), st.text(min_size=1, max_size=12))
def test_an_unknown_key_at_any_place_is_refused(path: tuple[Any, ...], key: str) -> None:
    raw: Any = copy.deepcopy(dict(VALID))
    here = raw
    for part in path:
        if isinstance(here[part], dict) and part != "services":
            here = here[part]
        elif part == "services":
            here = here["services"]
        else:
            break
    if here is raw["services"]:
        here = here["chat"]
    here[f"{key}?"] = 1
    with pytest.raises(Refusals):
        parse_config(raw)
    accepted_or_refused(raw)


@ROBUST
@given(st.dictionaries(st.sampled_from(["target", "router", "basePort", "services", "x"]), VALUES))
def test_any_plain_values_are_accepted_or_refused_in_order(raw: dict[str, object]) -> None:
    accepted_or_refused(raw)


@ROBUST
@given(PORTS, PORTS, PORTS, PORTS)
def test_no_two_things_of_an_accepted_config_share_a_port(base: int, router: int, chat: int, code: int) -> None:
    raw: Any = copy.deepcopy(dict(VALID))
    raw |= {"basePort": base, "router": {"port": router}}
    raw["services"]["chat"]["enginePort"], raw["services"]["code"]["enginePort"] = chat, code
    try:
        config = parse_config(raw)
    except Refusals:
        accepted_or_refused(raw)
        return
    services = config.services.values()
    taken = [address for service in services for color in Color for address in engine_addresses(config, service, color)]
    taken += [f"127.0.0.1:{router_port(config)}", f"127.0.0.1:{config.base_port + 1}"]
    assert len(set(taken)) == len(taken) == 6
    assert all(int(address.rsplit(":", 1)[1]) <= 65_535 for address in taken)


@ROBUST
@given(st.lists(st.integers(-3, 110), max_size=6))
def test_steps_are_accepted_only_when_they_ascend_to_100(steps: list[int]) -> None:
    good = bool(steps) and steps == sorted(set(steps)) and steps[0] >= 1 and steps[-1] == 100
    raw = replaced(("services", "chat", "steps"), steps)
    try:
        parse_config(raw)
        accepted = True
    except Refusals:
        accepted = False
    assert accepted == good
