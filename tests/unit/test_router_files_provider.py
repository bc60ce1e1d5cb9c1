"""The resource of the router's files: what it compares, what it refuses, and where the secret is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from delivery.topology import SECRET_FIELDS, Pool, ServiceRoute, Topology
from probes.atomic_file import write_atomically
from probes.stack_home import StackHome
from providers.router_files import RouterFilesProvider

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> StackHome:
    place = StackHome(tmp_path / "dev")
    write_atomically(place.forced_color_secret, SECRET, 0o600)
    return place


def wanted(home: StackHome, engine: str = "127.0.0.1:9620", **more: object) -> dict[str, str]:
    service = ServiceRoute(name="chat", served_model="m", blue=Pool(release="r1", engines=(engine,)))
    topology = Topology(router_host="127.0.0.1", router_port=9600, admin_port=9601, forced_color_secret="", services=(service,))
    topology = topology.model_copy(update=more)
    return {"home": str(home.path), "topology": topology.model_dump_json(exclude=set(SECRET_FIELDS))}


def test_the_secret_is_in_the_routers_files_and_not_in_the_state(home: StackHome) -> None:
    outs = RouterFilesProvider().create(dict(wanted(home))).outs
    assert SECRET in home.topology.read_text()
    assert SECRET not in json.dumps(outs)
    assert home.topology.stat().st_mode & 0o777 == 0o600


def test_only_another_topology_on_disk_is_a_change(home: StackHome) -> None:
    provider = RouterFilesProvider()
    outs = provider.create(dict(wanted(home))).outs
    assert outs is not None
    assert provider.diff("x", outs, wanted(home)).changes is False
    assert provider.diff("x", outs, wanted(home, "127.0.0.1:9621")).changes is True
    assert provider.read("x", outs).outs == outs
    write_atomically(home.forced_color_secret, "another", 0o600)
    assert provider.diff("x", outs, wanted(home)).changes is True, "the router has to know the new secret"
    home.topology.unlink()
    assert provider.diff("x", outs, wanted(home)).changes is True
    assert provider.read("x", outs).id == ""


def test_without_its_secret_nothing_is_written(home: StackHome) -> None:
    home.forced_color_secret.unlink()
    with pytest.raises(Exception, match=r"forced-color: got .* need a secret of this stack"):
        RouterFilesProvider().create(dict(wanted(home)))
    assert not home.router.exists()


def test_keys_of_clients_are_in_the_routers_files_and_in_no_state(home: StackHome) -> None:
    keyed = {**wanted(home, keyed=True), "secrets": ["digest-1"]}
    with pytest.raises(Exception, match="client-keys: got No such file"):
        RouterFilesProvider().create(dict(keyed))
    write_atomically(home.client_keys, json.dumps({"alice": "sk-alice-0123456789"}), 0o600)
    write_atomically(home.engine_key, "sk-engine", 0o600)
    outs = RouterFilesProvider().create(dict(keyed)).outs
    assert outs is not None
    routes = (home.router / "routes.json").read_text()
    for key in ("sk-alice-0123456789", "sk-engine"):
        assert key in routes
        assert key not in json.dumps(outs)
    assert {path.stat().st_mode & 0o777 for path in home.router.iterdir() if path.is_file()} == {0o600}
    provider = RouterFilesProvider()
    assert provider.diff("x", outs, keyed).changes is False
    assert provider.diff("x", outs, {**keyed, "secrets": ["digest-2"]}).changes is True, "a preview shows another key before it is on disk"
    write_atomically(home.client_keys, json.dumps({"bob": "sk-bob-0123456789ab"}), 0o600)
    assert provider.diff("x", outs, keyed).changes is True


def test_the_engines_key_is_not_the_routers_to_send_where_clients_have_none_of_their_own(home: StackHome) -> None:
    write_atomically(home.engine_key, "sk-engine", 0o600)
    RouterFilesProvider().create(dict(wanted(home)))
    assert not [path for path in home.router.iterdir() if "sk-engine" in path.read_text()]


def test_deleting_removes_the_routers_folder_and_nothing_else(home: StackHome) -> None:
    outs = RouterFilesProvider().create(dict(wanted(home))).outs
    assert outs is not None
    RouterFilesProvider().delete("x", outs)
    assert not home.router.exists()
    assert home.forced_color_secret.exists()
