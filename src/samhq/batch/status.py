"""The progress of a sharded job, read from its folder alone: on any machine, while others compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samhq.batch.places import Folder
from samhq.batch.plan import EVENTS, DoneShard, ShardedJob, open_job
from samhq.errors import ConfigError
from samhq.storage.documents import parse_json
from samhq.storage.schema import COUNT, NUMBER, TEXT, Fields

_RECENT_S = 60.0
_TIMES = ("began", "ended", "read_s", "compute_s", "write_s")
_EVENT = Fields({**dict.fromkeys(_TIMES, NUMBER), "pictures": COUNT, "host": TEXT})


@dataclass(frozen=True)
class JobStatus:
    """Counts, rates in pictures a second, and shares of the workers' time."""

    images: int
    pictures: int  #: in finished shards
    empty: int  #: pictures without instances
    errors: int  #: pictures that failed, and were not repaired by a later attempt
    shards: int
    shards_done: int
    rate: float | None  #: over the time in which at least one worker was busy
    recent_rate: float | None  #: of the last minute with results
    shares: dict[str, float]  #: of reading, computing and writing; they sum to 1
    hosts: int

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at the recent rate; None where no rate is known."""
        rate = self.recent_rate or self.rate
        return (self.images - self.pictures) / rate if rate else None

    def cost_per_million(self, price_per_hour: float) -> float | None:
        """The price of a million pictures at this rate, for machines that together cost `price_per_hour`."""
        return cost_per_million(self.rate, price_per_hour) if self.rate else None


def cost_per_million(rate: float, price_per_hour: float) -> float:
    """The price of a million pictures at `rate` pictures a second, for machines that together cost `price_per_hour`.

    >>> round(cost_per_million(5.0, 2.0), 2)
    111.11
    """
    return 1e6 / (rate * 3600) * price_per_hour


def job_status(job: str) -> JobStatus:
    """The progress of the job in a folder.

    Raises:
        ConfigError: the folder holds no job, or a damaged file.
    """
    planned = open_job(job)
    return status_of(planned, planned.done())


def status_of(planned: ShardedJob, done: Mapping[int, DoneShard]) -> JobStatus:
    """The progress of a job; `done` are its finished shards.

    Raises:
        ConfigError: a damaged file.
    """
    names = [name for name in planned.folder.names(EVENTS) if name.endswith(".json")]
    events = _events(planned.folder, [f"{EVENTS}/{name}" for name in names])
    seconds_by_step = {step: _total(events, f"{step}_s") for step in ("read", "compute", "write")}
    all_seconds = sum(seconds_by_step.values())
    last = max((event["ended"] for event in events), default=0.0)
    return JobStatus(
        images=planned.images,
        pictures=sum(planned.size_of(shard) for shard in done),
        empty=sum(finished.empty for finished in done.values()),
        errors=sum(finished.errors for finished in done.values()),
        shards=planned.shards,
        shards_done=len(done),
        rate=_rate(events),
        recent_rate=_rate([event for event in events if event["ended"] > last - _RECENT_S]),
        shares={step: seconds / all_seconds for step, seconds in seconds_by_step.items()} if all_seconds else {},
        hosts=len({event["host"] for event in events}),
    )


def _total(events: list[dict[str, Any]], field: str) -> float:
    return sum(event[field] for event in events)


def _events(folder: Folder, names: list[str]) -> list[dict[str, Any]]:
    """The costs of shards, as their workers recorded them.

    Raises:
        ConfigError: a damaged file.
    """
    contents = folder.read_all(names, lambda stream: stream.read())
    return [
        parse_json(content, f"a shard's times in {folder.path(name)}", _EVENT, ConfigError, "Delete the file.")
        for name, content in zip(names, contents, strict=True)
        if content is not None
    ]


def _rate(events: list[dict[str, Any]]) -> float | None:
    """Pictures a second, over the time in which at least one worker was busy; None without such a time."""
    seconds, end = 0.0, 0.0
    for event in sorted(events, key=lambda event: event["began"]):
        seconds += max(0.0, event["ended"] - max(event["began"], end))
        end = max(end, event["ended"])
    return sum(event["pictures"] for event in events) / seconds if seconds > 0 else None
