"""How a provider says no. Never SystemExit: it hangs the `up`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from delivery.refusal import Refusal, Refusals
from probes.supervisor_rpc import SupervisorUnreachable


class Refused(Exception):
    """A deliberate refusal. Its module is set to `builtins`, so that the user reads `Refused: message` without a module's path."""


Refused.__module__ = "builtins"


def refused(message: str) -> Exception:
    """The exception to raise for a deliberate refusal: Pulumi then shows one line, without a traceback."""
    sys.tracebacklimit = 0
    return Refused(message)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns refusals of delivery and probes, and what the disk or the supervisor says, into `Refused`; all else keeps its traceback."""
    try:
        yield
    except (Refusal, Refusals, SupervisorUnreachable) as error:
        raise refused(str(error)) from None
    except OSError as error:
        raise refused(f"{error.filename or 'disk'}: got {error.strerror or error}, need to read and write there; mend that") from None
