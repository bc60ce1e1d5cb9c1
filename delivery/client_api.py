"""What clients may ask a router for, and the form in which a router says no. The same for every kind of router.

Everything that isn't listed is refused: an engine also serves endpoints that pause it, change its weights or show its load.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import NamedTuple


class Endpoint(NamedTuple):
    """One endpoint that clients may use."""

    method: str
    path: str


ENDPOINTS = (
    Endpoint("GET", "/v1/models"),
    Endpoint("POST", "/v1/completions"),
    Endpoint("POST", "/v1/chat/completions"),
    Endpoint("POST", "/v1/embeddings"),
)
HEALTH_PATH = "/health"  # answered by the router itself: it says that the router lives, not that any engine does

COLOR_HEADER = "x-verdigris-color"  # on responses: the color that answered; on requests, with the secret: the color to use
RELEASE_HEADER = "x-verdigris-release"
SECRET_HEADER = "x-verdigris-secret"


class ErrorCode(StrEnum):
    """The `code` of the errors that a router gives on its own."""

    NOT_FOUND = "not_found"
    NO_WEIGHTS = "service_has_no_weights"
    NO_POOL = "color_has_no_pool"
    UPSTREAM = "engines_unavailable"
    TOO_LARGE = "request_too_large"


def error_text(code: ErrorCode, message: str) -> str:
    """An error as OpenAI's API writes it, so that client libraries show the message."""
    kind = "invalid_request_error" if code in (ErrorCode.NOT_FOUND, ErrorCode.TOO_LARGE) else "server_error"
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code.value}})


_SERVED = ", ".join(f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS)
NOT_FOUND_TEXT = error_text(ErrorCode.NOT_FOUND, f"This endpoint isn't served here. Served are: {_SERVED}")

UNAVAILABLE_TEXT = error_text(ErrorCode.UPSTREAM, "No engine could be reached, or none answered.")
TOO_LARGE_TEXT = error_text(ErrorCode.TOO_LARGE, "The request's body is larger than this router takes.")
HEALTH_TEXT = '{"status": "ok"}'


def no_weights_text(service: str) -> str:
    """The answer for a service that no split has given traffic to yet."""
    return error_text(ErrorCode.NO_WEIGHTS, f"The service '{service}' has no release in service yet.")


def no_pool_text(service: str, color: str) -> str:
    """The answer for a forced color that has no engines."""
    return error_text(ErrorCode.NO_POOL, f"The service '{service}' has no {color} pool.")


def path_under(prefix: str, path: str) -> str:
    """The path that clients use for an engine's path of a service with this prefix; the prefix "/" adds nothing."""
    return prefix.rstrip("/") + path
