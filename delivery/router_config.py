"""The texts of Envoy's files, the same bytes for the same input, and the weights in them. Written by probes/router_files.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from delivery.color import Color, Weights
from delivery.envoy_bootstrap import bootstrap_config
from delivery.envoy_clusters import cluster_configs
from delivery.envoy_listener import listener_configs
from delivery.envoy_routes import route_config
from delivery.topology import Topology


def bootstrap(topology: Topology, folder: str) -> str:
    """Envoy's bootstrap for the files in `folder`, an absolute path."""
    return _text(bootstrap_config(topology, folder))


def clusters(topology: Topology) -> str:
    """The file with one cluster for each pool (a DiscoveryResponse of CDS)."""
    return _discovery("type.googleapis.com/envoy.config.cluster.v3.Cluster", cluster_configs(topology))


def listeners(topology: Topology, folder: str) -> str:
    """The file with the listener for clients (a DiscoveryResponse of LDS)."""
    return _discovery("type.googleapis.com/envoy.config.listener.v3.Listener", listener_configs(topology, folder))


def routes(topology: Topology, weights: Mapping[str, Weights | None]) -> str:
    """The file with the route table (a DiscoveryResponse of RDS). A service that `weights` doesn't name has none and answers 503.

    Raises Refusal where a color with a weight has no pool. It holds the secret of the forced color and the
    keys of clients: only its owner may read it.
    """
    return _discovery("type.googleapis.com/envoy.config.route.v3.RouteConfiguration", [route_config(topology, weights)])


def weights_in_routes(text: str) -> dict[str, Weights]:
    """The weights of each service in a text from `routes`. Raises ValueError for a text that isn't one."""
    try:
        return weights_of_route_configs(json.loads(text)["resources"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a route file: {error!r}") from error


def weights_of_route_configs(configs: list[dict[str, Any]]) -> dict[str, Weights]:
    """The weights of each service in route tables as Envoy has them. Raises ValueError for weights that Verdigris can't have written."""
    return {name: _weights(name, entries) for name, entries in _splits(configs)}


def _splits(configs: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for config in configs:
        for host in config.get("virtual_hosts", ()):
            for route in host.get("routes", ()):
                split = route.get("route", {}).get("weighted_clusters")
                if split is not None:
                    yield route["name"], split["clusters"]


def _weights(service: str, entries: list[dict[str, Any]]) -> Weights:
    percent = {entry["name"].removeprefix(f"{service}-"): int(entry.get("weight", 0)) for entry in entries}
    return Weights(percent.get(Color.BLUE, 0), percent.get(Color.GREEN, 0))


def _discovery(kind: str, resources: list[dict[str, Any]]) -> str:
    version = hashlib.sha256(_text(resources).encode()).hexdigest()[:16]
    return _text({"version_info": version, "type_url": kind, "resources": resources})


def _text(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
