"""The router's files on disk: one lock, atomic, weights of other services kept, secrets private."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from delivery.color import Weights
from delivery.refusal import Refusal
from delivery.router_config import weights_in_routes
from delivery.split_record import SplitRecord
from delivery.topology import Pool, ServiceRoute, Topology
from probes import router_text
from probes.router import RouterUnreachable
from probes.router_files import read_topology, write_routes, write_topology

POOL = Pool(release="r", engines=("127.0.0.1:1",))


def service(name: str) -> ServiceRoute:
    return ServiceRoute(name=name, path_prefix=f"/{name}", blue=POOL, green=POOL)


def topology(*services: ServiceRoute) -> Topology:
    return Topology(router_host="127.0.0.1", router_port=80, admin_port=81, forced_color_secret="s3cret", services=services)


def written(home: Path) -> dict[str, Weights]:
    return weights_in_routes((home / "router" / "routes.json").read_text())


def test_a_topology_reads_back_and_its_files_belong_to_their_owner_alone(tmp_path: Path) -> None:
    wanted = topology(service("chat"))
    write_topology(tmp_path, wanted)
    assert read_topology(tmp_path) == wanted
    files = sorted(path for path in (tmp_path / "router").iterdir())
    assert [path.name for path in files] == [".lock", "clusters.json", "envoy.json", "listeners.json", "routes.json", "topology.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_weights_outlive_a_new_topology_and_a_write_for_another_service(tmp_path: Path) -> None:
    write_topology(tmp_path, topology(service("chat"), service("code")))
    write_routes(tmp_path, "chat", Weights(75, 25))
    write_routes(tmp_path, "code", Weights(0, 100))
    write_topology(tmp_path, topology(service("chat"), service("code"), service("more")))
    assert written(tmp_path) == {"chat": Weights(75, 25), "code": Weights(0, 100)}
    write_routes(tmp_path, "chat", None)
    assert written(tmp_path) == {"code": Weights(0, 100)}


def record(home: Path, name: str, weights: Weights) -> None:
    (home / "services").mkdir(exist_ok=True)
    (home / "services" / f"{name}.json").write_text(SplitRecord(weights=weights).model_dump_json())


def test_the_route_file_beats_the_record_which_stands_in_where_there_is_none(tmp_path: Path) -> None:
    record(tmp_path, "chat", Weights(10, 90))
    write_topology(tmp_path, topology(service("chat"), service("code")))
    assert written(tmp_path) == {"chat": Weights(10, 90)}
    write_routes(tmp_path, "chat", Weights(20, 80))
    write_routes(tmp_path, "code", Weights(50, 50))
    assert written(tmp_path) == {"chat": Weights(20, 80), "code": Weights(50, 50)}
    for text in ("", "{}", "not json", '{"resources": [1]}'):
        (tmp_path / "router" / "routes.json").write_text(text)
        write_routes(tmp_path, "code", Weights(50, 50))
        assert written(tmp_path) == {"chat": Weights(10, 90), "code": Weights(50, 50)}


def test_a_pool_that_carries_traffic_cannot_be_taken_out_of_the_topology(tmp_path: Path) -> None:
    write_topology(tmp_path, topology(service("chat")))
    write_routes(tmp_path, "chat", Weights(75, 25))
    before = {path.name: path.read_bytes() for path in (tmp_path / "router").iterdir()}
    with pytest.raises(Refusal, match=r"services\.chat\.green"):
        write_topology(tmp_path, topology(service("chat").model_copy(update={"green": None})))
    assert {path.name: path.read_bytes() for path in (tmp_path / "router").iterdir()} == before


def test_an_unchanged_file_is_not_replaced_so_that_envoy_does_not_load_it_again(tmp_path: Path) -> None:
    write_topology(tmp_path, topology(service("chat")))
    before = {path.name: path.stat().st_ino for path in (tmp_path / "router").iterdir()}
    write_topology(tmp_path, topology(service("chat")))
    assert {path.name: path.stat().st_ino for path in (tmp_path / "router").iterdir()} == before


def test_a_service_that_the_router_does_not_know_cannot_get_weights(tmp_path: Path) -> None:
    write_topology(tmp_path, topology())
    with pytest.raises(RouterUnreachable, match="chat"):
        write_routes(tmp_path, "chat", Weights(100, 0))


def test_services_written_at_the_same_time_do_not_lose_each_others_weights(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(8)]
    write_topology(tmp_path, topology(*map(service, names)))
    threads = [threading.Thread(target=write_routes, args=(tmp_path, name, Weights(25, 75))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written(tmp_path) == dict.fromkeys(names, Weights(25, 75))


def test_a_full_disk_leaves_the_old_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_topology(tmp_path, topology(service("chat")))
    write_routes(tmp_path, "chat", Weights(75, 25))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(router_text, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        write_routes(tmp_path, "chat", Weights(0, 100))
    assert written(tmp_path) == {"chat": Weights(75, 25)}
    assert json.loads((tmp_path / "router" / "topology.json").read_text())["services"]
