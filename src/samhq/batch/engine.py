"""The engines that run a job: this process, several processes, or a cluster. Knows nothing about pictures or models."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from samhq.batch.pool import Died, Start, run_here, run_in_processes
from samhq.errors import ConfigError

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@runtime_checkable
class Engine(Protocol):
    """Calls a function with every item of a sequence, somewhere."""

    def run(
        self, start: Start[Task, Answer], items: Sequence[Task]
    ) -> Generator[tuple[Task, Answer | Died], None, None]:
        """Every item with its result, in the order in which they finish; closing the generator stops the work.

        `start` is picklable. Each process calls it once, and calls the function that it returns with each item. An item
        whose process was killed gets `Died` in place of a result.

        Raises:
            SamHQError, OSError: errors of `start` or the function.
        """
        ...


@dataclass(frozen=True)
class Loop:
    """This process, one item after the other."""

    def run(
        self, start: Start[Task, Answer], items: Sequence[Task]
    ) -> Generator[tuple[Task, Answer | Died], None, None]:
        """As `Engine.run`; if the process is killed, the caller ends, too."""
        yield from run_here(start, items)


@dataclass(frozen=True)
class Processes:
    """`count` spawned processes on this machine, each with OMP_NUM_THREADS threads (by default one)."""

    count: int

    def run(
        self, start: Start[Task, Answer], items: Sequence[Task]
    ) -> Generator[tuple[Task, Answer | Died], None, None]:
        """As `Engine.run`."""
        yield from run_in_processes(start, items, self.count)


def local_engine(workers: int) -> Engine:
    """The engine for a number of worker processes; 0 is this process.

    >>> local_engine(0), local_engine(2)
    (Loop(), Processes(count=2))

    Raises:
        ConfigError: a negative number.
    """
    if workers < 0:
        raise ConfigError(f"Expected workers as 0 or more, got {workers}. 0 works in this process.")
    return Processes(workers) if workers else Loop()
