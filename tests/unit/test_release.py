"""Releases: what a file may say, and the digest over all of it."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.config_models import PoolConfig, Standby
from delivery.refusal import Refusals
from delivery.release import EngineKind, Release, release_digest
from delivery.release_parsing import parse_release
from delivery.release_rules import pool_refusals

FILE = "releases/a.yaml"
COMMIT = "a09a35458c702b33eeacc393d103063234e8bc28"
SIMULATED: dict[str, object] = {"name": "a", "engine": "simulator", "servedModelName": "m", "args": {"seed": 1}}
HUB: dict[str, object] = {"name": "a", "engine": "vllm", "model": "Qwen/Qwen2.5-7B-Instruct", "revision": COMMIT}
FOLDER: dict[str, object] = {"name": "a", "engine": "vllm-cpu", "model": "./models/good"}

BAD = [
    # base, change, path, need, because, advice
    (SIMULATED, {"name": None}, "name", "text", "people and logs", "write `name:"),
    (SIMULATED, {"name": "a b"}, "name", "letters, digits", "logs and tables", "name: support"),
    (SIMULATED, {"engine": "sglang"}, "engine", "simulator, vllm or vllm-cpu", "which inference server", "engine: vllm"),
    (SIMULATED, {"flags": {}}, "flags", "a known key", "ignored", "known keys are name"),
    (SIMULATED, {"served_model_name": "m"}, "served_model_name", "a known key", "ignored", "write `servedModelName`"),
    (SIMULATED, {"args": ["--seed"]}, "args", "a map", "maps engine flags", "write `args:"),
    (SIMULATED, {"args": {"seed": {"a": 1}}}, "args.seed", "", "maps engine flags", "write `args:"),
    (SIMULATED, {"args": {"--seed": 1}}, "args.--seed", "without dashes", "becomes --NAME", "write `seed`"),
    (SIMULATED, {"args": {"max_num_seqs": 1}}, "args.max_num_seqs", "- between words", "becomes --NAME", "write `max-num-seqs`"),
    (SIMULATED, {"args": {"port": 1}}, "args.port", "left out", "contradict", "enginePort"),
    (SIMULATED, {"args": {"host": "0.0.0.0"}}, "args.host", "left out", "contradict", "loopback"),
    (SIMULATED, {"args": {"api-key": "x"}}, "args.api-key", "left out", "contradict", "pulumi config set --secret"),
    (SIMULATED, {"args": {"--api_key": "x"}}, "args.--api_key", "left out", "contradict", "pulumi config set --secret"),
    (SIMULATED, {"args": {"served-model-name": "x"}}, "args.served-model-name", "left out", "contradict", "servedModelName"),
    (SIMULATED, {"args": {"gpu-memory-utilization": 0.9}}, "args.gpu-memory-utilization", "left out", "contradict", "gpuMemoryUtilization"),
    (SIMULATED, {"args": {"tensor-parallel-size": 2}}, "args.tensor-parallel-size", "left out", "contradict", "divided by its replicas"),
    (SIMULATED, {"args": {"shutdown-timeout": 2}}, "args.shutdown-timeout", "left out", "contradict", "drain.deadlineSeconds"),
    (SIMULATED, {"args": {"hf-token": "x"}}, "args.hf-token", "no secrets", "argv is readable", "environment"),
    (SIMULATED, {"env": {"HF_TOKEN": "x"}}, "env.HF_TOKEN", "no secrets", "committed", "set HF_TOKEN in the environment"),
    (SIMULATED, {"env": {"VLLM_API_KEY": "x"}}, "env.VLLM_API_KEY", "no secrets", "committed", "remove it"),
    (SIMULATED, {"env": {"CUDA_VISIBLE_DEVICES": "0"}}, "env.CUDA_VISIBLE_DEVICES", "left out", "contradict", "gpus of the pool"),
    (SIMULATED, {"env": {"VLLM_SERVER_DEV_MODE": "1"}}, "env.VLLM_SERVER_DEV_MODE", "left out", "contradict", "standby: asleep"),
    (SIMULATED, {"env": {"A": 1}}, "env.A", "text", "environment variables", "write `env:"),
    (SIMULATED, {"env": {"A": "x\0"}}, "env.A", "without NUL", "takes no others", "mend"),
    (SIMULATED, {"chatTemplate": "/etc/t.jinja"}, "chatTemplate", "inside the project", "begins outside", "chatTemplate: releases/"),
    (SIMULATED, {"prompts": "../p.yaml"}, "prompts", "inside the project", "leaves the project", "prompts: releases/"),
    (HUB, {"model": None}, "model", "a model", "vLLM loads one", "model: ./models/"),
    (HUB, {"model": "qwen"}, "model", "owner/name", "both places", "write `model: ./"),
    (HUB, {"model": "../qwen"}, "model", "owner/name", "both places", "write `model: ./"),
    (HUB, {"revision": None}, "revision", "40 hex digits", "two models", "copy the commit"),
    (HUB, {"revision": "main"}, "revision", "40 hex digits", "a branch moves", "copy the commit"),
    (HUB, {"revision": 12345678}, "revision", "text", "pins the model", "write `revision:"),
    (FOLDER, {"model": "./../good"}, "model", "a folder of the project", "leaves the project", "model: ./models/"),
    (FOLDER, {"revision": COMMIT}, "revision", "none for a folder", "part of the digest", "remove `revision`"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "change", "field", "need", "because", "do"), BAD, ids=[f"{row[2]}={next(iter(row[1].values()))}" for row in BAD]
)
def test_a_bad_release_is_refused(base: dict[str, object], change: dict[str, object], field: str, need: str, because: str, do: str) -> None:
    with pytest.raises(Refusals) as caught:
        parse_release(base | change, FILE)
    (refusal,) = caught.value.refusals
    text = str(refusal)
    assert text.startswith(f"{FILE} {field}: got ")
    assert need in text.split(", need ")[1].split(" because ")[0]
    assert because in text.split(" because ")[1].split("; ")[0]
    assert do in text.split("; ", 1)[1]


@pytest.mark.parametrize("raw", [None, [], "a", 3])
def test_a_release_file_that_is_no_map_is_refused(raw: object) -> None:
    with pytest.raises(Refusals, match="need a map"):
        parse_release(raw, FILE)


def test_an_unquoted_date_is_read_as_it_is_written() -> None:
    assert parse_release(SIMULATED | {"name": datetime.date(2026, 11, 20)}, FILE).name == "2026-11-20"


def test_words_that_only_resemble_secrets_are_allowed() -> None:
    release = parse_release(HUB | {"args": {"max-num-batched-tokens": 8192}, "env": {"TOKENIZERS_PARALLELISM": "false"}}, FILE)
    assert release.args == {"max-num-batched-tokens": 8192}


@pytest.mark.parametrize(
    ("raw", "name"), [(SIMULATED, "m"), (HUB, "Qwen/Qwen2.5-7B-Instruct"), ({"name": "a", "engine": "simulator"}, "a")]
)
def test_clients_call_a_model_by_the_served_name(raw: dict[str, object], name: str) -> None:
    assert parse_release(raw, FILE).served_name == name


CHANGES = [
    {"name": "b"}, {"engine": "vllm-cpu", "model": "./m"}, {"servedModelName": "n"}, {"args": {"seed": 2}}, {"args": {"seed": "1"}},
    {"args": {}}, {"env": {"A": "b"}}, {"chatTemplate": "t.jinja"}, {"prompts": "p.yaml"}, {"image": "vllm:1"}, {"model": "x/y"},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_change_of_any_field_is_another_release(change: dict[str, object]) -> None:
    assert release_digest(parse_release(SIMULATED | change, FILE), {}) != release_digest(parse_release(SIMULATED, FILE), {})


def test_a_change_of_contents_is_another_release() -> None:
    release = parse_release(SIMULATED, FILE)
    digests = {release_digest(release, contents) for contents in ({}, {"t": "1"}, {"t": "2"}, {"u": "1"})}
    assert len(digests) == 4
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)


@settings(deadline=None, database=None)
@given(st.permutations(list(SIMULATED.items())), st.permutations([("a", "1"), ("b", "2"), ("c", "3")]))
def test_the_order_in_a_file_does_not_matter(fields: list[tuple[str, object]], contents: list[tuple[str, str]]) -> None:
    usual = release_digest(parse_release(SIMULATED, FILE), {"a": "1", "b": "2", "c": "3"})
    assert release_digest(parse_release(dict(fields), FILE), dict(contents)) == usual


def test_the_digest_is_a_format_that_does_not_change_between_versions() -> None:
    assert release_digest(parse_release(SIMULATED, FILE), {}) == "43dbc511f5bd43eb"


def release(engine: EngineKind) -> Release:
    return Release.model_validate({"name": "a", "engine": engine, "model": "./m"})


@pytest.mark.parametrize(
    ("engine", "pool", "expected"),
    [
        (EngineKind.VLLM, {}, "at least 1 because releases/a.yaml runs vLLM with CUDA"),
        (EngineKind.VLLM_CPU, {"gpus": (0,)}, "neither gpus"),
        (EngineKind.VLLM_CPU, {"gpuMemoryUtilization": 0.5}, "neither gpus"),
        (EngineKind.VLLM_CPU, {"standby": Standby.ASLEEP}, "warm or off"),
        (EngineKind.VLLM_CPU, {}, None),
        (EngineKind.VLLM, {"gpus": (0,), "standby": Standby.ASLEEP}, None),
        (EngineKind.SIMULATOR, {"gpus": (0,), "standby": Standby.ASLEEP}, None),
    ],
)
def test_a_pool_has_to_suit_the_engine_of_its_release(engine: EngineKind, pool: dict[str, object], expected: str | None) -> None:
    found = pool_refusals("services.chat.blue", PoolConfig.model_validate({"release": FILE} | pool), release(engine))
    assert [expected in str(refusal) for refusal in found if expected] == ([True] if expected else [])
    assert bool(found) == bool(expected)
