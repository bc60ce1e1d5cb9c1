"""The command line and environment of engines."""

from __future__ import annotations

import pytest

from delivery.engine_args import EngineCommand, engine_command
from delivery.release import Release
from delivery.release_parsing import parse_release

COMMIT = "a09a35458c702b33eeacc393d103063234e8bc28"
SIMULATED: dict[str, object] = {"name": "a", "engine": "simulator", "servedModelName": "m"}
HUB: dict[str, object] = {"name": "a", "engine": "vllm", "model": "Qwen/Qwen2.5-7B-Instruct", "revision": COMMIT, "servedModelName": "m"}
FOLDER: dict[str, object] = {"name": "a", "engine": "vllm-cpu", "model": "./models/good", "servedModelName": "m"}


def command(raw: dict[str, object], **changes: object) -> EngineCommand:
    release: Release = parse_release(raw, "releases/a.yaml")
    given: dict[str, object] = {"python": "/py", "model_root": "/project", "host": "127.0.0.1", "port": 9620, "drain_seconds": 120}
    return engine_command(release, **(given | changes))  # type: ignore[arg-type]


def value_of(flag: str, engine: EngineCommand) -> str:
    assert engine.argv.count(flag) == 1
    return engine.argv[engine.argv.index(flag) + 1]


def test_a_simulator_gets_its_address_name_and_drain() -> None:
    assert command(SIMULATED).argv == (
        "/py", "-m", "simulator", "--host", "127.0.0.1", "--port", "9620", "--served-model-name", "m", "--shutdown-timeout", "120",
    )  # fmt: skip
    assert command(SIMULATED).environment == {}


def test_a_drain_is_rounded_up_so_that_no_answer_is_cut_short() -> None:
    assert value_of("--shutdown-timeout", command(SIMULATED, drain_seconds=0.2)) == "1"


def test_vllm_with_cuda_serves_exactly_the_release_on_its_gpus() -> None:
    engine = command(HUB, gpus=(2, 3), gpu_memory_utilization=0.45)
    assert engine.argv[:5] == ("/py", "-m", "vllm.entrypoints.cli.main", "serve", "Qwen/Qwen2.5-7B-Instruct")
    assert value_of("--revision", engine) == value_of("--tokenizer-revision", engine) == COMMIT
    assert value_of("--tensor-parallel-size", engine) == "2"
    assert value_of("--gpu-memory-utilization", engine) == "0.45"
    assert engine.environment == {"VLLM_NO_USAGE_STATS": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "2,3"}


def test_a_gpu_fraction_that_nobody_stated_is_left_to_vllm() -> None:
    assert "--gpu-memory-utilization" not in command(HUB, gpus=(0,)).argv


def test_vllm_on_the_cpu_needs_no_network_for_a_folder_and_no_compiler() -> None:
    engine = command(FOLDER | {"chatTemplate": "releases/t.jinja"})
    assert engine.argv[4] == "/project/models/good"
    assert value_of("--chat-template", engine) == "/project/releases/t.jinja"
    assert "--enforce-eager" in engine.argv
    assert not {"--tensor-parallel-size", "--gpu-memory-utilization"} & set(engine.argv)
    assert engine.environment == {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


def test_a_release_may_override_the_defaults_of_the_cpu() -> None:
    engine = command(FOLDER | {"args": {"enforce-eager": False}, "env": {"VLLM_CPU_KVCACHE_SPACE": "4"}})
    assert "--enforce-eager" not in engine.argv
    assert "--no-enforce-eager" in engine.argv
    assert engine.environment["VLLM_CPU_KVCACHE_SPACE"] == "4"


@pytest.mark.parametrize(
    ("value", "words"),
    [(8192, ("--flag=8192",)), (0.4, ("--flag=0.4",)), ("-x", ("--flag=-x",)), (True, ("--flag",)), (False, ("--no-flag",)),
     (["a", 2], ("--flag", "a", "2"))],
)  # fmt: skip
def test_arguments_become_flags(value: object, words: tuple[str, ...]) -> None:
    assert command(HUB | {"args": {"flag": value}}).argv[-len(words) :] == words


def test_a_switch_of_the_simulator_that_is_off_is_left_out() -> None:
    assert command(SIMULATED | {"args": {"hang": False}}).argv == command(SIMULATED).argv


def test_the_order_of_arguments_in_the_file_does_not_change_the_command() -> None:
    assert command(HUB | {"args": {"a": 1, "b": 2}}) == command(HUB | {"args": {"b": 2, "a": 1}})


def test_the_endpoints_of_sleep_mode_are_opened_only_for_standby_asleep() -> None:
    assert "VLLM_SERVER_DEV_MODE" not in command(HUB).environment
    assert "--enable-sleep-mode" not in command(HUB).argv
    asleep = command(HUB, sleep_mode=True)
    assert asleep.environment["VLLM_SERVER_DEV_MODE"] == "1"
    assert "--enable-sleep-mode" in asleep.argv
    assert command(SIMULATED, sleep_mode=True).environment == {"VLLM_SERVER_DEV_MODE": "1"}
