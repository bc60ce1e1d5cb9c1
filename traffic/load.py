"""Sends a constant load from an event loop and records what became of each request."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from traffic.events import Event, Outcome
from traffic.judging import Judgement, judge_plain, judge_stream
from traffic.settings import LoadSettings
from traffic.summary import Summary, summarize

# Below vLLM's keep-alive of 5 s: an idle connection that the server may be closing isn't used again. Behind a router it changes nothing.
_KEEP_ALIVE_SECONDS = 2.0


class Load:
    """A load as an async context manager: starts at the entry, stops at the exit, once the requests in flight have ended.

    `events` holds what ended so far; `on_event`, where given, gets each event instead and `events` stays empty.
    """

    def __init__(self, settings: LoadSettings, *, on_event: Callable[[Event], None] | None = None) -> None:
        self.settings = settings
        self.events: list[Event] = []
        self._record = on_event or self.events.append
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._digits = random.Random(0)
        self._url = settings.url.rstrip("/") + "/v1/chat/completions"
        self._headers = {"Content-Type": "application/json", **settings.headers}
        if settings.api_key:
            self._headers["Authorization"] = f"Bearer {settings.api_key}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )
        self._sender = asyncio.create_task(self._send_all())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        await self.finished()
        await self._session.close()

    def stop(self) -> None:
        """Send nothing more; requests in flight go on."""
        self._stopped.set()

    async def finished(self) -> None:
        """Wait until the load has ended (by `stop`, `count` or `seconds`) and every request with it; each has its own timeout."""
        await self._sender
        while self._tasks:
            await asyncio.wait(self._tasks)

    def summary(self, *, since: float = 0.0, until: float = float("inf")) -> Summary:
        """What became of the requests planned in a span of time (seconds since the epoch) that have ended so far."""
        return summarize(self.events, since=since, until=until)

    async def _send_all(self) -> None:
        settings = self.settings
        began, offset = time.monotonic(), time.time() - time.monotonic()
        index = 0
        while index != settings.count and index / settings.rate < settings.seconds:
            due = began + index / settings.rate
            if await self._stops_before(due):
                return
            self._send(index, due + offset)
            index += 1

    async def _stops_before(self, due: float) -> bool:
        if (wait := due - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._stopped.wait()
            except TimeoutError:
                pass
        return self._stopped.is_set()

    def _send(self, index: int, planned_at: float) -> None:
        stream = self.settings.is_stream(index)
        if len(self._tasks) >= self.settings.most_in_flight:
            now = time.time()
            self._record(Event(stream, Outcome.FAILED, "not sent", planned_at, now, now, None, 0, 0, "", ""))
            return
        task = asyncio.create_task(self._request(index, stream, planned_at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, index: int, stream: bool, planned_at: float) -> None:
        sent_at = time.time()
        status, color, release, first_at = 0, "", "", 0.0
        try:
            async with self._session.post(self._url, data=self._body(stream), headers=self._headers_of(index)) as response:
                status = response.status
                color = response.headers.get("x-verdigris-color", "")
                release = response.headers.get("x-verdigris-release", "")
                body = b""
                async for piece in response.content.iter_any():
                    first_at = first_at or time.time()
                    body += piece
            judgement = self._judge(stream, status, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            began = stream and status == 200
            judgement = Judgement(Outcome.CUT if began else Outcome.FAILED, _reason(error), 0)
        first_token_seconds = first_at - planned_at if stream and status == 200 and first_at else None
        self._record(
            Event(
                stream,
                judgement.outcome,
                judgement.reason,
                planned_at,
                sent_at,
                time.time(),
                first_token_seconds,
                judgement.tokens,
                status,
                color,
                release,
            )
        )

    def _judge(self, stream: bool, status: int, body: bytes) -> Judgement:
        if status != 200:
            return Judgement(Outcome.FAILED, f"status {status}", 0)
        return judge_stream(body, self.settings.stream_tokens) if stream else judge_plain(body)

    def _body(self, stream: bool) -> bytes:
        settings = self.settings
        content = settings.prompt.replace("{digits}", f"{self._digits.randrange(100_000):05}")
        body: dict[str, object] = {"model": settings.model, "messages": [{"role": "user", "content": content}], "temperature": 0}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True, "max_tokens": settings.stream_tokens}
        else:
            body["max_tokens"] = settings.plain_tokens
        return json.dumps(body).encode()

    def _headers_of(self, index: int) -> dict[str, str]:
        if not self.settings.sticky_header:
            return self._headers
        return {**self._headers, self.settings.sticky_header: f"session-{index % self.settings.sticky_values}"}


def _reason(error: Exception) -> str:
    """The same few words for the same kind of failure."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "no connection"
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, OSError)):
        return "reset"
    return type(error).__name__
