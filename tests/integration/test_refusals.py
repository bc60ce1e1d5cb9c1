"""A user's mistakes, seen through the real CLI: one message with path and advice, and a machine on which nothing happened."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from probes import own_processes
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import chat_config, live_stack, refused
from tests.fakes.project_files import project_file


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """A stack of which nothing is deployed."""
    with live_stack(tmp_path_factory.mktemp("refusals")) as stack:
        yield stack


@pytest.fixture(autouse=True)
def nothing_happens(stack: StackDriver) -> Iterator[None]:
    """No process was started and no file written."""
    stack.config = chat_config(int(stack.config["basePort"]))
    yield
    assert not own_processes.find(stack.home.path)
    assert not list((stack.folder / "home").rglob("*"))


BAD_CONFIGS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"canaryWieght": 25}, ("services.chat.canaryWieght", "write `canaryWeight`")),
    ({"canaryWeight": 25}, ("services.chat.canaryWeight: got 25", "0 on the first deployment", "deploy with canaryWeight 0")),
    ({"blue": {"release": "releases/none.yaml"}}, ("releases/none.yaml",)),
    ({"gates": {}}, ("services.chat.gates.warmup: got nothing", "services.chat.gates.eval: got nothing")),
]


@pytest.mark.parametrize(("change", "words"), BAD_CONFIGS, ids=[str(change) for change, _ in BAD_CONFIGS])
def test_a_bad_config_is_refused_at_preview(stack: StackDriver, change: dict[str, Any], words: tuple[str, ...]) -> None:
    stack.service().update(change)
    refused(stack.preview(), *words)


def test_a_bad_config_is_refused_by_an_up_without_a_preview(stack: StackDriver) -> None:
    stack.config["target"] = "moon"
    stack.service()["canaryWeight"] = 101
    refused(stack.up(), "target: got", "services.chat.canaryWeight: got 101")


def test_a_bad_release_is_refused_at_preview(stack: StackDriver) -> None:
    with project_file("bad.yaml", "name: bad\nengine: simulator\nargs: {port: 80}\n") as release:
        stack.service()["green"] = {"release": release}
        refused(stack.preview(), release, "args.port", "set enginePort")


def test_a_port_that_somebody_else_holds_is_refused_at_preview(stack: StackDriver) -> None:
    port = int(stack.config["basePort"])
    with socket.create_server(("127.0.0.1", port)):
        refused(stack.preview(), f"port {port} taken by pid", "choose another verdigris:basePort")
