"""Streams of server-sent events that follow work to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any

from starlette.responses import StreamingResponse

from samhq.serve.faults import fault_body, fault_of

_SECONDS = 0.1  #: Default seconds between two calls of `look`.


def event(name: str, data: Any) -> str:
    """One event as text.

    >>> event("done", {"a": 1})
    'event: done\\ndata: {"a": 1}\\n\\n'
    """
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def follow(
    future: Future[Any], progress: Callable[[], Any], end: Callable[[], tuple[str, Any]], seconds: float = _SECONDS
) -> StreamingResponse:
    """A `progress` event each time that `progress` returns something new, then the event that `end` returns.

    `progress` is called every `seconds` seconds. If the work or `end` raises an error, the last event is `error`.
    """

    async def events() -> AsyncIterator[str]:
        waiting, last = asyncio.wrap_future(future), None
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
            if (news := progress()) != last:
                last = news
                yield event("progress", news)
            if done:
                break
        try:
            if not future.cancelled():
                waiting.result()
            yield event(*end())
        except Exception as error:  # noqa: BLE001  # The stream has begun, so the error can only be an event.
            yield event("error", fault_body(fault_of(error))["error"])

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
