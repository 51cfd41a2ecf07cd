"""How far a job is, and what it costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.batch.sharded import run_sharded
from samhq.batch.status import _rate, job_status
from samhq.errors import ConfigError
from tests.batch.sharding import planned


def test_a_job_half_done(tmp_path: Path) -> None:
    job = planned(tmp_path)
    before = job_status(job.folder.address)
    assert (before.pictures, before.shards_done, before.rate, before.eta_s) == (0, 0, None, None)
    assert before.cost_per_million(1.0) is None
    run_sharded(job.folder.address, part=(0, 2))
    found = job_status(job.folder.address)
    assert (found.images, found.pictures, found.shards, found.shards_done, found.hosts) == (7, 4, 4, 2, 1)
    assert found.rate
    assert found.eta_s == pytest.approx(3 / found.recent_rate)
    assert sum(found.shares.values()) == pytest.approx(1)
    run_sharded(job.folder.address)
    done = job_status(job.folder.address)
    assert (done.pictures, done.errors, done.eta_s) == (7, 2, 0)


@pytest.mark.parametrize("content", [b"x", b"{}", b""])
def test_damaged_times_of_a_shard(content: bytes, tmp_path: Path) -> None:
    folder = planned(tmp_path).folder
    folder.write("events/shard-00000.json", content)
    with pytest.raises(ConfigError, match=r"a shard's times in .*shard-00000\.json"):
        job_status(folder.address)


def test_the_rate_leaves_out_pauses_and_counts_parallel_work_once() -> None:
    work = [(0, 10, 5), (2, 6, 5), (8, 12, 5), (100, 108, 5)]  # busy from 0 to 12 and from 100 to 108
    events = [{"began": began, "ended": ended, "pictures": pictures} for began, ended, pictures in work]
    assert _rate(events) == pytest.approx(20 / 20)
    assert _rate([]) is None
    assert _rate([{"began": 1.0, "ended": 1.0, "pictures": 3}]) is None
