"""One simulated engine: its queue, its prefix cache, its clockwork of tokens, sleep and faults. HTTP is left to the other files."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from simulator.answers import limited, tokens_of_answer
from simulator.faults import Faults
from simulator.metrics import Metrics
from simulator.options import Options

_PREFIXES_KEPT = 4096
# Of a small GPU; only makes kv_cache_usage_perc move.
_CACHE_CAPACITY_TOKENS = 100_000


@dataclass(frozen=True)
class Prompt:
    """What a request asks: the whole text, the last user message, and the limits."""

    text: str
    task: str
    max_tokens: int
    ignore_eos: bool


class Engine:
    """The state of one engine process. Lives in one event loop."""

    def __init__(self, options: Options, started_at: float) -> None:
        self.options = options
        self.metrics = Metrics(options.served_model_names[0], started_at)
        self.metrics.cache_capacity_tokens = _CACHE_CAPACITY_TOKENS
        self.faults = options.faults
        self.asleep = False
        self.aborting = False
        self.stopping = False
        """Requests that come from now on are aborted at once, as vLLM's engine core does during a shutdown."""
        self.chance = random.Random(options.seed)
        self._prefixes: OrderedDict[int, None] = OrderedDict()
        self._waiters: set[asyncio.Future[None]] = set()
        self._seats = asyncio.Semaphore(options.max_num_seqs)
        self._completions_since_crash_was_set = 0

    @property
    def served_model_names(self) -> tuple[str, ...]:
        """The names that requests may use; a fault can change them."""
        return (self.faults.wrong_model,) if self.faults.wrong_model else self.options.served_model_names

    def change_faults(self, changes: Mapping[str, object] | None) -> None:
        """Switch some faults; None clears all. Requests that hang go on when `hang` ends. Raises ValueError for a bad fault."""
        self.faults = Faults() if changes is None else self.faults.changed(changes)
        if changes is None or "crash_after" in changes:
            self._completions_since_crash_was_set = 0
        self._wake_waiters()

    def abort(self) -> None:
        """End every request now, in order, with finish reason `abort`; new ones end at once."""
        self.aborting = True
        self._wake_waiters()

    def sleep(self) -> None:
        """Free the (simulated) memory: requests wait, and the prefix cache is lost, as in vLLM."""
        self.asleep = True
        self._prefixes.clear()

    def wake_up(self) -> None:
        """Take requests again."""
        self.asleep = False
        self._wake_waiters()

    def crash_if_due(self) -> None:
        """Leave the process without a word when the fault `crash_after` says so."""
        limit = self.faults.crash_after
        if limit is None:
            return
        self._completions_since_crash_was_set += 1
        if self._completions_since_crash_was_set > limit:
            os._exit(1)

    @asynccontextmanager
    async def run(self, prompt: Prompt) -> AsyncIterator[Run]:
        """Queue a request and run it; counted in the metrics from here to the end of the block."""
        began = time.monotonic()
        metrics = self.metrics
        metrics.waiting += 1
        try:
            await self._seats.acquire()
        finally:
            metrics.waiting -= 1
        run = Run(self, prompt, began)
        metrics.running += 1
        metrics.tokens_in_cache += len(prompt.text)
        try:
            yield run
            metrics.finished[run.finish_reason or "abort"] += 1
        except BaseException:
            metrics.finished["abort"] += 1
            raise
        finally:
            self._seats.release()
            metrics.running -= 1
            metrics.tokens_in_cache -= len(prompt.text)
            metrics.request.observe(time.monotonic() - began)

    async def pause(self, seconds: float | None) -> None:
        """Wait; None waits until something changes (faults, sleep, abort), and a change ends any wait early."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _finish, waiter)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    async def pause_until(self, moment: float) -> None:
        """Wait until a moment of the monotonic clock, or until requests are aborted."""
        while not self.aborting and (left := moment - time.monotonic()) > 0:
            await self.pause(left)

    def look_up_prefix(self, text: str) -> bool:
        """Whether this process has seen the prompt up to its last line; it has from now on."""
        prefix = text.rpartition("\n")[0]
        key = hash(prefix)
        seen = key in self._prefixes
        self._prefixes[key] = None
        self._prefixes.move_to_end(key)
        if len(self._prefixes) > _PREFIXES_KEPT:
            self._prefixes.popitem(last=False)
        self.metrics.prompt_tokens += len(text)
        self.metrics.prefix_queries_tokens += len(text)
        if seen:
            self.metrics.prefix_hits_tokens += len(prefix)
        return seen

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            _finish(waiter)


class Run:
    """One request while it runs: first `prefill`, then `step` until `finish_reason` is set."""

    def __init__(self, engine: Engine, prompt: Prompt, began: float) -> None:
        self._engine = engine
        self._prompt = prompt
        self._began = began
        self._next_at = began
        empty = engine.faults.empty_rate > 0 and engine.chance.random() < engine.faults.empty_rate
        answer = (
            []
            if empty
            else tokens_of_answer(
                prompt.task,
                seed=engine.options.seed,
                wrong_rate=engine.faults.wrong_rate,
                at_least_tokens=engine.options.answer_tokens,
            )
        )
        self.tokens, self._planned_reason = limited(answer, prompt.max_tokens, prompt.ignore_eos and not empty)
        self.generated_tokens = 0
        self.finish_reason: str | None = "abort" if engine.stopping else None

    async def prefill(self) -> None:
        """Wait for the first token: hang and sleep first, then the time that a cold or a warm prefix takes."""
        engine, options = self._engine, self._engine.options
        if self.finish_reason is not None:
            return
        while (engine.faults.hang or engine.asleep) and not engine.aborting:
            await engine.pause(None)
        warm = engine.look_up_prefix(self._prompt.text)
        milliseconds = options.first_token_warm_ms if warm else options.first_token_cold_ms
        self._next_at = time.monotonic() + milliseconds / 1000 + engine.faults.first_token_delay_seconds
        await engine.pause_until(self._next_at)
        if engine.aborting:
            self.finish_reason = "abort"
        else:
            engine.metrics.first_token.observe(time.monotonic() - self._began)

    async def step(self, most_tokens: int = 1) -> str:
        """The text of the next tokens, after the time that they take; sets `finish_reason` with the last one or at an abort."""
        engine = self._engine
        step_seconds = engine.options.token_ms / 1000
        tokens = self.tokens[self.generated_tokens : self.generated_tokens + most_tokens]
        # The first token came with the prefill. Moments, not pauses, are added up: a late wake-up doesn't slow the stream down.
        later = len(tokens) - (1 if self.generated_tokens == 0 else 0)
        self._next_at += later * step_seconds
        await engine.pause_until(self._next_at)
        if engine.aborting:
            self.finish_reason = "abort"
            return ""
        self.generated_tokens += len(tokens)
        engine.metrics.generation_tokens += len(tokens)
        engine.metrics.between_tokens.observe(step_seconds, later)
        if self.generated_tokens >= len(self.tokens):
            self.finish_reason = self._planned_reason
        return "".join(tokens)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
