"""The story of the demo as config changes: every step is one that the rules of a config allow, and the last one takes everything back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.color import Color, Weights
from delivery.config import parse_config
from delivery.refusal import Refusal
from scripts.demo_options import PROFILES, Engine, parse_options
from scripts.demo_steps import base_config, config_of, story

ROOT = Path(__file__).resolve().parents[2]


def embedded(*arguments: str) -> dict[str, Any]:
    return base_config(yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text()), parse_options(arguments))


def test_the_story_goes_through_every_step_of_the_embedded_config_and_back() -> None:
    steps = story(embedded()["services"]["chat"]["steps"])
    weights = [step.weights for step in steps]
    assert weights == [Weights(100 - green, green) for green in (0, 0, 1, 25, 75, 100, 100, 0)]
    assert [step.active for step in steps][-2:] == [Color.GREEN, Color.BLUE]
    assert [step.measures for step in steps[:3]] == [Color.BLUE, Color.GREEN, None]


@pytest.mark.parametrize("engine", list(Engine))
def test_every_step_is_a_config_that_is_accepted(engine: Engine) -> None:
    base = embedded("--engine", engine.value)
    for step in story(base["services"]["chat"]["steps"]):
        config = parse_config(config_of(base, step))
        assert config.services["chat"].target_weights == step.weights, step.title


def test_the_revert_is_exactly_the_config_from_before_the_raise() -> None:
    base = embedded()
    steps = story(base["services"]["chat"]["steps"])
    assert config_of(base, steps[-1]) == config_of(base, steps[1])


def test_a_step_leaves_the_base_as_it_was() -> None:
    base = embedded()
    config_of(base, story([100])[0])
    assert "green" in base["services"]["chat"]


@pytest.mark.parametrize("engine", list(Engine))
def test_every_release_of_a_profile_is_in_the_checkout(engine: Engine) -> None:
    profile = PROFILES[engine]
    assert all((ROOT / path).is_file() for path in (*profile.releases, profile.bad_release))


def test_the_port_and_the_deadlines_reach_the_config() -> None:
    base = embedded("--engine", "vllm-cpu", "--port", "12000")
    assert base["basePort"] == 12000
    assert base["services"]["chat"]["gates"]["warmup"]["deadlineSeconds"] == PROFILES[Engine.VLLM_CPU].gate_seconds


def test_options_not_given_follow_from_the_engine() -> None:
    assert parse_options([]).rate == PROFILES[Engine.SIMULATOR].rate
    assert parse_options(["--engine", "vllm-cpu"]).rate == PROFILES[Engine.VLLM_CPU].rate
    assert parse_options(["--engine", "vllm-cpu", "--rate", "7"]).rate == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "kubernetes"], ("--target: got kubernetes, need", "is not built yet")),
        (["--router", "haproxy"], ("--router: got haproxy, need", "is not built yet")),
        (["--engine", "vllm"], ("--engine: got vllm, need simulator or vllm-cpu",)),
        (["--rate", "0"], ("--rate: got 0, need",)),
        (["--rate", "nan"], ("--rate: got nan, need",)),
        (["--seconds-per-step", "0"], ("--seconds-per-step: got 0, need",)),
        (["--port", "80"], ("--port: got 80, need",)),
        (["--port", "65500"], ("--port: got 65500, need",)),
    ],
)
def test_what_cannot_be_demonstrated_is_refused_by_name(arguments: list[str], words: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        parse_options(arguments)
    assert all(word in str(refused.value) for word in words), refused.value
