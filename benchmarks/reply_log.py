"""Which color replied when, over a whole deployment: a thread that asks on a new connection a hundred times a second.

Coarser than benchmarks/color_probe.py, but it lives through reloads and routers that close connections.
"""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType
from typing import Self

from delivery.client_api import COLOR_HEADER

_PACE_SECONDS = 0.01  # more would take the processor from what is measured
_REPLY_SECONDS = 10.0


class ReplyLog:
    """`replies` holds (seconds since the epoch when the reply was whole, its color or "")."""

    def __init__(self, port: int) -> None:
        self.replies: list[tuple[float, str]] = []
        self._port = port
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(_REPLY_SECONDS)

    def last_of(self, color: str, since: float) -> float:
        """When the last reply of a color came after `since`; `since` itself when none did."""
        return max((at for at, seen in self.replies if seen == color and at > since), default=since)

    def _run(self) -> None:
        while not self._stopping.wait(_PACE_SECONDS):
            color = self._ask()
            self.replies.append((time.time(), color))

    def _ask(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_REPLY_SECONDS)
        try:
            connection.request("GET", "/v1/models")
            answer = connection.getresponse()
            answer.read()
            return answer.getheader(COLOR_HEADER) or ""
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()
