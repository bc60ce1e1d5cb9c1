"""When a color carries no request any more. What can't be read is never taken for idle, but what doesn't run holds no request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class InFlight:
    """Requests in flight on one color: as the router counts them (None: it can't be asked) and as each engine does.

    An engine is None when it answers but can't tell, and missing from `engines` when no process listens at its address.
    """

    router: int | None
    engines: Mapping[str, int | None]


def verdict(seen: InFlight) -> str | None:
    """None when nothing is in flight, else what still is, in words.

    A router that can't be asked has none of ours open when every engine says so: a request is either at an engine or not yet sent to one.
    """
    busy = {engine: count for engine, count in seen.engines.items() if count != 0}
    if seen.router is None and not busy:
        return None
    if seen.router:
        return f"{seen.router} requests open at the router"
    silent = sorted(engine for engine, count in busy.items() if count is None)
    working = {engine: count for engine, count in busy.items() if count}
    if working:
        return ", ".join(f"{count} requests at {engine}" for engine, count in sorted(working.items()))
    if silent and seen.router is None:
        return f"no count from {', '.join(silent)} and none from the router"
    # The router has nothing open at a color whose engine hangs: what hangs there belongs to nobody who still waits.
    return None
