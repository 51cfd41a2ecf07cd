"""Errors of the server as answers: a status, a code for programs and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException

from samhq.errors import MissingExtraError, SamHQError

#: The code for programs, by status.
CODES = {
    400: "bad_host",
    401: "bad_token",
    403: "bad_origin",
    404: "not_found",
    405: "bad_method",
    409: "conflict",
    413: "too_large",
    415: "bad_type",
    422: "bad_request",
    429: "busy",
    500: "server_error",
    501: "missing_extra",
    503: "full",
    507: "not_stored",
}
WAIT_SECONDS = 1  #: Seconds after which a client may try again when the queue was full.


class Fault(HTTPException):
    """An error as the answer to a request; `message` has the three parts of every error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        headers = {"Retry-After": str(WAIT_SECONDS)} if status in (429, 503) else None
        super().__init__(status, message, headers)
        self.code = code or CODES[status]


def fault_of(error: Exception) -> Fault:
    """The answer for an error that the library raised.

    >>> from samhq.errors import PromptError
    >>> fault_of(PromptError("Expected a box, got none.")).status_code
    422
    """
    if isinstance(error, Fault):
        return error
    if isinstance(error, MissingExtraError):
        return Fault(501, str(error))
    if isinstance(error, SamHQError):
        return Fault(422, str(error))
    return Fault(500, f"Expected an answer, got {type(error).__name__}: {error}. The server's output says more.")


def fault_body(fault: Fault) -> dict[str, Any]:
    """The JSON of an error answer."""
    return {"error": {"code": fault.code, "message": str(fault.detail)}}


def headers_of(fault: Fault) -> Mapping[str, str]:
    """The headers of an error answer."""
    return fault.headers or {}


def nothing(what: str, which: object) -> Fault:
    """The answer if something does not exist."""
    return Fault(404, f"Expected a known {what}, got {which!r:.80}. Fetch the list again; it may have been removed.")
