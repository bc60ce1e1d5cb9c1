"""Load that doesn't wait for answers before it sends more, so that a stall shows as failures and not as fewer requests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp


@dataclass
class Tally:
    """What the clients saw."""

    sent: int = 0
    failures: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    colors: Counter[str] = field(default_factory=Counter)
    streams: int = 0


class OpenLoop:
    """Plain requests at `rate` a second, every tenth a stream, from a thread of its own. As a context: load runs inside the block."""

    def __init__(self, url: str, rate: float = 60.0, body_seconds: float = 0.05, stream_seconds: float = 1.0) -> None:
        self.tally = Tally()
        self._url, self._rate, self._body_seconds, self._stream_seconds = url, rate, body_seconds, stream_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> OpenLoop:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(120)

    def wait_for(self, more: int, deadline_seconds: float = 60.0) -> None:
        """Return after `more` further requests were answered."""
        goal, ends = sum(self.tally.colors.values()) + more, time.monotonic() + deadline_seconds
        while sum(self.tally.colors.values()) < goal:
            assert time.monotonic() < ends, f"too few answers: {self.tally}"
            time.sleep(0.02)

    async def _run(self) -> None:
        timeout, connector = aiohttp.ClientTimeout(total=60), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as tasks:
            began = time.monotonic()
            while not self._stop.is_set():
                tasks.create_task(self._stream(session) if self.tally.sent % 10 == 0 else self._plain(session))
                self.tally.sent += 1
                await asyncio.sleep(max(0.0, began + self.tally.sent / self._rate - time.monotonic()))

    async def _plain(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.post(f"{self._url}/v1/completions", json={"seconds": self._body_seconds}) as answer:
                text = await answer.text()
                self._count(answer, text)
        except Exception as error:
            self.tally.failures.append(repr(error))

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        color = ""
        try:
            async with session.post(f"{self._url}/v1/completions", json={"stream": True, "seconds": self._stream_seconds}) as answer:
                color = self._count(answer, "a stream")
                self.tally.streams += 1
                text = await answer.text()
                if "[DONE]" not in text:
                    self.tally.cut.append(f"{color}: ended without [DONE]")
        except Exception as error:
            (self.tally.cut if color else self.tally.failures).append(f"{color}: {error!r}")

    def _count(self, answer: aiohttp.ClientResponse, text: str) -> str:
        """The color that answered, empty for a failure."""
        if answer.status != 200:
            self.tally.failures.append(f"{answer.status}: {text[:200]}")
            return ""
        color = answer.headers.get("x-verdigris-color", "none")
        self.tally.colors[color] += 1
        return color
