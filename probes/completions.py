"""Asking for a completion and reading all of it, plain or streamed, from an engine or through a router.

Owns what counts as a whole answer: a stream needs `[DONE]` and a finish reason other than `abort`, and any answer needs a token.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

_SHOWN = 160  # characters of an unexpected answer worth showing


class EngineError(Exception):
    """An engine that did not do what it was asked; the message names it and says what was seen. Never holds a key."""


@dataclass(frozen=True)
class Completion:
    """A whole answer. `ttft_seconds` is the time to the first token (of a plain answer: to the whole); `spoke` is
    whether it has text or reasoning: an end token alone is a token too. `headers` are the response's."""

    text: str
    ttft_seconds: float
    tokens: int
    finish_reason: str
    spoke: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass
class _Stream:
    """What has been seen of a stream so far."""

    text: str = ""
    chunks: int = 0
    usage: int | None = None
    finish_reason: str = ""
    first_token_at: float | None = None
    done: bool = False


async def complete(
    http: httpx.AsyncClient,
    name: str,
    url: str,
    model: str,
    messages: Sequence[Mapping[str, str]],
    *,
    max_tokens: int,
    stream: bool,
    deadline_seconds: float,
    headers: Mapping[str, str] | None = None,
    silence_is_an_answer: bool = False,
) -> Completion:
    """One greedy chat completion at `url` (".../v1/chat/completions"). Raises EngineError with `name` for anything but a whole
    answer, which an end token alone is only when `silence_is_an_answer`."""
    body: dict[str, object] = {"model": model, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0, "stream": stream}
    seen = _Stream()
    try:
        async with asyncio.timeout(deadline_seconds):
            if stream:
                body["stream_options"] = {"include_usage": True}
                answer = await _streamed(http, name, url, body, headers, seen)
            else:
                answer = await _plain(http, name, url, body, headers)
    except TimeoutError as error:
        received = f"after {seen.chunks} chunks" if seen.chunks else "no token"
        raise EngineError(f"{name} gave {received} within {deadline_seconds:.3g} s") from error
    except httpx.HTTPError as error:
        when = f" after {seen.chunks} chunks of a stream" if seen.chunks else ""
        raise EngineError(f"{name} broke off{when}: {describe(error)}") from error
    if not answer.spoke and not silence_is_an_answer:
        raise EngineError(f"{name} gave an empty answer ({answer.tokens} tokens, no text)")
    return answer


def describe(error: httpx.HTTPError) -> str:
    """An error of HTTP in a few words; some have no text of their own."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def _plain(http: httpx.AsyncClient, name: str, url: str, body: Mapping[str, object], headers: Mapping[str, str] | None) -> Completion:
    started = time.monotonic()
    answer = await http.post(url, json=body, headers=dict(headers or {}))
    took = time.monotonic() - started
    _require_ok(name, answer.status_code, answer.text)
    value = _parse(name, answer.text)
    try:
        choice = value["choices"][0]
        text, finish = choice["message"]["content"] or "", choice["finish_reason"] or ""
        tokens = int(value.get("usage", {}).get("completion_tokens", 1 if text else 0))
    except (KeyError, IndexError, TypeError) as error:
        raise EngineError(f"{name} answered {_short(answer.text)}, which is no chat completion") from error
    return _whole(
        name, Completion(text, took, tokens, finish, bool(text or choice["message"].get("reasoning_content")), dict(answer.headers))
    )


async def _streamed(
    http: httpx.AsyncClient, name: str, url: str, body: Mapping[str, object], headers: Mapping[str, str] | None, seen: _Stream
) -> Completion:
    started = time.monotonic()
    async with http.stream("POST", url, json=body, headers=dict(headers or {})) as answer:
        if answer.status_code != 200:
            _require_ok(name, answer.status_code, (await answer.aread()).decode(errors="replace"))
        async for data in _events(answer):
            if data == "[DONE]":
                seen.done = True
                continue
            _take(name, _parse(name, data), seen)
    if not seen.done:
        raise EngineError(f"{name} cut a stream: it ended without [DONE] after {seen.chunks} chunks")
    first = seen.first_token_at if seen.first_token_at is not None else time.monotonic()
    tokens = seen.chunks if seen.usage is None else seen.usage
    return _whole(name, Completion(seen.text, first - started, tokens, seen.finish_reason, seen.chunks > 0, dict(answer.headers)))


async def _events(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            yield line[5:].strip()


def _take(name: str, chunk: dict[str, Any], seen: _Stream) -> None:
    """Add one chunk to what was seen. Raises EngineError for an error chunk and for what is no chunk."""
    if "error" in chunk:
        raise EngineError(f"{name} sent an error in a stream after {seen.chunks} chunks: {_short(json.dumps(chunk['error']))}")
    try:
        usage = chunk.get("usage")
        if usage:
            seen.usage = int(usage["completion_tokens"])
        for choice in chunk["choices"]:
            content = choice["delta"].get("content") or choice["delta"].get("reasoning_content") or ""
            if content:
                seen.first_token_at = seen.first_token_at or time.monotonic()
                seen.chunks += 1
                seen.text += choice["delta"].get("content") or ""
            seen.finish_reason = choice.get("finish_reason") or seen.finish_reason
    except (KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{name} sent {_short(json.dumps(chunk))}, which is no chunk of a chat completion") from error


def _whole(name: str, completion: Completion) -> Completion:
    if completion.finish_reason == "abort":
        raise EngineError(f"{name} aborted an answer after {completion.tokens} tokens (finish_reason abort)")
    if not completion.finish_reason:
        raise EngineError(f"{name} gave an answer without a finish_reason after {completion.tokens} tokens")
    if completion.tokens < 1:
        raise EngineError(f"{name} gave an answer without a token")
    return completion


def _require_ok(name: str, status: int, text: str) -> None:
    if status != 200:
        raise EngineError(f"{name} answered {status}: {_short(text)}")


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise EngineError(f"{name} sent {_short(text)}, which is no JSON") from error
    if not isinstance(value, dict):
        raise EngineError(f"{name} sent {_short(text)}, which is no JSON object")
    return value


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
