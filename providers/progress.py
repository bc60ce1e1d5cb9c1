"""Lines that a person sees live in the output of `pulumi up`. Pulumi attributes them to the stack, so each begins with whom it is about."""

from __future__ import annotations

from collections.abc import Callable


def say(text: str) -> None:
    """Print one line at once; begin it with the service and color (`chat green: 3 of 4 engines answer`)."""
    print(text, flush=True)


def about(who: str) -> Callable[[str], None]:
    """A `say` whose lines begin with `who`."""
    return lambda text: say(f"{who}: {text}")
