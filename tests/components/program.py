"""Runs the real `__main__.py` under Pulumi's mocks, and what was registered as a graph. Nothing is started or written."""

from __future__ import annotations

import asyncio
import json
import runpy
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import set_all_config
from pulumi.runtime.stack import run_pulumi_func

from delivery.color import Color, Weights
from delivery.plan import LiveService
from delivery.split_record import SplitRecord

ROOT = Path(__file__).resolve().parents[2]
Read = Callable[..., LiveService]


@dataclass
class Graph:
    """What a program registered: types, inputs and direct dependencies by resource name."""

    types: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    direct: dict[str, set[str]] = field(default_factory=dict)

    def waits_for(self, name: str) -> set[str]:
        """Everything that has to be there before it is touched, however far away."""
        found: set[str] = set()
        left = list(self.direct[name])
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self.direct.get(one, ())
        return found


class _Recorder(pulumi_mocks.MockMonitor):
    """A monitor that also remembers dependencies, which Pulumi's own forgets."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(_Answers(graph))
        self._graph = graph

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            self._graph.types[request.name] = request.type
            self._graph.direct[request.name] = {urn.rpartition("::")[2] for urn in request.dependencies} - {request.name}
        return super().RegisterResource(request)


class _Answers(pulumi_mocks.Mocks):
    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self._graph.inputs[args.name] = args.inputs
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi_mocks.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program called {args.token}")


def config(**service: Any) -> dict[str, Any]:
    """A stack with one service, all on blue; a key that is None is left out."""
    chat = {
        "active": "blue", "canaryWeight": 0, "steps": [25, 100],
        "blue": {"release": "releases/sort-good-1.yaml"}, "green": {"release": "releases/sort-good-2.yaml"},
        "gates": {"warmup": {"prompts": "evals/prompts.jsonl"}, "eval": {"set": "evals/sort.jsonl"}},
    } | service  # fmt: skip
    return {"target": "local", "basePort": 9600, "services": {"chat": {key: value for key, value in chat.items() if value is not None}}}


def nothing_deployed(*_: Any) -> LiveService:
    """The live world before the first `up`."""
    return LiveService(True, None, SplitRecord(), {}, {color: {} for color in Color}, {})


def deployed(weights: Weights) -> Read:
    """A live world with these weights whose pools are as the config wants them."""

    def read(*_: Any) -> LiveService:
        return LiveService(True, weights, SplitRecord(weights=weights), _AsWanted(), {color: {} for color in Color}, {})

    return read


class _AsWanted(dict[Color, Any]):
    """Each pool's spec equals whatever is wanted."""

    def get(self, _key: Color, _default: Any = None) -> Any:
        return _Same()


class _Same(str):
    def __eq__(self, _other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True


def run_program(stack_config: Mapping[str, Any], live: Read = nothing_deployed, secrets: Mapping[str, str] | None = None) -> Graph:
    """Everything that `__main__.py` registers for a config. Raises what the program raises."""
    graph = Graph()
    values = {f"verdigris:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in stack_config.items()}
    values |= {f"verdigris:{key}": value for key, value in (secrets or {}).items()}
    with tempfile.TemporaryDirectory() as home, mock.patch.dict("os.environ", {"VERDIGRIS_HOME": home}):
        with mock.patch("probes.world.read_service", live), mock.patch("components.plans.read_service", live):
            asyncio.run(_run(graph, values, [f"verdigris:{key}" for key in secrets or {}]))
        assert not list(Path(home).iterdir()), "the program wrote something before its resources were made"
    return graph


async def _run(graph: Graph, values: dict[str, str], secret_keys: list[str]) -> None:
    pulumi_mocks.set_mocks(_Answers(graph), project="verdigris", stack="test", preview=False, monitor=_Recorder(graph))
    set_all_config(values, secret_keys)
    await run_pulumi_func(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"))
