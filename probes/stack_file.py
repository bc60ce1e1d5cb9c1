"""What stands in the stack's own file, Pulumi.<stack>.yaml: Pulumi hands over one map and no word on which of its values were encrypted."""

from __future__ import annotations

from pathlib import Path

import yaml

_ENCRYPTED = "secure"


def plain_entries(root: Path, stack: str, key: str) -> dict[str, str]:
    """The entries of a map in the config that stand there as plain text. Empty without that file, or with another (`--config-file`)."""
    try:
        whole = yaml.safe_load((root / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    entries = _part(_part(whole, "config"), key)
    if not isinstance(entries, dict) or _ENCRYPTED in entries:
        return {}
    return {str(name): str(value) for name, value in entries.items() if _part(value, _ENCRYPTED) is None}


def _part(of: object, key: str) -> object:
    return of.get(key) if isinstance(of, dict) else None
