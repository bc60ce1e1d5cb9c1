"""What a plan reads of the live world, and what it leaves alone."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import cast

import pytest

from delivery.color import Color, Weights
from delivery.topology import Pool, ServiceRoute, Topology
from probes import world
from probes.atomic_file import write_atomically
from probes.router import RouterClient
from probes.world import read_service


class RouterAt:
    """A router that knows its weights and nothing else."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def live_weights(self, service: str) -> Weights:
        return self._weights


def deployed(home: Path, blue: str, green: str) -> None:
    pools = {"blue": Pool(release="b", engines=(blue,), spec="b"), "green": Pool(release="g", engines=(green,), spec="g")}
    services = (ServiceRoute(name="chat", **pools),)
    topology = Topology(router_host="127.0.0.1", router_port=1, admin_port=2, forced_color_secret="s", services=services)
    write_atomically(home / "router" / "topology.json", topology.model_dump_json())


@pytest.mark.parametrize(("green", "asked"), [(0, False), (25, True), (50, True)])
def test_a_rollback_does_not_wait_for_the_engines_it_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, green: int, asked: bool
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(world, "probe_pool", lambda engines, *_, **__: seen.extend(engines) or {})
    deployed(tmp_path, "127.0.0.1:11", "127.0.0.1:12")
    read_service(tmp_path, "chat", cast(RouterClient, RouterAt(Weights(50, 50))), None, Weights(100 - green, green))
    assert "127.0.0.1:11" in seen
    assert ("127.0.0.1:12" in seen) is asked


def test_an_engine_that_accepts_and_never_answers_has_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "IDENTITY_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        address = f"127.0.0.1:{frozen.getsockname()[1]}"
        deployed(tmp_path, address, address)
        live = read_service(tmp_path, "chat", cast(RouterClient, RouterAt(Weights(100, 0))), None, Weights(99, 1))
    assert live.identities[Color.GREEN] == {address: None}
