"""Which color replies, a thousand times a second: a process of its own with a few kept connections, so that its writer isn't slowed by it.

`python -m benchmarks.color_probe PORT PATH` reads a line with seconds, probes for that long, and prints one line of JSON: a list of
[moment of the whole reply, color], the color "" for anything but a 200. Moments are of the monotonic clock, which processes share.
"""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from delivery.client_api import COLOR_HEADER

Reply = tuple[float, str]

_ROOT = Path(__file__).resolve().parent.parent
# Several connections, because each worker thread of Envoy takes a new route table at its own moment.
_CONNECTIONS = 6
_PACE_SECONDS = 0.006  # of one connection
_REPLY_SECONDS = 30.0


class ColorProbe:
    """The probing process, driven from synchronous code, from the entry of a `with` block to its exit."""

    def __init__(self, port: int, path: str) -> None:
        self._command = [sys.executable, "-m", "benchmarks.color_probe", str(port), path]

    def begin(self, seconds: float) -> None:
        """Start a window of probing."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()

    def replies(self) -> list[Reply]:
        """The replies of the window that was begun, in the order they came, once it has ended. Raises RuntimeError when it broke."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the probe ended with {self._process.wait()}")
        return [(float(at), str(color)) for at, color in json.loads(line)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()


class _Connection:
    """One kept connection with at most one request under way."""

    def __init__(self, port: int, request: bytes) -> None:
        self._request, self._received = request, b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        """The next request."""
        self.socket.sendall(self._request)

    def read(self) -> str | None:
        """The color, once the whole reply is there. Raises ConnectionError when the router closed."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the router closed a probing connection")
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if not separator or len(body) < int(headers.get(b"content-length", b"0")):
            return None
        self._received = b""
        good = head.startswith(b"HTTP/1.1 200")
        return headers.get(COLOR_HEADER.encode(), b"").decode() if good else ""


def _window(connections: list[_Connection], seconds: float) -> list[Reply]:
    """Probe for a while, then wait for what is under way."""
    ends = time.monotonic() + seconds
    due = [(time.monotonic() + _PACE_SECONDS * index / len(connections), index) for index in range(len(connections))]
    heapq.heapify(due)
    under_way: set[int] = set()
    sent_at: dict[int, float] = {}
    replies: list[Reply] = []
    with selectors.DefaultSelector() as selector:
        for index, connection in enumerate(connections):
            selector.register(connection.socket, selectors.EVENT_READ, index)
        while under_way or time.monotonic() < ends:
            now = time.monotonic()
            while due and due[0][0] <= now < ends:
                index = heapq.heappop(due)[1]
                connections[index].send()
                sent_at[index] = now
                under_way.add(index)
            wait = min(due[0][0], ends) - time.monotonic() if due and now < ends else _REPLY_SECONDS
            for key, _ in selector.select(max(0.0, wait)):
                color = connections[key.data].read()
                if color is not None:
                    replies.append((time.monotonic(), color))
                    under_way.discard(key.data)
                    heapq.heappush(due, (sent_at[key.data] + _PACE_SECONDS, key.data))
    return replies


def main(port: int, path: str) -> None:
    """Serve windows until standard input ends."""
    request = f"GET {path} HTTP/1.1\r\nHost: probe\r\n\r\n".encode()
    connections = [_Connection(port, request) for _ in range(_CONNECTIONS)]
    for line in sys.stdin:
        print(json.dumps(_window(connections, float(line))), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
