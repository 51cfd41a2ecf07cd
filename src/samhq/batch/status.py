"""How far a sharded job is, from its folder alone: on any machine, while others work."""

from __future__ import annotations

import json
from dataclasses import dataclass

from samhq.batch.plan import ShardedJob, open_job

_RECENT_S = 60.0


@dataclass(frozen=True)
class JobStatus:
    """Counts, rates in pictures a second, and shares of the workers' time."""

    images: int
    pictures: int  #: in finished shards
    errors: int
    shards: int
    shards_done: int
    rate: float | None  #: from the first begin to the last end
    recent_rate: float | None  #: of the last minute with results
    shares: dict[str, float]  #: of reading, computing and writing; they sum to 1
    hosts: int

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at the recent rate; None where no rate is known."""
        rate = self.recent_rate or self.rate
        return (self.images - self.pictures) / rate if rate else None

    def cost_per_million(self, price_per_hour: float) -> float | None:
        """The price of a million pictures at this rate, for machines that together cost `price_per_hour`.

        >>> status = JobStatus(10, 10, 0, 1, 1, 5.0, None, {}, 1)
        >>> round(status.cost_per_million(2.0), 2)
        111.11
        """
        return 1e6 / (self.rate * 3600) * price_per_hour if self.rate else None


def job_status(job: str) -> JobStatus:
    """How far a job is.

    Raises:
        ConfigError: the folder holds no job.
    """
    planned = open_job(job)
    left = set(planned.left())
    done = [shard for shard in range(planned.shards) if shard not in left]
    events = [event for shard in done if (event := _event(planned, shard)) is not None]
    spent = {name: sum(event[f"{name}_s"] for event in events) for name in ("read", "compute", "write")}
    whole = sum(spent.values())
    return JobStatus(
        images=planned.images,
        pictures=sum(planned.size_of(shard) for shard in done),
        errors=sum(event["errors"] for event in events),
        shards=planned.shards,
        shards_done=len(done),
        rate=_rate(events),
        recent_rate=_rate([e for e in events if e["ended"] > max(x["ended"] for x in events) - _RECENT_S]),
        shares={name: seconds / whole for name, seconds in spent.items()} if whole else {},
        hosts=len({event["host"] for event in events}),
    )


def _event(job: ShardedJob, shard: int) -> dict | None:
    content = job.folder.read(f"events/{shard:05d}.json")
    return None if content is None else json.loads(content)


def _rate(events: list[dict]) -> float | None:
    """Pictures a second, from the first begin to the last end."""
    if not events:
        return None
    seconds = max(event["ended"] for event in events) - min(event["began"] for event in events)
    return sum(event["pictures"] for event in events) / seconds if seconds > 0 else None
