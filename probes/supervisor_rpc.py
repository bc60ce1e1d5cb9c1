"""Calls to a stack's supervisord: XML-RPC over its unix socket, with a time limit, so that a hung daemon never hangs us."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from enum import IntEnum
from pathlib import Path
from typing import Any

from probes.stack_home import StackHome

# The daemon answers from memory in milliseconds; a loaded machine gets some more.
CALL_TIMEOUT_SECONDS = 5.0


class Fault(IntEnum):
    """The answers of supervisord that we act upon (supervisor/xmlrpc.py, class Faults)."""

    SHUTDOWN_STATE = 6
    BAD_NAME = 10
    NOT_RUNNING = 70
    ALREADY_ADDED = 90
    STILL_RUNNING = 91
    CANT_REREAD = 92


class SupervisorUnreachable(Exception):
    """No daemon listens, or it does not answer in time."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(home: StackHome, method: str, *arguments: object, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> Any:
    """The result of `supervisor.<method>`. Raises SupervisorUnreachable, or xmlrpc.client.Fault with supervisord's own code."""
    body = xmlrpc.client.dumps(arguments, f"supervisor.{method}")  # type: ignore[arg-type]
    connection = _UnixConnection(home.supervisor_socket, timeout_seconds)
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        reply = connection.getresponse()
        text = reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise SupervisorUnreachable(f"supervisord of {home.path} does not answer: {error!r}") from error
    finally:
        connection.close()
    if reply.status != http.HTTPStatus.OK:
        raise SupervisorUnreachable(f"supervisord of {home.path} answered {reply.status} to {method}")
    return xmlrpc.client.loads(text)[0][0]
