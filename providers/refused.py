"""How a provider says no. Never SystemExit: it hangs the `up`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from delivery.refusal import Refusal, Refusals
from probes.supervisor_rpc import SupervisorUnreachable


class Refused(Exception):
    """A deliberate refusal."""


def refused(message: str) -> Exception:
    """The exception to raise for a deliberate refusal: Pulumi then shows its message, without a traceback."""
    logging.getLogger("grpc._server").addFilter(_is_unforeseen)  # which keeps each filter once
    return Refused(message)


def _is_unforeseen(record: logging.LogRecord) -> bool:
    """gRPC logs the traceback of what a provider raises, and answers Pulumi with the message. A refusal needs only the message."""
    return not (record.exc_info and isinstance(record.exc_info[1], Refused))


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns refusals of delivery and probes, and what the disk or the supervisor says, into `Refused`; all else keeps its traceback."""
    try:
        yield
    except (Refusal, Refusals, SupervisorUnreachable) as error:
        raise refused(str(error)) from None
    except OSError as error:
        raise refused(f"{error.filename or 'disk'}: got {error.strerror or error}, need to read and write there; mend that") from None
