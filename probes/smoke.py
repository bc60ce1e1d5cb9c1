"""A plain and a streamed completion through the router, forced to one color: what a client of that color would get."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from delivery.client_api import COLOR_HEADER, SECRET_HEADER, SERVICE_HEADER, path_under
from delivery.color import Color
from probes.completions import EngineError, complete
from probes.engine_client import key_headers, open_http

_CALL_SECONDS = 30.0
_MESSAGES = ({"role": "user", "content": "sort 52413"},)


@dataclass(frozen=True)
class SmokeTarget:
    """What to ask: the router's URL, the service's path prefix and model, the color to force and the secret that allows it; the service's
    name, which a router needs that tells services apart by their model."""

    router: str
    path_prefix: str
    model: str
    color: Color
    secret: str
    key_file: str | os.PathLike[str] | None = None
    service: str = ""


def smoke(
    target: SmokeTarget, messages: Sequence[Mapping[str, str]] = _MESSAGES, max_tokens: int = 16, deadline_seconds: float = _CALL_SECONDS
) -> str | None:
    """None when both completions are whole and come from the color, else what is wrong. The deadline is for each of the two."""
    return asyncio.run(_smoke(target, messages, max_tokens, deadline_seconds))


async def _smoke(target: SmokeTarget, messages: Sequence[Mapping[str, str]], max_tokens: int, deadline_seconds: float) -> str | None:
    url = target.router.rstrip("/") + path_under(target.path_prefix, "/v1/chat/completions")
    async with open_http(verify=False) as http:
        for stream in (False, True):
            name = f"{target.color} ({'streamed' if stream else 'plain'})"
            try:
                own = {COLOR_HEADER: target.color.value, SECRET_HEADER: target.secret, SERVICE_HEADER: target.service}
                answer = await complete(
                    http, name, url, target.model, messages,
                    max_tokens=max_tokens, stream=stream, deadline_seconds=deadline_seconds, headers=own | key_headers(target.key_file),
                )  # fmt: skip
            except EngineError as error:
                return str(error)
            got = answer.headers.get(COLOR_HEADER, "no color")
            if got != target.color:
                return f"{name} was answered by {got}"
    return None
