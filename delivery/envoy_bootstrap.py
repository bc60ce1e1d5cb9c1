"""Envoy's bootstrap: its admin interface, and the files with everything else (envoy_listener, envoy_clusters, envoy_routes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from delivery.envoy_names import (
    BOOTSTRAP_FILE,
    CLUSTERS_FILE,
    LISTENERS_FILE,
    METADATA,
    ROUTES_FILE,
    STAT_PREFIX,
    file_source,
    socket,
)  # fmt: skip
from delivery.topology import Topology

__all__ = ["ADMIN_HOST", "BOOTSTRAP_FILE", "CLUSTERS_FILE", "LISTENERS_FILE", "METADATA", "ROUTES_FILE", "STAT_PREFIX",
           "binds", "bootstrap_config", "command"]  # fmt: skip

ADMIN_HOST = "127.0.0.1"
DRAIN_SECONDS = 3600
"""How long connections of a replaced listener may go on: as long as a stream may pause."""


def bootstrap_config(topology: Topology, folder: str) -> dict[str, Any]:
    """The bootstrap for the files in `folder` (an absolute path). It changes only with the admin port and the folder: only then Envoy has
    to be started again."""
    return {
        "node": {"id": "verdigris", "cluster": "verdigris"},
        "admin": {"address": socket(ADMIN_HOST, topology.admin_port)},
        "dynamic_resources": {"cds_config": file_source(folder, CLUSTERS_FILE), "lds_config": file_source(folder, LISTENERS_FILE)},
    }


def command(binary: str, folder: str, concurrency: int) -> list[str]:
    """The command line of Envoy with `concurrency` worker threads; nothing secret is in it.

    Without hot restart, so that several stacks can run on one machine; the access log is written out every second instead of every ten.
    """
    return [binary, "-c", f"{folder}/{BOOTSTRAP_FILE}", "--disable-hot-restart", "--concurrency", str(concurrency),
            "--drain-time-s", str(DRAIN_SECONDS), "--drain-strategy", "immediate",
            "--file-flush-interval-msec", "1000", "--log-level", "warning"]  # fmt: skip


def binds(topology: Topology) -> Sequence[tuple[str, int]]:
    """The addresses that Envoy will listen on."""
    return ((topology.router_host, topology.router_port), (ADMIN_HOST, topology.admin_port))
