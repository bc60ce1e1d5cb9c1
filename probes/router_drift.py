"""Whether the router's files are what a start of the router needs. Its live weights say nothing of that: it keeps them in memory."""

from __future__ import annotations

from pathlib import Path

from delivery import router_config
from delivery.config_models import RouterKind
from delivery.topology import Topology
from probes import nginx_files
from probes.router_files import router_folder

_ENVOY_FILES = ("envoy.json", "clusters.json", "listeners.json", "routes.json")


def unusable_file(home: Path, topology: Topology) -> str | None:
    """The first file that is missing or holds weights that Verdigris can't have written (0/0, say); None when a start would find all."""
    folder = router_folder(home)
    try:
        if topology.kind is RouterKind.NGINX:
            nginx_files.written_weights(folder)
            return None
        for name in _ENVOY_FILES:
            text = (folder / name).read_text(encoding="utf-8")
        router_config.weights_in_routes(text)
    except (OSError, ValueError) as error:
        return f"{folder}: {error}"
    return None
