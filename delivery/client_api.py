"""What clients may ask a router for, and the form in which a router says no. The same for every kind of router.

Everything that isn't listed is refused: an engine also serves endpoints that pause it, change its weights or show its load.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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
SERVICE_HEADER = "x-verdigris-service"  # with the secret: the service to use, where the model in the body decides otherwise
CLIENT_HEADER = "x-verdigris-client"  # to engines: the name of the client whose key was sent; never taken from a client


class ErrorCode(StrEnum):
    """The `code` of the errors that a router gives on its own."""

    NOT_FOUND = "not_found"
    NO_WEIGHTS = "service_has_no_weights"
    NO_POOL = "color_has_no_pool"
    UPSTREAM = "engines_unavailable"
    TOO_LARGE = "request_too_large"
    NO_KEY = "invalid_api_key"
    TOO_MANY = "rate_limit_exceeded"
    NO_MODEL = "model_not_found"


_SERVER_ERRORS = frozenset({ErrorCode.NO_WEIGHTS, ErrorCode.NO_POOL, ErrorCode.UPSTREAM})


def error_text(code: ErrorCode, message: str) -> str:
    """An error as OpenAI's API writes it, so that client libraries show the message."""
    return json.dumps({"error": error_object(code, message)})


def error_object(code: ErrorCode, message: str) -> dict[str, str | None]:
    """What stands under `error`. The `type` is OpenAI's for that status: client libraries choose an exception by it."""
    kind = "server_error" if code in _SERVER_ERRORS else "requests" if code is ErrorCode.TOO_MANY else "invalid_request_error"
    return {"message": message, "type": kind, "param": None, "code": code.value}


_SERVED = ", ".join(f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS)
NOT_FOUND_TEXT = error_text(ErrorCode.NOT_FOUND, f"This endpoint isn't served here. Served are: {_SERVED}")

UNAVAILABLE_TEXT = error_text(ErrorCode.UPSTREAM, "No engine could be reached, or none answered.")
TOO_LARGE_MESSAGE = "The request's body is larger than this router takes."
TOO_LARGE_TEXT = error_text(ErrorCode.TOO_LARGE, TOO_LARGE_MESSAGE)
NO_KEY_MESSAGE = "No API key, or one that isn't known here. Send it in the header `Authorization: Bearer ...`."
NO_KEY_TEXT = error_text(ErrorCode.NO_KEY, NO_KEY_MESSAGE)
TOO_MANY_MESSAGE = "This API key has sent more requests than it may in a minute. Try again later."
TOO_MANY_TEXT = error_text(ErrorCode.TOO_MANY, TOO_MANY_MESSAGE)
NO_MODEL_TEXT = error_text(ErrorCode.NO_MODEL, "No service here has the model that the request's field `model` names.")
HEALTH_TEXT = '{"status": "ok"}'


def no_weights_text(service: str) -> str:
    """The answer for a service that no split has given traffic to yet."""
    return error_text(ErrorCode.NO_WEIGHTS, f"The service '{service}' has no release in service yet.")


def no_pool_text(service: str, color: str) -> str:
    """The answer for a forced color that has no engines."""
    return error_text(ErrorCode.NO_POOL, f"The service '{service}' has no {color} pool.")


def models_text(models: Sequence[str]) -> str:
    """The answer to GET /v1/models of a router that tells services apart by their model."""
    listed = [{"id": model, "object": "model", "created": 0, "owned_by": "verdigris"} for model in models]
    return json.dumps({"object": "list", "data": listed})


def retry_after_seconds(requests_per_minute: int) -> int:
    """How long a client that is over its limit has to wait for the next request, in whole seconds."""
    return max(1, -(-60 // requests_per_minute))


def path_under(prefix: str, path: str) -> str:
    """The path that clients use for an engine's path of a service with this prefix; the prefix "/" adds nothing."""
    return prefix.rstrip("/") + path
