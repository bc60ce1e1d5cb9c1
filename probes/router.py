"""What every router can be asked and told. How it is done is each kind's: probes/envoy_router.py, probes/nginx_router.py."""

from __future__ import annotations

import time
from typing import Protocol

from delivery.color import Color, Weights

POLL_SECONDS = 0.02


class RouterUnreachable(Exception):
    """The router doesn't answer, or its files aren't there: what it does now is unknown."""


class ForeignWeights(RouterUnreachable):
    """The router answers, but with weights that Verdigris can't have written: someone else's hand was there."""


class RouterTimeout(Exception):
    """The router answers, but isn't where it was asked to be by the deadline."""


class RouterClient(Protocol):
    """One router of a stack. Every HTTP call is short; what waits carries a deadline in seconds."""

    @property
    def url(self) -> str:
        """Where clients send requests, without a path. Raises RouterUnreachable before the router's files are written."""
        ...

    def live_weights(self, service: str) -> Weights | None:
        """The weights that the router uses now; None where the service has none. Raises RouterUnreachable."""
        ...

    def write_weights(self, service: str, weights: Weights | None) -> None:
        """Write the weights of one service and leave those of the others; None takes the service out of traffic (it answers 503).

        Raises RouterUnreachable where the router's files aren't there, Refusal for a weight on a color without a pool, OSError for a full
        disk; what was there stays then.
        """
        ...

    def await_weights(self, service: str, weights: Weights | None, deadline_seconds: float) -> None:
        """Return when the router uses these weights. Raises RouterTimeout past the deadline, RouterUnreachable if it can't be asked."""
        ...

    def in_flight(self, service: str, color: Color) -> int:
        """Requests that the router has open at the engines of one color. Raises RouterUnreachable."""
        ...

    def drain(self, deadline_seconds: float) -> None:
        """Ask clients to leave and return when no request is open. Raises RouterTimeout, RouterUnreachable."""
        ...


def await_live_weights(router: RouterClient, service: str, weights: Weights | None, deadline_seconds: float) -> None:
    """Ask `router` until it uses `weights`; the common part of every `await_weights`."""
    ends = time.monotonic() + deadline_seconds
    while True:
        unreachable: RouterUnreachable | None = None
        live: Weights | None = None
        try:
            live = router.live_weights(service)
        except RouterUnreachable as error:
            unreachable = error
        if unreachable is None and live == weights:
            return
        if time.monotonic() > ends:
            if unreachable is not None:
                raise unreachable
            raise RouterTimeout(f"{service}: the router has {live or 'no weights'}, not {weights or 'none'}, after {deadline_seconds:g} s")
        time.sleep(POLL_SECONDS)
