"""Putting the engines of a pool to sleep, waking them, and who sleeps. When that is right is the providers' to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from probes.engine_client import EngineClient, EngineError

Say = Callable[[str], None]


def awake_engines(engines: Sequence[str], key_file: Path | None) -> dict[str, str | None]:
    """The engines that don't sleep, with what was seen of one that can't be asked (None for one that said so)."""

    async def look(client: EngineClient) -> str | None:
        return "asleep" if await client.is_sleeping() else None

    return {engine: seen for engine, seen in _each(engines, key_file, look).items() if seen != "asleep"}


def put_to_sleep(engines: Sequence[str], key_file: Path | None) -> dict[str, str]:
    """Put every engine to sleep that isn't; returns why it failed, by engine."""

    async def sleep(client: EngineClient) -> str | None:
        if not await client.is_sleeping():
            await client.sleep()
            if not await client.is_sleeping():
                return f"{client.address} said that it sleeps and does not"
        return None

    return {engine: problem for engine, problem in _each(engines, key_file, sleep).items() if problem}


def wake(engines: Sequence[str], key_file: Path | None, say: Say) -> None:
    """Wake every engine that sleeps. One that can't be asked is left alone: whether it lives is asked next, with a token."""

    async def rouse(client: EngineClient) -> None:
        if await client.is_sleeping():
            say(f"waking {client.address}")
            await client.wake_up()

    _each(engines, key_file, rouse)


def _each(engines: Sequence[str], key_file: Path | None, act: Callable[[EngineClient], Awaitable[str | None]]) -> dict[str, str | None]:
    async def one(engine: str) -> str | None:
        try:
            async with EngineClient(engine, key_file) as client:
                return await act(client)
        except EngineError as error:
            return str(error)

    async def every() -> list[str | None]:
        return await asyncio.gather(*(one(engine) for engine in engines))

    return dict(zip(engines, asyncio.run(every()), strict=True))
