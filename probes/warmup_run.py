"""Warms a pool and measures how warm it is. What the measurement is worth is decided in delivery/warmup_verdict.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from delivery.gate_settings import WarmupSettings
from delivery.prompts import Prompt
from delivery.warmup_verdict import EngineWarmup, WarmupMeasurement, is_steady
from probes.engine_client import EngineClient, EngineError
from probes.progress import Progress, Say

_POLL_SECONDS = 0.25
_PROMPT_SECONDS = 60.0  # a cold engine compiles during its first requests; one that needs longer hangs

Dead = Callable[[], str | None]


@dataclass(frozen=True)
class WarmupRun:
    """What to warm: the engines (`host:port`) of one pool, the model name they must serve, and the prompts in the order to replay.

    `label` begins each line of progress ("chat/green"). `dead` says which process died for good (None: none did), so that a crash loop
    ends the wait; `key_file` holds the engines' API key.
    """

    label: str
    engines: Sequence[str]
    model: str
    prompts: Sequence[Prompt]
    settings: WarmupSettings
    say: Say
    dead: Dead = lambda: None
    key_file: str | os.PathLike[str] | None = None
    prompt_seconds: float = _PROMPT_SECONDS


@dataclass
class _Seen:
    """What was seen of one engine so far."""

    up: bool = False
    served: tuple[str, ...] = ()
    rounds: list[tuple[float, ...]] = field(default_factory=list)
    tokens: int = 0
    problem: str = ""

    def result(self) -> EngineWarmup:
        return EngineWarmup(self.served, tuple(self.rounds), self.tokens, self.problem)


def warm_up(run: WarmupRun) -> WarmupMeasurement:
    """Wait for every engine, then replay the prompts on all of them in parallel until each is steady. Never longer than the deadline."""
    return asyncio.run(_warm_up(run))


async def _warm_up(run: WarmupRun) -> WarmupMeasurement:
    progress = Progress(run.say, run.label)
    seen = {address: _Seen() for address in run.engines}
    dead = await _wait_until_up(run, seen, progress)
    waited = progress.seconds
    up = tuple(address for address in run.engines if seen[address].up)
    before: dict[str, str] = {}
    deadline_passed = False
    if not dead and len(up) == len(seen) and all(run.model in engine.served for engine in seen.values()):
        before = await _identities(run, seen)
        deadline_passed = await _rounds(run, seen, progress)
        dead = run.dead() or ""
    after = await _identities(run, seen) if before else {}
    engines = {address: engine.result() for address, engine in seen.items()}
    return WarmupMeasurement(run.model, engines, up, waited, before, after, dead, deadline_passed)


async def _wait_until_up(run: WarmupRun, seen: dict[str, _Seen], progress: Progress) -> str:
    """Poll until all are up or the deadline passes; returns which process died for good, or ""."""
    while True:
        await asyncio.gather(*(_look(run, address, engine) for address, engine in seen.items() if not engine.up))
        up = sum(engine.up for engine in seen.values())
        if up == len(seen):
            return ""
        dead = run.dead()
        if dead:
            return dead
        if progress.seconds >= run.settings.deadline_seconds:
            return ""
        progress.tell_sometimes(f"{up} of {len(seen)} engines up")
        await asyncio.sleep(_POLL_SECONDS)


async def _look(run: WarmupRun, address: str, engine: _Seen) -> None:
    async with EngineClient(address, run.key_file) as client:
        if not await client.healthy():
            engine.problem = "no answer of /health"
            return
        try:
            engine.served = await client.models()
            engine.up, engine.problem = True, ""
        except EngineError as error:
            engine.problem = str(error)


async def _rounds(run: WarmupRun, seen: dict[str, _Seen], progress: Progress) -> bool:
    """Warm all engines; returns whether the deadline cut it off."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            least = min(len(engine.rounds) for engine in seen.values())
            progress.tell_sometimes(f"warming {len(seen)} engines, round {least + 1} of at most {run.settings.max_rounds}")

    teller = asyncio.create_task(tell())
    try:
        async with asyncio.timeout(max(0.0, run.settings.deadline_seconds - progress.seconds)):
            await asyncio.gather(*(_warm(run, address, engine) for address, engine in seen.items()))
    except TimeoutError:
        return True
    finally:
        teller.cancel()
    return False


async def _warm(run: WarmupRun, address: str, engine: _Seen) -> None:
    async with EngineClient(address, run.key_file) as client:
        while len(engine.rounds) < run.settings.max_rounds:
            times: list[float] = []
            for prompt in run.prompts:
                try:
                    answer = await client.complete(run.model, prompt.chat(), prompt.max_tokens, deadline_seconds=run.prompt_seconds)
                except EngineError as error:
                    engine.problem = str(error)
                    return
                times.append(answer.ttft_seconds)
                engine.tokens += answer.tokens
            engine.rounds.append(tuple(times))
            if is_steady(engine.result().medians, run.settings):
                return


async def _identities(run: WarmupRun, seen: dict[str, _Seen]) -> dict[str, str]:
    async def ask(address: str) -> tuple[str, str]:
        async with EngineClient(address, run.key_file) as client:
            try:
                return address, await client.identity()
            except EngineError as error:
                seen[address].problem = seen[address].problem or str(error)
                return address, ""

    return {address: identity for address, identity in await asyncio.gather(*map(ask, seen)) if identity}
