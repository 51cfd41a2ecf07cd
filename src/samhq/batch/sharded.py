"""Computes the shards of a job on any engine. It may be killed at any time: the job's folder holds all progress.

A shard is done if its file is there and whole. All others are computed, so a killed run loses only unfinished shards.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from samhq.batch.engine import Engine, Loop
from samhq.batch.plan import SUCCESS, SUMMARY, DoneShard, ShardedJob, check_weights, open_job
from samhq.batch.pool import Died
from samhq.batch.rows import NONE_FAILED, FailedPictures, failed_pictures
from samhq.batch.shard_work import ShardReport, ShardWork
from samhq.batch.status import status_of
from samhq.batch.time_limit import NO_LIMIT, TimeLimit, late_counts
from samhq.errors import ConfigError

_ATTEMPTS = 3  #: Number of times a shard is started if its process is killed.


@dataclass(frozen=True)
class ShardTally:
    """Numbers of shards: done now, done before, and given up because their process was killed."""

    done: int
    skipped: int
    lost: tuple[int, ...] = ()
    errors: int = 0  #: pictures that failed, in the shards done now
    stopped: bool = False  #: whether the run stopped early because too many pictures failed
    failed: FailedPictures = NONE_FAILED  #: pictures that fail in finished shards of this part, also of earlier runs


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run: shards of its part, pictures computed, and the seconds they took."""

    shards_done: int
    shards: int
    pictures: int
    pictures_left: int
    seconds: float

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds if self.seconds > 0 else 0.0


#: Called after every shard.
Tell = Callable[[ShardReport, RunProgress], None]


def run_sharded(
    job: str,
    engine: Engine | None = None,
    *,
    part: tuple[int, int] = (0, 1),
    retry_errors: bool = False,
    max_error_rate: float = 1.0,
    picture_timeout: float | None = None,
    tell: Tell | None = None,
) -> ShardTally:
    """Computes the missing shards of a job, marks it when all are done, and returns their numbers.

    `part` (i, N) takes every N-th shard from the i-th on: for SLURM, torchrun and Kubernetes, each with its own i.
    Several runs may work on a job at once. With `retry_errors`, pictures that failed in finished shards are computed
    again instead. If more than the share `max_error_rate` of this run's pictures failed, it stops. A picture fails if
    reading or computing it takes more than `picture_timeout` seconds: its worker process is ended, and the shard
    continues in another. `tell` is called for every shard, as it finishes.

    Raises:
        ConfigError: no job in the folder, other weights than planned, a part that does not exist, a rate outside 0..1,
            or a time limit that is not positive or without worker processes.
        SamHQError, OSError: the model cannot be loaded, or the folder cannot be written.
    """
    index, parts = part
    if not 0 <= index < parts:
        raise ConfigError(f"Expected a part i/N with i from 0 to N-1, got {index}/{parts}. Write --shard 0/4.")
    if not 0 <= max_error_rate <= 1:
        raise ConfigError(f"Expected a share of failed pictures from 0 to 1, got {max_error_rate}. Write 0.01.")
    limit = TimeLimit(picture_timeout)
    if limit != NO_LIMIT and isinstance(engine, Loop | None):
        raise ConfigError("Expected worker processes with a time limit for pictures, got none. Give Processes(1).")
    planned = open_job(job)
    check_weights(planned)
    sizes = _sizes(planned, range(index, planned.shards, parts), retry_errors)
    run = _Run(planned, sizes, max_error_rate, tell)
    lost = run.all(engine or Loop(), ShardWork(job, retry_errors, limit))
    done = planned.done()
    _conclude(planned, done)
    failed = failed_pictures(
        planned, {shard: done_shard for shard, done_shard in done.items() if shard % parts == index}
    )
    skipped = len(range(index, planned.shards, parts)) - len(sizes)
    return ShardTally(run.done, skipped, lost, run.errors, run.stopped, failed)


def _sizes(job: ShardedJob, shards: range, retry: bool) -> dict[int, int]:
    """The shards to compute, and the number of pictures to compute in each."""
    done = job.done()
    if retry:
        return {shard: found.errors for shard, found in done.items() if shard in shards and found.errors}
    return {shard: job.size_of(shard) for shard in shards if shard not in done}


class _Run:
    """One run over shards, and its counts."""

    def __init__(self, job: ShardedJob, sizes: dict[int, int], max_error_rate: float, tell: Tell | None) -> None:
        self._job, self._sizes, self._most, self._tell = job, sizes, max_error_rate, tell
        self.done = self.errors = self.pictures = 0
        self.stopped = False
        self._started = time.monotonic()

    def all(self, engine: Engine, work: ShardWork) -> tuple[int, ...]:
        """Computes all shards; returns those whose process was killed too often, except by the time limit."""
        waiting, lost, killed = list(self._sizes), [], Counter[int]()
        late = self._late(work)
        while waiting and not self.stopped:
            again = self._once(engine, work, waiting)
            before, late = late, self._late(work)
            killed.update(shard for shard in again if late.get(shard) == before.get(shard))
            waiting = [shard for shard in again if killed[shard] < _ATTEMPTS]
            lost += [shard for shard in again if killed[shard] >= _ATTEMPTS]
        return (*lost, *waiting)

    def _late(self, work: ShardWork) -> dict[int, tuple[int, int]]:
        """For each shard in which a picture was late, its revision and the number of stored rows."""
        return {} if work.limit == NO_LIMIT else late_counts(self._job)

    def _once(self, engine: Engine, work: ShardWork, shards: list[int]) -> list[int]:
        """The shards whose process was killed."""
        killed: list[int] = []
        with contextlib.closing(engine.run(work, shards)) as results:
            for shard, result in results:
                if isinstance(result, Died):
                    killed.append(shard)
                    continue
                self._count(result)
                if self.errors > self._most * self.pictures:
                    self.stopped = True
                    break
        return killed

    def _count(self, report: ShardReport) -> None:
        self.done, self.errors = self.done + 1, self.errors + report.errors
        self.pictures += report.pictures
        if self._tell is not None:
            left = sum(self._sizes.values()) - self.pictures
            seconds = time.monotonic() - self._started
            self._tell(report, RunProgress(self.done, len(self._sizes), self.pictures, left, seconds))


def _conclude(job: ShardedJob, done: Mapping[int, DoneShard]) -> None:
    """Writes the mark and the summary of a finished job, if every shard is done."""
    if len(done) < job.shards:
        return
    mark = {"fingerprint": job.fingerprint, "images": job.images}
    job.folder.write(SUMMARY, json.dumps(asdict(status_of(job, done)), indent=1).encode("ascii"))
    job.folder.write(SUCCESS, json.dumps(mark).encode("ascii"))
