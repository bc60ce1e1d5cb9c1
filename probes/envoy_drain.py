"""Letting an Envoy finish its requests before it is stopped: SIGTERM alone cuts every stream within 65 ms."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import httpx

_CALL_SECONDS = 5.0
_POLL_SECONDS = 0.1
_SAY_EVERY_SECONDS = 5.0


def requests_in_flight(admin_url: str) -> int:
    """Requests of clients that Envoy is answering now, without those to its admin interface (ours). Raises httpx.HTTPError."""
    wanted = {"filter": "downstream_rq_active", "format": "json"}
    reply = httpx.get(f"{admin_url}/stats", params=wanted, timeout=_CALL_SECONDS, trust_env=False, verify=False)
    reply.raise_for_status()
    return sum(int(stat.get("value", 0)) for stat in reply.json()["stats"] if not str(stat.get("name", "")).startswith("http.admin."))


def drain(admin_url: str, deadline_seconds: float, say: Callable[[str], None] = lambda _line: None) -> bool:
    """Tell Envoy to end connections gracefully and wait until nothing is in flight.

    True when it is empty, or gone already; False when the deadline passed with requests in flight.
    """
    started = said = time.monotonic()
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(f"{admin_url}/drain_listeners?graceful&skip_exit", timeout=_CALL_SECONDS, trust_env=False, verify=False)
    while True:
        left: int | str
        try:
            left = requests_in_flight(admin_url)
        except httpx.ConnectError:
            return True
        except (httpx.HTTPError, ValueError, KeyError):
            left = "an unknown number of"  # slow to answer is not empty
        if left == 0:
            return True
        now = time.monotonic()
        if now - started > deadline_seconds:
            say(f"{left} requests still in flight after {deadline_seconds:.0f} s")
            return False
        if now - said > _SAY_EVERY_SECONDS:
            said = now
            say(f"draining, {left} requests in flight, {now - started:.0f} s of at most {deadline_seconds:.0f} s")
        time.sleep(_POLL_SECONDS)
