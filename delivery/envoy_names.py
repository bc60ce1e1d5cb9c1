"""Names of Envoy's files, and small shapes that all of its files share."""

from __future__ import annotations

from typing import Any

BOOTSTRAP_FILE, CLUSTERS_FILE, ROUTES_FILE, LISTENERS_FILE = "envoy.json", "clusters.json", "routes.json", "listeners.json"
TLS_CERTIFICATE, TLS_KEY = "tls.crt", "tls.key"
STAT_PREFIX = "verdigris"
METADATA = "verdigris"  # namespace of what routes, endpoints and requests say about themselves
LONGEST_PAUSE = "3600s"  # between two bytes of a stream, or while an engine queues a request


def file_source(folder: str, name: str) -> dict[str, Any]:
    """A file that Envoy loads again when it is replaced by a rename."""
    return {"path_config_source": {"path": f"{folder}/{name}"}, "resource_api_version": "V3"}


def socket(host: str, port: int) -> dict[str, Any]:
    """An address to listen on."""
    return {"socket_address": {"address": host, "port_value": port}}
