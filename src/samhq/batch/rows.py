"""The rows of a sharded job, from its folder alone. Knows nothing about who computed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samhq.batch.plan import OUT, DoneShard, ShardedJob, open_job
from samhq.batch.shards import shard_name, unpacked
from samhq.errors import ConfigError
from samhq.plural import plural


def read_rows(job: str, *, allow_partial: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a job, one for each picture, in the order of its pictures; see `samhq.batch.shards.schema`.

    Only one shard is held at a time.

    Raises:
        ConfigError: the job is not finished, unless `allow_partial`.
        OSError: the folder cannot be read.
    """
    planned = open_job(job)
    done = planned.done()
    missing = planned.shards - len(done)
    if missing and not allow_partial:
        raise ConfigError(
            f"Expected a finished job in {job}, got one with {missing} of {plural(planned.shards, 'shard')} to do. "
            f"Finish it: samhq batch run {job}"
        )
    for shard in sorted(done):
        yield from rows_of(planned, shard, done[shard].revisions)


@dataclass(frozen=True)
class FailedPictures:
    """The number of failed pictures in finished shards, with the ids and reasons of the first."""

    count: int
    first: tuple[tuple[str, str], ...]


NONE_FAILED = FailedPictures(0, ())


def failed_pictures(job: ShardedJob, done: Mapping[int, DoneShard], limit: int = 5) -> FailedPictures:
    """The failed pictures of finished shards (as `ShardedJob.done` gives them), `limit` of them with ids and reasons.

    Raises:
        ConfigError: a file of a shard is damaged.
        OSError: the folder cannot be read.
    """
    failing = {shard: found for shard, found in done.items() if found.errors}
    first: list[tuple[str, str]] = []
    for shard, found in sorted(failing.items()):
        if len(first) >= limit:
            break
        rows = rows_of(job, shard, found.revisions)
        first += [(row["id"], f"{row['error_type']}: {row['error_msg']}") for row in rows if row["status"] == "error"]
    return FailedPictures(sum(found.errors for found in failing.values()), tuple(first[:limit]))


def rows_of(job: ShardedJob, shard: int, revisions: tuple[int, ...]) -> list[dict[str, Any]]:
    """The rows of a shard; a picture that failed and was tried again has the row of its last attempt.

    Raises:
        ConfigError: a file of the shard is damaged.
        OSError: it cannot be read.
    """
    rows: dict[str, dict[str, Any]] = {}
    for revision in revisions:
        name = f"{OUT}/{shard_name(shard, revision)}"
        content = job.folder.read(name)
        try:
            found = unpacked(content or b"")
        except (ValueError, OSError) as error:  # pyarrow's
            raise ConfigError(
                f"Expected rows in {name}, got a damaged file. Delete it, and compute its pictures again: "
                f"samhq batch run {job.folder.address}"
            ) from error
        for row in found:
            known = rows.get(row["id"])
            if known is None or known["status"] == "error":
                rows[row["id"]] = row
    return list(rows.values())
