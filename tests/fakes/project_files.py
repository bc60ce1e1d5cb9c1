"""Files of a project that a test makes up: a stack may only name files inside the project."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from scripts.stack_driver import ROOT


@contextlib.contextmanager
def project_file(name: str, text: str) -> Iterator[str]:
    """The path, from the project's root, of a file that is gone afterwards. It lies in a folder that git ignores."""
    folder = ROOT / ".verdigris" / f"test-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / name).write_text(text, encoding="utf-8")
        yield str((folder / name).relative_to(ROOT))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
