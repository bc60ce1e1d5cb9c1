"""Becomes a program: supervisord runs `python launch.py SPEC.json`, which execs the command of the spec.

It is there because supervisord's own syntax can't carry every argument and value, because a secret then stands in its own 0600 file only
(and is read at each start), and because what a crashed engine left behind (workers that hold GPU memory) is ended before the next one.
Standard library only, isolated mode: nothing of the program's environment can break it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from probes import own_processes

# More than any engine or router needs; what the hard limit allows is taken.
_MOST_OPEN_FILES = 1_048_576
_LEFTOVER_GRACE_SECONDS = 2.0


def environment_of(spec: dict[str, object], inherited: dict[str, str], home: Path, name: str) -> dict[str, str]:
    """The program's environment: inherited without Pulumi's own variables, then the spec's, then secrets read from their files."""
    environment = {key: value for key, value in inherited.items() if not key.startswith(("PULUMI_", "SUPERVISOR_"))}
    environment.update(_texts(spec["environment"]))
    for key, file in _texts(spec["environment_files"]).items():
        environment[key] = Path(file).read_text(encoding="utf-8").strip()
    environment["SPT_NOENV"] = "1"
    environment[own_processes.MARK] = own_processes.mark(home, name)
    return environment


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f"got {value!r}, need a map of texts")
    return {str(key): str(text) for key, text in value.items()}


def main(spec_path: Path) -> None:
    """Never returns: ends with the program running in this process."""
    home, name = spec_path.parent.parent, spec_path.stem
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    own_processes.end(home, name, _LEFTOVER_GRACE_SECONDS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    os.chdir(spec["directory"])
    os.execvpe(spec["command"][0], spec["command"], environment_of(spec, dict(os.environ), home, name))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
