"""The keys of the router's clients, from Pulumi's secrets. What is a key and what isn't is delivery/client_keys.py's."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from delivery.client_keys import FIELD, parse_client_keys
from probes.stack_file import plain_entries

_KEY = f"verdigris:{FIELD}"


def read_client_keys(root: Path) -> pulumi.Output[str] | None:
    """The keys as JSON (name -> key), the same bytes for the same keys; None without any. Raises Refusals, which never show a key."""
    text = CONFIG.get().get(_KEY)
    if text is None:
        return None
    keys = parse_client_keys(text, is_secret=is_config_secret(_KEY), plain=plain_entries(root, pulumi.get_stack(), _KEY))
    return pulumi.Output.secret(json.dumps(keys, sort_keys=True))
