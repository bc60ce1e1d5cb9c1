"""A user's mistakes, seen through the real CLI: one message with path and advice, and a machine on which nothing happened."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator

import pytest

from probes import own_processes
from scripts.stack_driver import StackDriver
from tests.fakes.certificates import make_certificate
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


def test_an_unknown_key_is_refused_at_preview(stack: StackDriver) -> None:
    stack.service()["canaryWieght"] = 25
    refused(stack.preview(), "services.chat.canaryWieght", "write `canaryWeight`")


def test_gates_that_are_missing_are_refused_at_preview_all_at_once(stack: StackDriver) -> None:
    stack.service()["gates"] = {}
    refused(stack.preview(), "services.chat.gates.warmup: got nothing", "services.chat.gates.eval: got nothing")


def test_a_canary_on_the_first_deployment_is_refused_at_preview(stack: StackDriver) -> None:
    stack.service()["canaryWeight"] = 25
    refused(stack.preview(), "services.chat.canaryWeight: got 25", "0 on the first deployment", "deploy with canaryWeight 0")


def test_a_bad_config_is_refused_by_an_up_without_a_preview(stack: StackDriver) -> None:
    stack.config["target"] = "moon"
    stack.service()["canaryWeight"] = 101
    refused(stack.up(), "target: got", "services.chat.canaryWeight: got 101")


def test_releases_that_are_not_there_or_wrong_are_refused_at_preview_all_at_once(stack: StackDriver) -> None:
    with project_file("bad.yaml", "name: bad\nengine: simulator\nargs: {port: 80}\n") as release:
        stack.service().update({"blue": {"release": "releases/none.yaml"}, "green": {"release": release}})
        refused(stack.preview(), "releases/none.yaml", release, "args.port", "set enginePort")


def test_a_port_that_somebody_else_holds_is_refused_at_preview(stack: StackDriver) -> None:
    port = int(stack.config["basePort"])
    with socket.create_server(("127.0.0.1", port)):
        refused(stack.preview(), f"port {port} taken by pid", "choose another verdigris:basePort")


def test_certificates_that_cannot_be_used_are_refused_at_preview(stack: StackDriver) -> None:
    folder = stack.folder / "tls"
    make_certificate(folder)
    make_certificate(folder, "old", days=-1)
    shutil.copy(folder / "old.key", folder / "other.key")
    stack.config["router"] = {"tls": {"certificate": str(folder / "old.crt"), "key": str(folder / "old.key")}}
    refused(stack.preview(), "router.tls.certificate", "expired")
    stack.config["router"] = {"tls": {"certificate": str(folder / "server.crt"), "key": str(folder / "other.key")}}
    refused(stack.preview(), "router.tls.key", "another certificate's key")


def test_routing_by_model_with_nginx_is_refused_at_preview(stack: StackDriver) -> None:
    stack.config["router"] = {"kind": "nginx", "routing": "model"}
    refused(stack.preview(), "router.routing", "path with nginx", "nginx doesn't read the bodies of requests")
