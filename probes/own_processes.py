"""Finding and ending the processes of a stack, whoever their parent is now. Standard library only: the launcher imports it, isolated.

A process is ours when the environment it was started with carries `VERDIGRIS_PROGRAM=<home>:<name>`. The mark is inherited, so it also
finds the workers of an engine whose parent died. (`SPT_NOENV` keeps setproctitle, which vLLM uses, from overwriting the environment.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "VERDIGRIS_PROGRAM"
_PROC = Path("/proc")
_POLL_SECONDS = 0.05


def mark(home: Path, name: str) -> str:
    """The value of the mark for one program of a stack."""
    return f"{home}:{name}"


def mark_of(pid: int) -> str | None:
    """The mark that a process carries; None for a stranger, a zombie, or one we may not look into."""
    prefix = f"{MARK}=".encode()
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry[len(prefix) :])
    return None


def find(home: Path, name: str | None = None) -> dict[int, str]:
    """Living processes of a stack (or of one of its programs), pid -> program name, without this process. Empty where there is no /proc."""
    wanted = f"{home}:"
    found: dict[int, str] = {}
    for pid in _pids():
        carried = mark_of(pid) if pid != os.getpid() else None
        if carried and carried.startswith(wanted) and name in (None, carried[len(wanted) :]):
            found[pid] = carried[len(wanted) :]
    return found


def end(home: Path, name: str | None, grace_seconds: float) -> dict[int, str]:
    """End every process of a stack (or program): TERM, up to `grace_seconds` to go, then KILL. Returns what was ended, pid -> program."""
    first = ended = find(home, name)
    _signal_all(first, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while (left := find(home, name)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    while left:
        ended = {**ended, **left}
        _signal_all(left, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        left = find(home, name)
    return ended


def command_line(pid: int) -> list[str]:
    """The arguments of a process, program first; empty when it is gone, a zombie, or not ours to see."""
    try:
        return [os.fsdecode(part) for part in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]]
    except OSError:
        return []


def _pids() -> Iterator[int]:
    if _PROC.is_dir():
        yield from (int(entry) for entry in os.listdir(_PROC) if entry.isdigit())


def _signal_all(pids: dict[int, str], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
