"""Asks a model whether an answer meets a rubric. The question and the reading of its reply are delivery/model_grading.py's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from delivery.eval_set import Item, ModelGraded
from delivery.gate_settings import GraderSettings
from delivery.model_grading import grading_messages, read_verdict
from probes.completions import EngineError, complete
from probes.engine_client import key_headers

_REPLY_SECONDS = 120.0
_PAUSES_SECONDS = (1.0, 4.0, 15.0)
"""Before another try: hosted models answer 429 and 5xx at times, and one lost grade would spoil the whole measurement."""


class UngradedError(Exception):
    """The grading model did not grade an answer; the message says what was seen. It says nothing about the answer."""


def open_grading(grader: ModelGrader | None) -> httpx.AsyncClient:
    """A client for the grader, who may be anywhere: proxies and certificates of the environment count. Without a grader it is of no use."""
    return httpx.AsyncClient(timeout=None, verify=grader is not None, trust_env=grader is not None)


@dataclass
class ModelGrader:
    """One grading model, with the file of its key where it wants one. `trouble` is what it last failed to do, "" after a grade."""

    settings: GraderSettings
    key_file: str | os.PathLike[str] | None = None
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)
    trouble: str = ""

    async def grade(self, http: httpx.AsyncClient, item: Item, answer: str) -> bool:
        """Whether the answer to a model-graded item is right. An empty one never is. Raises UngradedError."""
        assert isinstance(item.grade, ModelGraded)
        if not answer.strip():
            return False
        messages = grading_messages(item.chat(), answer, item.grade.rubric)
        for seconds in (*_PAUSES_SECONDS, None):
            self.trouble = self.trouble or f"the grader {self.settings.model} has not answered"
            try:
                passes = await self._ask(http, messages)
                self.trouble = ""
                return passes
            except EngineError as error:
                self.trouble = str(error)
                if seconds is None:
                    raise UngradedError(f"item {item.id} could not be graded: {error}") from error
                await self.pause(seconds)
        raise AssertionError("the last try either returns or raises")

    async def _ask(self, http: httpx.AsyncClient, messages: list[dict[str, str]]) -> bool:
        name = f"the grader {self.settings.model}"
        reply = await complete(
            http, name, f"{self.settings.url.rstrip('/')}/chat/completions", self.settings.model, messages,
            max_tokens=self.settings.max_tokens, stream=False, deadline_seconds=_REPLY_SECONDS, headers=key_headers(self.key_file),
        )  # fmt: skip
        verdict = read_verdict(reply.text)
        if verdict is None:
            raise EngineError(f"{name} said neither PASS nor FAIL in {reply.tokens} tokens")
        return verdict
