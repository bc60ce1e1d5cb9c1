"""Who listens on a TCP port of this machine. Reads only; whether that is a problem is the caller's decision."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from probes import own_processes

_PROC = Path("/proc")
_LISTEN = "0A"
_CONNECT_SECONDS = 1.0


@dataclass(frozen=True)
class Listener:
    """The process on a port. `pid` 0: it belongs to someone else and can't be seen. `mark` is set for programs of Verdigris."""

    port: int
    pid: int = 0
    name: str = "another user's process"
    mark: str | None = None


def listeners(ports: Iterable[int]) -> list[Listener]:
    """Who listens on these ports, on any address; ports that are free are left out."""
    wanted = set(ports)
    if not wanted:
        return []
    if not (_PROC / "net" / "tcp").is_file():
        return [Listener(port, name="another process") for port in sorted(wanted) if _answers(port)]
    sockets = _listening_sockets(wanted)
    owners = _owners(set(sockets)) if sockets else {}
    found: dict[int, Listener] = {}
    for inode, port in sockets.items():
        pid = owners.get(inode, 0)
        if port not in found or pid:
            found[port] = Listener(port, pid, _short_name(pid), own_processes.mark_of(pid)) if pid else Listener(port)
    return [found[port] for port in sorted(found)]


def _listening_sockets(ports: set[int]) -> dict[str, int]:
    """Inode -> port, from the kernel's tables (proc(5): local address is the second field, state the fourth, inode the tenth)."""
    found: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rsplit(":", 1)[1], 16)
                if fields[3] == _LISTEN and port in ports:
                    found[fields[9]] = port
    return found


def _owners(inodes: set[str]) -> dict[str, int]:
    """Inode -> pid. Of processes that share a socket (after a fork) the oldest is named."""
    targets = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, int] = {}
    for pid in sorted(int(entry) for entry in os.listdir(_PROC) if entry.isdigit()):
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(_PROC / str(pid) / "fd"):
                with contextlib.suppress(OSError):
                    inode = targets.get(os.readlink(descriptor.path))
                    if inode is not None:
                        owners.setdefault(inode, pid)
    return owners


def _short_name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "a process that just ended"


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS):
        return True
    return False
