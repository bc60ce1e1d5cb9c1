"""A release: the immutable unit that a pool runs, and its digest. Reading its files is probes/release_files.py's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DIGEST_LENGTH = 16
"""Hex digits kept of the SHA-256: 64 bits, plenty for the releases of one stack and short enough for a header and a log line."""

Scalar = str | int | float | bool
ArgumentValue = Scalar | list[Scalar]


class EngineKind(StrEnum):
    """The inference server: the simulator (development and tests only), vLLM with CUDA, vLLM on the CPU."""

    SIMULATOR = "simulator"
    VLLM = "vllm"
    VLLM_CPU = "vllm-cpu"

    @property
    def is_vllm(self) -> bool:
        """Whether a real model is behind it."""
        return self is not EngineKind.SIMULATOR


class Release(BaseModel):
    """Everything that decides what an engine answers. Change any of it and it is another release, gated anew.

    `model` is a Hugging Face name, or a folder: `./…` from the project root, or an absolute path. `args` are engine flags without dashes.
    `prompts` is the system prompt bundle that clients use with this release; it is part of the digest, and reaches the engine only
    through `chat_template`. `image` is the container image on targets that run containers.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", alias_generator=to_camel, allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=63)
    engine: EngineKind
    model: str | None = Field(default=None, min_length=1)
    revision: str | None = Field(default=None, min_length=1)
    served_model_name: str | None = Field(default=None, min_length=1)
    args: dict[str, ArgumentValue] = {}
    env: dict[str, str] = {}
    chat_template: str | None = Field(default=None, min_length=1)
    prompts: str | None = Field(default=None, min_length=1)
    image: str | None = Field(default=None, min_length=1)

    @property
    def served_name(self) -> str:
        """The name that clients put into `model`: servedModelName, else the model, else the release's name."""
        return self.served_model_name or self.model or self.name

    @property
    def model_is_folder(self) -> bool:
        """Whether the model lies on this machine rather than on the Hugging Face hub."""
        return self.model is not None and self.model.startswith(("./", "/"))

    @property
    def files(self) -> tuple[str, ...]:
        """The files whose contents belong to the release, besides a model folder."""
        return tuple(path for path in (self.chat_template, self.prompts) if path is not None)


def release_digest(release: Release, contents: Mapping[str, str]) -> str:
    """16 hex digits over every field and `contents`: a digest for each path that the release names (files, a model folder).

    Fields that are None are left out, so a field that a later version adds changes no digest.
    """
    canonical = json.dumps(
        {"release": release.model_dump(mode="json", by_alias=True, exclude_none=True), "contents": dict(contents)},
        sort_keys=True, separators=(",", ":"), ensure_ascii=True,
    )  # fmt: skip
    return hashlib.sha256(canonical.encode()).hexdigest()[:DIGEST_LENGTH]
