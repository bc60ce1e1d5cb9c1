"""Writing files so that a reader sees the old text or the new one, and a full disk leaves the old one in place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write `text` beside `path`, flush it to the disk and rename it into place.

    Raises OSError that names `path` (a full disk, a folder that can't be written); the old file is then untouched and nothing is left
    beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)
        if isinstance(error, OSError):
            raise naming(error, path) from error
        raise


def naming(error: OSError, path: Path) -> OSError:
    """The same error with the file it was about: a write to a full disk says that it is full, not where."""
    return OSError(error.errno, error.strerror, str(path))
