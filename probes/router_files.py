"""The files of a stack's router, all written under one lock: for each kind of router. What is in them is delivery's.

Weights of services that a call doesn't name are kept as the route file has them (live beats remembered: another service may be in the
middle of a shift, and its record may be older); the records stand in where there is no route file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from delivery import router_config
from delivery.color import Weights
from delivery.config_models import RouterKind
from delivery.envoy_names import BOOTSTRAP_FILE, CLUSTERS_FILE, LISTENERS_FILE, ROUTES_FILE, TLS_CERTIFICATE, TLS_KEY
from delivery.refusal import Refusal
from delivery.split_record import SplitRecord
from delivery.topology import Topology
from probes import nginx_files
from probes.router import RouterUnreachable
from probes.router_text import PRIVATE, write_if_changed
from probes.tls_files import tls_texts, written_tls_texts


def router_folder(home: Path) -> Path:
    """Where the router's files are."""
    return home.resolve() / "router"


def read_topology(home: Path) -> Topology:
    """The topology last written. Raises RouterUnreachable where there is none or it can't be read."""
    path = router_folder(home) / "topology.json"
    try:
        return Topology.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise RouterUnreachable(f"{path}: no topology of the router there ({type(error).__name__})") from error


def router_url(topology: Topology) -> str:
    """Where clients send requests. A router that listens everywhere is reached over loopback."""
    host = "127.0.0.1" if topology.router_host in ("0.0.0.0", "::", "") else topology.router_host
    return f"{topology.scheme}://{host}:{topology.router_port}"


def write_topology(home: Path, topology: Topology) -> None:
    """Write everything that follows from the topology; weights stay as they are.

    Raises Refusal for a color that has a weight and no pool any more (nothing is written then), OSError for a full disk.
    """
    folder = router_folder(home)
    _refuse_no_keys(topology)
    with _locked(folder):
        weights = _written_weights(home, topology.kind)
        tls = {} if topology.tls is None else tls_texts(topology.tls)
        if topology.kind is RouterKind.NGINX:
            nginx_files.publish(folder, topology, weights, tls)
        else:
            _publish_envoy(folder, topology, weights, tls)
        write_if_changed(folder / "topology.json", topology.model_dump_json(indent=1) + "\n")


def write_routes(home: Path, service: str, weights: Weights | None) -> None:
    """Write the weights of one service; the others keep theirs. Raises RouterUnreachable, Refusal, OSError; nothing is changed then."""
    folder = router_folder(home)
    if not folder.is_dir():
        raise RouterUnreachable(f"{folder}: no router there")
    with _locked(folder):
        topology = read_topology(home)
        if topology.service(service) is None:
            raise RouterUnreachable(f"{folder / 'topology.json'}: the router doesn't know the service {service}")
        wanted = {name: each for name, each in _written_weights(home, topology.kind).items() if name != service}
        if weights is not None:
            wanted[service] = replace(weights)  # checked once more: without a weight Envoy answers 404 to everyone
        if topology.kind is RouterKind.NGINX:
            nginx_files.publish(folder, topology, wanted, written_tls_texts(folder) if topology.tls else {})
        else:
            write_if_changed(folder / ROUTES_FILE, router_config.routes(topology, wanted))


def _publish_envoy(folder: Path, topology: Topology, weights: Mapping[str, Weights], tls: Mapping[str, str]) -> None:
    """The order keeps every moment valid: certificates and clusters before what names them; keys before the listener that asks for
    them, and after one that doesn't any more."""
    texts = {
        **tls,
        BOOTSTRAP_FILE: router_config.bootstrap(topology, str(folder)),
        CLUSTERS_FILE: router_config.clusters(topology),
        ROUTES_FILE: router_config.routes(topology, weights),
        LISTENERS_FILE: router_config.listeners(topology, str(folder)),
    }
    if not topology.keyed:
        texts[ROUTES_FILE] = texts.pop(ROUTES_FILE)
    for name, text in texts.items():
        write_if_changed(folder / name, text)
    for name in {TLS_CERTIFICATE, TLS_KEY} - set(tls):
        (folder / name).unlink(missing_ok=True)


def _refuse_no_keys(topology: Topology) -> None:
    """A router that is to ask for keys and has none would be written as one that lets nobody in, or everybody."""
    if topology.keyed and not topology.client_keys:
        raise Refusal("clientKeys", "no keys on this machine", "the file of the keys", "clients are to need one", "run a whole `pulumi up`")


def _written_weights(home: Path, kind: RouterKind) -> dict[str, Weights]:
    folder = router_folder(home)
    with contextlib.suppress(OSError, ValueError):
        if kind is RouterKind.NGINX:
            return nginx_files.written_weights(folder)
        return router_config.weights_in_routes((folder / ROUTES_FILE).read_text(encoding="utf-8"))
    return dict(_recorded_weights(home))


def _recorded_weights(home: Path) -> Iterator[tuple[str, Weights]]:
    for path in sorted((home / "services").glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            record = SplitRecord.model_validate_json(path.read_text(encoding="utf-8"))
            if record.weights is not None:
                yield path.stem, record.weights


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
