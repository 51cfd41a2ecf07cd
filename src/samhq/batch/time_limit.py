"""A time limit for each picture of a shard: a worker process that exceeds it stores its rows and ends itself.

Only a process can be ended whatever it waits for. The next run of the shard, on any engine, continues after the late
picture. Knows nothing about models.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread, Timer
from typing import Any

from samhq.batch.plan import ShardedJob
from samhq.batch.shards import packed, read_footer, revisions_of, shard_name, unpacked
from samhq.errors import ConfigError

STORING_S = 60.0  #: Seconds that a late process has to store its rows.
LATE = "late"  #: The subfolder of a job for the rows of shards in which a picture was late.


@dataclass(frozen=True)
class TimeLimit:
    """Seconds for reading a picture, and again for computing it; None is no limit.

    Raises:
        ConfigError: not above 0.
    """

    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ConfigError(f"Expected a time limit above 0 seconds, got {self.seconds}. Write 60.")

    @contextmanager
    def on(self, pictures: int, late: Callable[[], object]) -> Iterator[None]:
        """A context for work on `pictures` pictures; if it takes too long, `late` is called, and the process ends."""
        if self.seconds is None:
            yield
            return
        timer = Timer(self.seconds * pictures, _end, [late])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def error(self) -> TimeoutError:
        """The error of a late picture."""
        return TimeoutError(
            f"Expected this picture to take at most {self.seconds:g} s, got no result; its worker process was ended. "
            "Look at the picture and its disk, or allow more time (--picture-timeout)."
        )


NO_LIMIT = TimeLimit()


def _end(late: Callable[[], object]) -> None:
    """Calls `late` and ends this process, even if `late` hangs or other threads run."""
    storing = Thread(target=late, daemon=True)
    storing.start()
    storing.join(STORING_S)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows has no SIGKILL; its SIGTERM is as final.


def store_late(job: ShardedJob, shard: int, revision: int, rows: Sequence[dict[str, Any]]) -> None:
    """Stores the rows of a shard in which a picture was late."""
    job.folder.write(f"{LATE}/{shard_name(shard, revision)}", packed(rows, job.fingerprint))


def late_rows(job: ShardedJob, shard: int, revision: int) -> list[dict[str, Any]] | None:
    """The stored rows of a shard in which a picture was late; None if none was.

    Raises:
        OSError: the folder cannot be read.
    """
    name = f"{LATE}/{shard_name(shard, revision)}"
    footer = job.folder.read_with(name, read_footer)
    if footer is None or footer.fingerprint != job.fingerprint:
        return None
    return unpacked(job.folder.read(name) or b"")


def forget_late(job: ShardedJob, shard: int, revision: int) -> None:
    """Deletes the stored rows of a shard, which is complete now."""
    job.folder.remove(f"{LATE}/{shard_name(shard, revision)}")


def late_counts(job: ShardedJob) -> dict[int, tuple[int, int]]:
    """By shard in which a picture was late: the last revision, and the number of its stored rows."""
    counts = {}
    for shard, revisions in revisions_of(job.folder.names(LATE)).items():
        footer = job.folder.read_with(f"{LATE}/{shard_name(shard, revisions[-1])}", read_footer)
        if footer is not None:
            counts[shard] = revisions[-1], footer.rows
    return counts
