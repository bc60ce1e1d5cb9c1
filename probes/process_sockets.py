"""Which processes have connections open to an address, as Linux tells it in /proc. Nothing here is about routers."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path

_CONNECTED = {"01", "02"}  # TCP_ESTABLISHED and TCP_SYN_SENT in include/net/tcp_states.h


def children_of(parent: int) -> list[int]:
    """Process ids of the direct children of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name, in brackets, may hold anything; the state and the parent follow the last bracket.
            if folder.name.isdigit() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(folder.name))
    return found


def count_connections(pids: Iterable[int], addresses: Iterable[str]) -> int:
    """TCP connections of these processes to these addresses (`host:port`), in the network that each process sees.

    A socket shared by two processes counts once. A host that can't be resolved has no connections.
    """
    wanted = {place for address in addresses for place in _places(address)}
    return len({inode for pid in pids for inode in _sockets(pid) & _connected(pid, wanted)})


def _sockets(pid: int) -> set[str]:
    inodes = set()
    with contextlib.suppress(OSError):
        for handle in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(handle.path)
                if target.startswith("socket:["):
                    inodes.add(target[len("socket:[") : -1])
    return inodes


def _connected(pid: int, wanted: set[tuple[str, int]]) -> set[str]:
    """Inodes of the connections to the wanted places in the network of a process."""
    inodes = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] in _CONNECTED and _decoded(fields[2], family) in wanted:
                    inodes.add(fields[9])
    return inodes


def _decoded(place: str, family: socket.AddressFamily) -> tuple[str, int]:
    """An address as /proc writes it: 32-bit words of the host in the machine's (little-endian) order, port in hexadecimal."""
    host, _, port = place.partition(":")
    raw = bytes.fromhex(host)
    words = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    return socket.inet_ntop(family, words), int(port, 16)


def _places(address: str) -> set[tuple[str, int]]:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError):
        return {(str(info[4][0]), int(port)) for info in socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)}
    return set()
