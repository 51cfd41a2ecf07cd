"""The one thread in which the network works, and the bounded queue before it.

Clicks run before encoding, and encoding before jobs. A newer preview replaces an older one that still waits.
Knows nothing of networks or requests.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from samhq.serve.faults import Fault

Answer = TypeVar("Answer")


class Priority(IntEnum):
    """The priorities of tasks, first to last."""

    PROMPT = 0
    PREVIEW = 1
    ENCODE = 2
    AHEAD = 3
    JOB = 4


#: How many tasks of each kind may wait; their sum bounds the queue.
MOST_WAITING = {
    Priority.PROMPT: 64,
    Priority.PREVIEW: 64,
    Priority.ENCODE: 32,
    Priority.AHEAD: 4,
    Priority.JOB: 16,
}
MOST_OF_CLIENT = 8  #: prompts of one client that may wait


@dataclass(order=True)
class _Task:
    priority: Priority
    order: int
    work: Callable[[], Any] = field(compare=False)
    future: Future[Any] = field(compare=False)
    client: str = field(compare=False, default="")
    seq: int = field(compare=False, default=0)


class WorkQueue:
    """A queue with one thread. `start` runs `begin` in it first, such as loading a model."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []
        self._previews: dict[str, _Task] = {}
        self._ready = threading.Condition()
        self._numbers = itertools.count()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="samhq-inference", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Ends the thread after its current task and refuses the waiting ones. Waits at most `seconds`."""
        with self._ready:
            self._stopping = True
            waiting, self._tasks = self._tasks, []
            self._previews.clear()
            self._ready.notify_all()
        for task in waiting:
            _refuse(task, Fault(503, "Expected a running server, got one that is stopping. Start it again."))
        if self._thread is not None:
            self._thread.join(seconds)

    @property
    def waiting(self) -> int:
        """The number of waiting tasks."""
        with self._ready:
            return sum(not task.future.done() for task in self._tasks)

    def submit(
        self, priority: Priority, work: Callable[[], Answer], *, client: str = "", seq: int = 0
    ) -> Future[Answer]:
        """The result of `work`, as a future. Of one client's previews only the one with the largest `seq` waits.

        Raises:
            Fault: the queue is full, or this client has too much in it; a newer preview of this client waits.
        """
        with self._ready:
            if self._stopping:
                raise Fault(503, "Expected a running server, got one that is stopping. Start it again.")
            task = _Task(priority, next(self._numbers), work, Future(), client, seq)
            if priority is Priority.PREVIEW:
                self._replace_preview(task)
            self._check_room(task)
            if priority is Priority.PREVIEW:
                self._previews[client] = task
            heapq.heappush(self._tasks, task)
            self._ready.notify()
            return task.future

    def run_urgent(self, below: Priority) -> None:
        """Runs all waiting tasks with a priority before `below`; long work calls this between its steps."""
        while (task := self._next(below, wait=False)) is not None:
            _do(task)

    def _replace_preview(self, task: _Task) -> None:
        older = self._previews.get(task.client)
        if older is None or older.future.done():
            return
        if older.seq > task.seq:
            raise superseded(task.seq)
        _refuse(older, superseded(older.seq))
        self._tasks.remove(older)
        heapq.heapify(self._tasks)
        del self._previews[task.client]

    def _check_room(self, task: _Task) -> None:
        same = [waiting for waiting in self._tasks if waiting.priority == task.priority and not waiting.future.done()]
        most = MOST_WAITING[task.priority]
        if len(same) >= most:
            raise Fault(503, f"Expected fewer than {most} requests of this kind in the queue, got {len(same)}. Wait.")
        of_client = Counter(waiting.client for waiting in same)[task.client]
        if task.client and of_client >= MOST_OF_CLIENT:
            raise Fault(
                429, f"Expected fewer than {MOST_OF_CLIENT} waiting requests of a client, got {of_client}. Wait."
            )

    def _next(self, below: Priority | None, *, wait: bool) -> _Task | None:
        with self._ready:
            while True:
                if self._stopping:
                    return None
                if self._tasks and (below is None or self._tasks[0].priority < below):
                    task = heapq.heappop(self._tasks)
                    if self._previews.get(task.client) is task:
                        del self._previews[task.client]
                    return task
                if not wait:
                    return None
                self._ready.wait()

    def _run(self) -> None:
        while (task := self._next(None, wait=True)) is not None:
            _do(task)


def superseded(seq: int) -> Fault:
    """The answer for a preview that a newer one replaced."""
    return Fault(
        409, f"Expected the newest preview, got number {seq}, which a newer one replaced. Drop it.", "superseded"
    )


def _do(task: _Task) -> None:
    if not task.future.set_running_or_notify_cancel():
        return
    try:
        answer = task.work()
    except BaseException as error:  # noqa: BLE001  # the waiting caller gets it
        task.future.set_exception(error)
    else:
        task.future.set_result(answer)


def _refuse(task: _Task, fault: Fault) -> None:
    if task.future.set_running_or_notify_cancel():
        task.future.set_exception(fault)


def milliseconds(since: float) -> float:
    """Milliseconds since a time of `time.perf_counter`."""
    return round((time.perf_counter() - since) * 1000, 3)
