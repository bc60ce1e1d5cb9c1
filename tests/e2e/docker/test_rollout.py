"""A rollout and its rollback in containers, with both routers, under load."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from delivery.color import Weights
from scripts.private_docker import PrivateDocker
from tests.fakes.docker_stack import container, docker_stack
from tests.fakes.live_stack import live, must, set_canary
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["envoy", "nginx"])
def test_a_rollout_and_its_rollback_fail_no_request_and_cut_no_stream(kind: str, tmp_path: Path, engine: PrivateDocker) -> None:
    with docker_stack(tmp_path, engine, kind, f"roll-{kind}", steps=[50, 100]) as stack:
        must(stack.up())
        assert live(stack) == Weights(100, 0)
        with BackgroundLoad(LoadSettings(url=stack.router.url, model="sorter", rate=15)) as load:
            load.wait_for(20)
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


def _assert_hardened(engine: PrivateDocker, name: str) -> None:
    wanted = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
    shown = engine.command("inspect", "--format", wanted, name)
    assert shown == "true [ALL] [no-new-privileges:true]"
