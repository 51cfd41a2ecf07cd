"""Streams of server-sent events that follow work to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any

from starlette.responses import StreamingResponse

from samhq.serve.faults import fault_body, fault_of

_SECONDS = 0.1  #: between two looks at the work


def event(name: str, data: Any) -> str:
    """One event as text.

    >>> event("done", {"a": 1})
    'event: done\\ndata: {"a": 1}\\n\\n'
    """
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def follow(future: Future[Any], look: Callable[[], Any], end: Callable[[], tuple[str, Any]]) -> StreamingResponse:
    """Events `progress` with what `look` says, each time that it says something new, and at last the event of `end`.

    Where the work or `end` raises, the last event is `error`.
    """

    async def events() -> AsyncIterator[str]:
        waiting, said = asyncio.wrap_future(future), None
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=_SECONDS)
            if (seen := look()) != said:
                said = seen
                yield event("progress", seen)
            if done:
                break
        try:
            if not future.cancelled():
                waiting.result()
            yield event(*end())
        except Exception as error:  # noqa: BLE001  # the stream has begun: it is the only place left to say it
            yield event("error", fault_body(fault_of(error))["error"])

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
