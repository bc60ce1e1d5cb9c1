"""The rules of a release, and of a release in a pool."""

from __future__ import annotations

import re
from collections.abc import Iterator

from delivery.config_models import PoolConfig, Standby
from delivery.project_paths import path_problem
from delivery.refusal import Refusal
from delivery.release import EngineKind, Release

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
FLAG = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
SECRET = re.compile(r"(^|[_-])(key|token|secret|password|passwd|credentials?)$", re.IGNORECASE)

OWNED_FLAGS = {
    "host": "it is loopback on the local target, so that clients only get past the router; leave it out",
    "port": "set enginePort in the stack's config instead",
    "uds": "the router reaches engines by port; leave it out",
    "api-key": "argv is readable by everyone on the machine; run: pulumi config set --secret verdigris:apiKey …",
    "model": "write it as `model:` of the release",
    "revision": "write it as `revision:` of the release",
    "served-model-name": "write it as `servedModelName:` of the release",
    "chat-template": "write it as `chatTemplate:` of the release",
    "gpu-memory-utilization": "set gpuMemoryUtilization of the pool in the stack's config instead",
    "tensor-parallel-size": "it is the pool's number of gpus divided by its replicas; set those",
    "shutdown-timeout": "it follows from drain.deadlineSeconds of the service; set that",
    "enable-sleep-mode": "set standby: asleep on the pool instead",
}
"""Engine flags that Verdigris sets itself, with what to do instead."""

OWNED_VARIABLES = {
    "CUDA_VISIBLE_DEVICES": "set gpus of the pool in the stack's config instead",
    "VLLM_SERVER_DEV_MODE": "set standby: asleep on the pool instead; it opens endpoints that clients must never reach",
}


def release_refusals(release: Release, file: str) -> list[Refusal]:
    """What is wrong with a release by itself."""
    return [*_name(release, file), *_model(release, file), *_flags(release, file), *_variables(release, file), *_paths(release, file)]


def pool_refusals(path: str, pool: PoolConfig, release: Release) -> list[Refusal]:
    """What is wrong with a release in this pool; `path` is the pool's, such as `services.chat.blue`."""
    found: list[Refusal] = []
    if release.engine is EngineKind.VLLM and not pool.gpus:
        found.append(
            Refusal(
                f"{path}.gpus",
                "no GPU",
                f"at least {pool.replicas}",
                f"{pool.release} runs vLLM with CUDA",
                f"write `gpus: {list(range(pool.replicas))}`, or use a release with engine: vllm-cpu",
            )
        )
    if release.engine is EngineKind.VLLM_CPU and (pool.gpus or pool.gpu_memory_utilization is not None):
        found.append(
            Refusal(
                f"{path}.gpus",
                list(pool.gpus) or "gpuMemoryUtilization",
                "neither gpus nor gpuMemoryUtilization",
                f"{pool.release} runs vLLM on the CPU",
                "remove them, or use a release with engine: vllm",
            )
        )
    if pool.standby is Standby.ASLEEP and release.engine is EngineKind.VLLM_CPU:
        found.append(
            Refusal(
                f"{path}.standby",
                "asleep",
                "warm or off",
                "vLLM's sleep mode moves weights from GPU to host memory and there is no GPU",
                "write `standby: warm`",
            )
        )
    return found


def _name(release: Release, file: str) -> Iterator[Refusal]:
    if not NAME.fullmatch(release.name):
        yield Refusal(
            f"{file} name",
            repr(release.name),
            "letters, digits, `.`, `_` and `-`",
            "it stands in logs and tables",
            "write for instance `name: support-2026-11-20`",
        )


def _model(release: Release, file: str) -> Iterator[Refusal]:
    if release.engine is EngineKind.SIMULATOR:
        return
    if release.model is None:
        yield Refusal(
            f"{file} model", "nothing", "a model", "vLLM loads one", "write `model: ./models/…` (a folder) or `model: owner/name` (the hub)"
        )
    elif release.model_is_folder:
        problem = None if release.model.startswith("/") else path_problem(release.model)
        if problem:
            yield Refusal(
                f"{file} model",
                repr(release.model),
                "a folder of the project or an absolute path",
                f"this one {problem}",
                "write `model: ./models/…`, or the absolute path",
            )
        if release.revision is not None:
            yield Refusal(
                f"{file} revision",
                repr(release.revision),
                "none for a folder",
                "the folder's contents are part of the digest themselves",
                "remove `revision`",
            )
    elif not HUB_NAME.fullmatch(release.model):
        yield Refusal(
            f"{file} model",
            repr(release.model),
            "owner/name on the hub, or a folder that begins with ./ or /",
            "anything else is looked for in both places",
            "write `model: ./…` for a folder",
        )
    elif not COMMIT.fullmatch(release.revision or ""):
        yield Refusal(
            f"{file} revision",
            repr(release.revision) if release.revision else "nothing",
            "the 40 hex digits of a commit",
            "a branch moves, and then one release would be two models",
            f"copy the commit from the history of {release.model}'s files on the hub",
        )


def _flags(release: Release, file: str) -> Iterator[Refusal]:
    for flag in release.args:
        # vLLM takes --api_key for --api-key, so the rule has to as well.
        plain = flag.lstrip("-").replace("_", "-")
        path = f"{file} args.{flag}"
        if plain in OWNED_FLAGS:
            yield Refusal(
                path, "a flag that Verdigris sets", "it left out", "two values for one flag would contradict each other", OWNED_FLAGS[plain]
            )
        elif SECRET.search(plain):
            yield Refusal(
                path,
                "what looks like a secret",
                "no secrets in a release",
                "argv is readable by everyone on the machine",
                "set it in the environment that runs `pulumi up`",
            )
        elif not FLAG.fullmatch(flag):
            yield Refusal(
                path,
                repr(flag),
                "a flag's name without dashes in front, in lower case, with - between words",
                "it becomes --NAME",
                f"write `{plain.lower()}`",
            )


def _variables(release: Release, file: str) -> Iterator[Refusal]:
    for name, value in release.env.items():
        path = f"{file} env.{name}"
        if name in OWNED_VARIABLES:
            yield Refusal(
                path,
                "a variable that Verdigris sets",
                "it left out",
                "two values for one variable would contradict each other",
                OWNED_VARIABLES[name],
            )
        elif SECRET.search(name):
            yield Refusal(
                path,
                "what looks like a secret",
                "no secrets in a release",
                "the file is committed and its contents end up in the state",
                f"remove it and set {name} in the environment that runs `pulumi up`",
            )
        elif not VARIABLE.fullmatch(name) or "\0" in value:
            yield Refusal(
                path,
                repr(name),
                "a variable's name (letters, digits, _) and a value without NUL",
                "the system takes no others",
                "rename it or mend the value",
            )


def _paths(release: Release, file: str) -> Iterator[Refusal]:
    for field, path in (("chatTemplate", release.chat_template), ("prompts", release.prompts)):
        problem = None if path is None else path_problem(path)
        if problem:
            yield Refusal(
                f"{file} {field}",
                repr(path),
                "a path inside the project, from its root",
                f"this one {problem}",
                f"write for instance `{field}: releases/support.jinja`",
            )
