"""Whether an answer is whole: pure functions from what was received to an outcome, a reason and a count of tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from traffic.events import Outcome

# Anything else (vLLM's "abort" above all, which ends a stream in order) isn't an answer.
_PROPER_ENDS = ("stop", "length", "tool_calls")


@dataclass(frozen=True)
class Judgement:
    """What an answer is worth."""

    outcome: Outcome
    reason: str
    tokens: int


def judge_plain(body: bytes) -> Judgement:
    """A chat completion that came with status 200: right shape, some text, a proper end."""
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        text = choice["message"]["content"]
        tokens = int(answer["usage"]["completion_tokens"])
    except (ValueError, TypeError, KeyError, IndexError):
        return Judgement(Outcome.FAILED, "wrong shape", 0)
    if choice.get("finish_reason") not in _PROPER_ENDS:
        return Judgement(Outcome.FAILED, f"finish_reason {choice.get('finish_reason')}", tokens)
    if not isinstance(text, str) or not text:
        return Judgement(Outcome.FAILED, "empty answer", tokens)
    return Judgement(Outcome.OK, "", tokens)


def judge_stream(body: bytes, least_tokens: int) -> Judgement:
    """A streamed chat completion that came with status 200 and ended without an error of the connection.

    Cut: an error chunk, a chunk that can't be read, no [DONE], a finish reason that is missing or not proper, or fewer tokens than
    `least_tokens`. Tokens are those of the usage chunk where there is one, else chunks with text.
    """
    finish_reason: str | None = None
    tokens, counted, done = 0, None, False
    for block in body.split(b"\n\n"):
        if not block.startswith(b"data: "):
            continue
        data = block[6:]
        if data == b"[DONE]":
            done = True
            break
        # Most chunks are one token and nothing else; reading each of them as JSON would be most of this process's work.
        if b'"finish_reason":null' in data and b'"content":"' in data and b'"error"' not in data and data.endswith(b"}"):
            tokens += b'"content":""' not in data
            continue
        try:
            chunk = json.loads(data)
            if "error" in chunk:
                return Judgement(Outcome.CUT, "error chunk", tokens)
            counted = _counted(chunk, counted)
            for choice in chunk["choices"]:
                tokens += bool((choice.get("delta") or {}).get("content"))
                finish_reason = choice.get("finish_reason") or finish_reason
        except (ValueError, TypeError, KeyError, AttributeError):
            return Judgement(Outcome.CUT, "unreadable chunk", tokens)
    return _verdict(done, finish_reason, tokens if counted is None else counted, least_tokens)


def _counted(chunk: dict[str, Any], before: int | None) -> int | None:
    usage = chunk.get("usage")
    return int(usage["completion_tokens"]) if usage else before


def _verdict(done: bool, finish_reason: str | None, tokens: int, least_tokens: int) -> Judgement:
    if finish_reason is not None and finish_reason not in _PROPER_ENDS:
        return Judgement(Outcome.CUT, f"finish_reason {finish_reason}", tokens)
    if not done:
        return Judgement(Outcome.CUT, "no [DONE]", tokens)
    if finish_reason is None:
        return Judgement(Outcome.CUT, "no finish_reason", tokens)
    if tokens < least_tokens:
        return Judgement(Outcome.CUT, "too few tokens", tokens)
    return Judgement(Outcome.OK, "", tokens)
