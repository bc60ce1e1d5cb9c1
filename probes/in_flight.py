"""Requests that the engines of a pool work on or have waiting. What that means for a drain is delivery/in_flight.py's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from probes.engine_client import EngineClient, EngineError

_CONNECT_SECONDS = 2.0


def pool_in_flight(engines: Sequence[str], key_file: Path | None = None) -> dict[str, int | None]:
    """By engine: its count, None where a process listens and doesn't tell. An address where nothing listens is left out."""
    listening = [engine for engine in engines if _listens(engine)]

    async def count(engine: str) -> int | None:
        try:
            async with EngineClient(engine, key_file) as client:
                return await client.running()
        except EngineError:
            return None

    async def every() -> list[int | None]:
        return await asyncio.gather(*(count(engine) for engine in listening))

    return dict(zip(listening, asyncio.run(every()), strict=True))


def _listens(engine: str) -> bool:
    host, _, port = engine.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return True  # a process too stuck to accept is still there
