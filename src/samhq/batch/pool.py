"""The same function over many items, in this process or in several, which may be killed at any time.

Knows nothing about pictures, files or models. A dead worker loses only its current item. When the first process dies,
however that happens, its workers end by themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from samhq.errors import ConfigError, SamHQError
from samhq.progress import warnings_as_lines

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Called once in every process; makes the function and loads its data. Must be picklable.
Start = Callable[[], Callable[[Item], Result]]

_PATIENCE_S = 10.0  #: Seconds before a worker that was told to stop is killed.


@dataclass(frozen=True)
class Died:
    """In place of a result: this signal killed the process that had the item."""

    signal: int

    def __str__(self) -> str:
        return (
            f"Expected a result, got none: the process that worked on it was killed by signal {self.signal}. "
            "Use fewer workers or a smaller model if the memory was too small."
        )


def run_here(start: Start[Item, Result], items: Sequence[Item]) -> Iterator[tuple[Item, Result]]:
    """Every item with its result, one after the other; raises the function's errors."""
    if items:
        process = start()
        for item in items:
            yield item, process(item)


def run_in_processes(
    start: Start[Item, Result], items: Sequence[Item], workers: int
) -> Generator[tuple[Item, Result | Died], None, None]:
    """Every item with its result, as it finishes; close the iterator to stop the workers.

    Each process uses OMP_NUM_THREADS threads, by default one: so results do not depend on the number of processes, and
    small pieces of work are fastest. Workers are spawned: a script that calls this needs `if __name__ == "__main__":`.

    Raises:
        SamHQError, OSError: errors of `start` or the function in a worker.
        ConfigError: a worker ended by another error, which it printed.
    """
    waiting = deque(items)
    crew = [_Worker[Item, Result](start, number) for number in range(min(workers, len(items)))]
    leaving: list[_Worker[Item, Result]] = []
    try:
        while crew:
            for worker in _ready(crew):
                done = worker.done()
                if done is not None:
                    yield done
                if worker.dead and waiting:
                    crew.append(_Worker(start, worker.number))
                if worker.dead or not waiting:
                    worker.connection.close()  # The worker then ends.
                    crew.remove(worker)
                    leaving.append(worker)
                else:
                    worker.give(waiting.popleft())
    finally:
        for worker in crew:
            worker.stop()
        for worker in leaving:
            worker.leave()


class _Worker(Generic[Item, Result]):
    """A process and its current item."""

    def __init__(self, start: Start[Item, Result], number: int) -> None:
        self.number = number
        context = get_context("spawn")
        self.connection, worker_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(worker_end, start, number), daemon=True)
        self._process.start()
        worker_end.close()  # The connection then ends with the process.
        self._current: tuple[Item] | None = None
        self.dead = False

    def give(self, item: Item) -> None:
        self._current = (item,)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # It died; `done` reports it.
            self.connection.send(item)

    def done(self) -> tuple[Item, Result | Died] | None:
        """Its current item with the result, or None for a worker that has just become ready."""
        try:
            result = self.connection.recv()
        except (EOFError, ConnectionResetError):
            result = self._death()
        if isinstance(result, _Raised):
            raise result.error
        if self._current is None:
            if isinstance(result, Died):
                raise ConfigError(
                    f"Expected a worker process to start; it was killed by signal {result.signal}. "
                    "Use fewer workers or a smaller model if the memory was too small."
                )
            return None
        (item,), self._current = self._current, None
        return item, result

    def _death(self) -> Died:
        self.dead = True
        self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            raise ConfigError(
                f"Expected worker processes that keep running, got one that ended with code {code}; see its output. "
                "A script that starts workers needs `if __name__ == '__main__':`; without workers there is one process."
            )
        return Died(-code)

    def leave(self) -> None:
        """Waits for the end of a process whose connection is closed."""
        self._process.join(_PATIENCE_S)
        self.stop()

    def stop(self) -> None:
        """Ends the process; it deletes its partial files if it has the time."""
        self.connection.close()
        self._process.terminate()
        self._process.join(_PATIENCE_S)
        self._process.kill()
        self._process.join()


@dataclass(frozen=True)
class _Raised:
    error: BaseException


def _ready(crew: Sequence[_Worker[Item, Result]]) -> list[_Worker[Item, Result]]:
    """The workers with a message; waits for the first."""
    ready = connection.wait([worker.connection for worker in crew])
    return [worker for worker in crew if worker.connection in ready]


def _serve(pipe: Connection, start: Start[Any, Any], number: int) -> None:
    """The worker's side: receives items and sends results until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # An exception, so that partial files are deleted.
    os.environ["SAMHQ_WORKER"] = str(number)  # With several GPUs, each worker takes its own.
    _compute_alone()
    # No more work, or nobody left to send to.
    with warnings_as_lines(), contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            each = start()
            pipe.send(None)
            while True:
                pipe.send(each(pipe.recv()))
        except (SamHQError, OSError) as error:
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                pipe.send(_Raised(error))


def _compute_alone() -> None:
    """Limits NumPy, PyTorch and other libraries to OMP_NUM_THREADS threads, by default one."""
    count = os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "torch" in sys.modules:  # Too late for the variable.
        sys.modules["torch"].set_num_threads(int(count.split(",")[0]))
