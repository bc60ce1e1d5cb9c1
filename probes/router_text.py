"""How each text of a router gets to the disk: private, aside and renamed, and not at all when it already says so."""

from __future__ import annotations

import contextlib
from pathlib import Path

from probes.atomic_file import write_atomically

PRIVATE = 0o600  # routes hold the secret that forces a color


def write_if_changed(path: Path, text: str) -> bool:
    """Write a file unless it already says so; whether it was written. A router loads a replaced file again. Raises OSError."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return False
    write_atomically(path, text, PRIVATE)
    return True
