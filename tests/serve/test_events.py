"""Streams end with what happened, also where that is an error."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from samhq.serve.events import follow
from samhq.serve.faults import Fault


def text_of(future: Future[Any], looks: list[Any], end: Any) -> str:
    async def read() -> str:
        said = iter(looks)
        return "".join([str(part) async for part in follow(future, lambda: next(said, looks[-1]), end).body_iterator])

    return asyncio.run(read())


def test_progress_is_said_once_and_the_end_last() -> None:
    future: Future[int] = Future()
    future.set_result(1)
    text = text_of(future, [{"done": 1}], lambda: ("done", future.result()))
    assert text == 'event: progress\ndata: {"done": 1}\n\nevent: done\ndata: 1\n\n'


def test_errors_are_events() -> None:
    future: Future[int] = Future()
    future.set_exception(Fault(503, "Expected room, got none."))
    assert '"code": "full"' in text_of(future, [0], lambda: ("done", None))
    broken: Future[int] = Future()
    broken.set_exception(ZeroDivisionError("x"))
    assert '"code": "server_error"' in text_of(broken, [0], lambda: ("done", None))


def test_cancelled_work_ends_with_what_its_owner_says() -> None:
    future: Future[int] = Future()
    future.cancel()

    def end() -> tuple[str, Any]:
        raise Fault(409, "Expected a job that is done, got one that is cancelled.")

    assert '"code": "conflict"' in text_of(future, [0], end)
