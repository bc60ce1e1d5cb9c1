"""Removes locks that a killed `pulumi` left in a backend of local files, so that the next `up` can finish or undo what it had begun.

Owns only locks whose owner is provably gone: written on this machine by a process that no longer runs. Every other lock stays Pulumi's
(`pulumi cancel`). A shift that a killed CLI's provider still makes is kept apart by the lock of the service, not by this one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from datetime import datetime
from pathlib import Path

_PROC = Path("/proc")
_CLOCK_SLACK_SECONDS = 5.0
"""Between the clock of the lock's timestamp and the one that a process' start is reckoned with."""


def stale(lock: Path) -> bool:
    """Whether the process that wrote the lock is gone. A lock that can't be read, or is another machine's, is not ours to judge."""
    try:
        owner = json.loads(lock.read_text(encoding="utf-8"))
        pid, host, taken = int(owner["pid"]), str(owner["hostname"]), datetime.fromisoformat(owner["timestamp"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if host != socket.gethostname() or not _PROC.is_dir():
        return False
    started = _started(pid)
    # A process that started after the lock was taken only has the dead owner's number.
    return started is None or started > taken + _CLOCK_SLACK_SECONDS


def _started(pid: int) -> float | None:
    """When a process started, in seconds since the epoch; None where none runs."""
    try:
        after_name = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
        uptime = float((_PROC / "uptime").read_text().split()[0])
    except OSError:
        return None
    if after_name[0] == "Z":
        return None
    return time.time() - uptime + int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def main(state: Path) -> None:
    """Remove stale locks below the backend's folder and say so."""
    for lock in sorted((state / ".pulumi" / "locks").rglob("*.json")):
        if stale(lock):
            lock.unlink(missing_ok=True)
            print(
                f"pulumi: removed the lock of stack {lock.parent.name}: the `pulumi` that held it was killed. "
                "`pulumi up` finishes or undoes what it had begun; a warning about pending operations ends with that.",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
