"""Waiting until a program answers on its address. Whether a late one matters is the caller's to say."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from delivery.refusal import Refusal
from probes import programs
from probes.stack_home import StackHome

_CALL_SECONDS = 5.0
_POLL_SECONDS = 0.2
_SAY_EVERY_SECONDS = 10.0


def await_ready(home: StackHome, name: str, url: str, deadline_seconds: float, *, required: bool, say: Callable[[str], None]) -> bool:
    """Poll `url` until it answers 200. Ends early when the program died.

    False (after saying so) when it did not become ready; Refusal when that is `required`. Raises SupervisorUnreachable.
    """
    started = said = time.monotonic()
    while True:
        if answers(url):
            return True
        waited = time.monotonic() - started
        if programs.status(home, name).state.died:
            return _not_ready(name, f"a process that ended after {waited:.0f} s: {programs.last_words(home, name)}", home, required, say)
        if waited > deadline_seconds:
            return _not_ready(name, f"no answer on {url} within {deadline_seconds:.0f} s", home, required, say)
        if time.monotonic() - said > _SAY_EVERY_SECONDS:
            said = time.monotonic()
            say(f"starting, {waited:.0f} s of at most {deadline_seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


def answers(url: str) -> bool:
    """Whether `url`, an address of this machine, answers 200 now. Loading certificates would be most of the work of a look."""
    try:
        return httpx.get(url, timeout=_CALL_SECONDS, trust_env=False, verify=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _not_ready(name: str, got: str, home: StackHome, required: bool, say: Callable[[str], None]) -> bool:
    refusal = Refusal(name, got, f"200 from {name}", "others depend on it", f"see {home.log(name)}")
    if required:
        raise refusal
    say(f"warning: {refusal}")
    return False
