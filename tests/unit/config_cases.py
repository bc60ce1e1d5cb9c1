"""A valid config to break, and the shape of a case: one change and what has to be said about it. Cases only; no tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

ABSENT = object()
"""As a change: the key is left out."""

VALID: Mapping[str, object] = {
    "target": "local",
    "basePort": 9600,
    "router": {"kind": "envoy", "port": 9600, "listen": "127.0.0.1"},
    "services": {
        "chat": {
            "active": "blue",
            "canaryWeight": 25,
            "steps": [1, 25, 75, 100],
            "enginePort": 9620,
            "pathPrefix": "/chat",
            "stickyHeader": "x-session-id",
            "blue": {"release": "releases/a.yaml", "replicas": 2, "gpus": [0, 1], "gpuMemoryUtilization": 0.45, "standby": "warm"},
            "green": {"release": "releases/b.yaml", "replicas": 1, "gpus": [1], "gpuMemoryUtilization": 0.5, "standby": "asleep"},
            "gates": {
                "warmup": {"prompts": "evals/prompts.jsonl", "deadlineSeconds": 600, "minRounds": 3, "maxRounds": 20, "steadyRatio": 1.3},
                "eval": {"set": "evals/sort.jsonl", "marginPercent": 5, "confidencePercent": 95, "minimumScorePercent": 80,
                         "concurrency": 8, "deadlineSeconds": 900},
            },
            "drain": {"deadlineSeconds": 120},
            "proof": {"probes": 200},
        },
        "code": {
            "active": "green", "enginePort": 9720, "pathPrefix": "/code", "green": {"release": "releases/c.yml"},
            "gates": {"warmup": {"prompts": "evals/prompts.jsonl"}, "eval": {"set": "evals/sort.jsonl"}},
        },
    },
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One bad config: `changes` to the valid one (dotted path -> value), and what the refusal at `path` has to hold."""

    changes: Mapping[str, object]
    path: str
    got: str
    need: str
    because: str
    do: str

    @property
    def name(self) -> str:
        """For pytest: what was changed."""
        return " ".join(f"{path}={'ABSENT' if value is ABSENT else value}" for path, value in self.changes.items())


def changed(changes: Mapping[str, object]) -> dict[str, object]:
    """The valid config with changes."""
    config = copy.deepcopy(dict(VALID))
    for path, value in changes.items():
        *parents, last = path.split(".")
        here: dict[str, object] = config
        for parent in parents:
            child = here.setdefault(parent, {})
            assert isinstance(child, dict)
            here = child
        if value is ABSENT:
            del here[last]
        else:
            here[last] = value
    return config
