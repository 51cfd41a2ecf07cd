"""Errors as answers."""

from __future__ import annotations

import pytest

from samhq.errors import CheckpointError, ImageError, MissingExtraError
from samhq.serve.faults import Fault, fault_body, fault_of, headers_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ImageError("Expected a, got b. Do c."), 422, "bad_request"),
        (CheckpointError("Expected a, got b. Do c."), 422, "bad_request"),
        (MissingExtraError("Expected a, got b. Do c."), 501, "missing_extra"),
        (Fault(409, "Expected a, got b.", "superseded"), 409, "superseded"),
        (ZeroDivisionError("division"), 500, "server_error"),
    ],
)
def test_status_and_code(error: Exception, status: int, code: str) -> None:
    fault = fault_of(error)
    assert (fault.status_code, fault_body(fault)["error"]["code"]) == (status, code)


def test_who_has_to_wait_is_told_how_long() -> None:
    assert headers_of(Fault(503, "Expected room, got none."))["Retry-After"] == "1"
    assert headers_of(Fault(404, "Expected a, got b.")) == {}
