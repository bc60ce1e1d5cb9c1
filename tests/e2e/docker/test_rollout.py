"""A rollout with a full disk in it and its rollback in containers, with both routers, under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.color import Weights
from scripts.private_docker import PrivateDocker
from scripts.stack_driver import StackDriver
from tests.fakes.docker_stack import ALL_BLUE, as_deployed, container, rollout_stack
from tests.fakes.live_stack import live, must, refused, set_canary
from tests.fakes.stack_faults import SmallDisk
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings


@pytest.fixture(params=["envoy", "nginx"])
def deployed(request: pytest.FixtureRequest, tmp_path: Path, engine: PrivateDocker) -> Iterator[tuple[StackDriver, SmallDisk]]:
    """All on blue. Envoy's is the stack of the other tests too."""
    if request.param == "envoy":
        stack, disk = request.getfixturevalue("envoy")
        yield as_deployed(stack), disk
    else:
        with rollout_stack(tmp_path, engine, request.param) as made:
            yield made


@pytest.mark.timeout(600)
def test_a_rollout_onto_a_full_disk_and_its_rollback_fail_no_request_and_cut_no_stream(
    deployed: tuple[StackDriver, SmallDisk], engine: PrivateDocker
) -> None:
    stack, disk = deployed
    assert live(stack) == ALL_BLUE
    with BackgroundLoad(LoadSettings(url=stack.router.url, model="sorter", rate=15)) as load:
        load.wait_for(20)
        _assert_refused_while_full(stack, disk)
        load.wait_for(20, since=time.time())
        for percent in (50, 100, 0):
            must(set_canary(stack, percent))
            assert live(stack) == Weights(100 - percent, percent)
            load.wait_for(30, since=time.time())
        summary = load.stop()
    assert summary.clean, summary.reasons
    assert summary.exposed("green") > 0
    must(stack.preview("--expect-no-changes"))
    _assert_hardened(engine, container(stack, "router"))
    _assert_hardened(engine, container(stack, "chat-blue-0"))


def _assert_refused_while_full(stack: StackDriver, disk: SmallDisk) -> None:
    """A raise finds no room for the router's files: it says which, and nothing of what is live has changed."""
    nginx = stack.config["router"]["kind"] == "nginx"
    before = {path: path.read_bytes() for path in stack.home.router.rglob("*.http" if nginx else "routes.json")}
    assert before
    with disk.full():
        file = "No space left on device: '" + str(stack.home.router / ("" if nginx else "routes.json"))
        refused(set_canary(stack, 50), "chat-split", file, f"Weights are unchanged at {ALL_BLUE}")
        assert live(stack) == ALL_BLUE
        assert {path: path.read_bytes() for path in before} == before


def _assert_hardened(engine: PrivateDocker, name: str) -> None:
    wanted = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
    shown = engine.command("inspect", "--format", wanted, name)
    assert shown == "true [ALL] [no-new-privileges:true]"
