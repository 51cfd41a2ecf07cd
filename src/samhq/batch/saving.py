"""Calls that run in threads behind the main work, such as saving results. Knows nothing about what the calls do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")

_THREADS = 2
_MOST_WAITING = 2  #: Calls whose results were not given yet.
_MOST_HELD = 192 << 20  #: Bytes that unfinished calls hold.


class Behind(Generic[Result]):
    """Runs calls in threads and returns their results in the order of the calls; use it in a `with` block.

    The end of the block waits for calls that run. After an error, calls that have not begun are dropped.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "samhq-save")
        self._calls: deque[tuple[Future[Result], int]] = deque()

    def __enter__(self) -> Behind[Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, call: Callable[[], Result], held: int) -> Iterator[Result]:
        """Starts a call that holds so many bytes, and gives the results that are ready.

        Waits until the calls that are not finished are few and hold little, so one that holds much is waited for.
        Raises the errors of the calls, each in its turn.
        """
        self._calls.append((self._pool.submit(call), held))
        while self._calls and (self._calls[0][0].done() or self._is_full()):
            yield self._calls.popleft()[0].result()

    def rest(self) -> Iterator[Result]:
        """Waits for all calls and gives their results."""
        while self._calls:
            yield self._calls.popleft()[0].result()

    def _is_full(self) -> bool:
        held = sum(held for call, held in self._calls if not call.done())
        return len(self._calls) > _MOST_WAITING or held > _MOST_HELD
