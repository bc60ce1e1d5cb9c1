"""Which colors answer: many small requests through the router. What their counts prove is decided in delivery/split_proof.py."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import httpx

from delivery.client_api import COLOR_HEADER
from delivery.color import Color
from probes.engine_client import open_http

_CONCURRENCY = 8
_PROBE_SECONDS = 10.0
_ENOUGH_LOST = 24
"""Probes that ended without an answer, after which no more are sent: each may have cost its whole deadline, and what they say is clear."""


def count_colors(
    url: str, path: str, probes: int, headers: Mapping[str, str] | None = None, concurrency: int = _CONCURRENCY
) -> dict[Color | None, int]:
    """Send at most `probes` GETs to `url` (the router) + `path` (".../v1/models") and count who answered; None counts errors and answers
    without a color, and ends the count early when there are many. Connections are kept: the router draws a color for each request."""
    return dict(asyncio.run(_count(url.rstrip("/") + path, probes, headers or {}, concurrency)))


async def _count(url: str, probes: int, headers: Mapping[str, str], concurrency: int) -> Counter[Color | None]:
    counts: Counter[Color | None] = Counter()
    left = iter(range(probes))

    async def work() -> None:
        async with open_http(verify=False) as http:
            for _ in left:
                if counts[None] < _ENOUGH_LOST:
                    counts[await _color(http, url, headers)] += 1

    await asyncio.gather(*(work() for _ in range(min(concurrency, probes))))
    return counts


async def _color(http: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> Color | None:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            answer = await http.get(url, headers=dict(headers))
        return Color(answer.headers.get(COLOR_HEADER, "")) if answer.status_code == 200 else None
    except (TimeoutError, httpx.HTTPError, ValueError):
        return None
