"""What the container of an engine is given, from its release: mounts, environment, command. Registering it is the docker target's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from delivery.desired import DesiredEngine, Machine
from delivery.docker_addresses import CONTAINER_ANY
from delivery.release import EngineKind, Release

PROJECT = "/project"
"""Where files of the project are in a container: what a release names with ./ is below it."""

IN_CONTAINER = Machine(root=PROJECT, simulator="python3", vllm="python3", listen=CONTAINER_ANY)
"""What an engine's command line is made for."""

KEY_MARK = "VERDIGRIS_ENGINE_KEY_DIGEST"
"""Tells which key a container was started with, not the key: with another one it has to be started anew, and not under traffic."""

CACHE = "/cache"
"""Where the volume with models from the Hugging Face hub is mounted."""

KEY_FILE = "/run/secrets/engine-key"
# With nothing but the shell: an image need not have `cat`. `read` says no to a last line without an end, and has read it.
_READ_KEY = f'IFS= read -r VLLM_API_KEY <{KEY_FILE} || [ -n "$VLLM_API_KEY" ] || exit 1; export VLLM_API_KEY; exec "$@"'

VLLM_SHARED_MEMORY_MIB = 8192
"""Workers of a tensor parallel engine talk through it; Docker's own 64 MiB end in a bus error."""

_PROBE = "import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1], timeout=5).status != 200)"


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine in the container, to be read only."""

    source: str
    target: str


def in_container(key_digest: str | None) -> Machine:
    """What an engine's command line is made for, with or without an API key."""
    return IN_CONTAINER if key_digest is None else replace(IN_CONTAINER, marks=((KEY_MARK, key_digest),))


def entry_point(engine: DesiredEngine, *, keyed: bool) -> tuple[list[str], list[str]]:
    """Entry point and command. A key is read from its file when the process starts: what Docker shows of the container has no key."""
    argv = list(engine.command.argv)
    return (["/bin/sh", "-c", _READ_KEY, "engine"], argv) if keyed else (argv[:1], argv[1:])


def environment(engine: DesiredEngine, release: Release) -> Mapping[str, str]:
    """The engine's environment. Docker hands over the GPUs by their ids on the machine; in the container they count from 0."""
    found = dict(engine.command.environment)
    found.pop("CUDA_VISIBLE_DEVICES", None)
    if engine.gpus:
        found["NVIDIA_VISIBLE_DEVICES"] = ",".join(map(str, engine.gpus))
        found["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(len(engine.gpus))))
    if needs_cache(release):
        found["HF_HOME"] = f"{CACHE}/huggingface"
    return found


def mounts(release: Release, root: str) -> list[Mount]:
    """A model folder and the chat template of the release, from the project's `root`. An absolute path is the same inside."""
    paths = [path for path in (release.model if release.model_is_folder else None, release.chat_template) if path]
    return [Mount(_from(root, path), _from(PROJECT, path)) for path in paths]


def needs_cache(release: Release) -> bool:
    """Whether the model comes from the Hugging Face hub."""
    return release.engine.is_vllm and not release.model_is_folder


def health_command(port: int) -> list[str]:
    """Docker's health check, with the Python that runs the engine."""
    return ["CMD", "python3", "-c", _PROBE, f"http://127.0.0.1:{port}/health"]


def shared_memory_mib(release: Release) -> int:
    """Size of /dev/shm."""
    return VLLM_SHARED_MEMORY_MIB if release.engine.is_vllm else 64


def read_only(release: Release) -> bool:
    """vLLM compiles kernels and keeps caches at many places of its file system; the simulator writes nothing."""
    return release.engine is EngineKind.SIMULATOR


def _from(root: str, path: str) -> str:
    return path if path.startswith("/") else f"{root.rstrip('/')}/{path.removeprefix('./')}"
