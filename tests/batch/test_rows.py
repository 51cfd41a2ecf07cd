"""The rows of a job, after pictures were tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.batch.places import Folder
from samhq.batch.plan import OUT, ShardedJob
from samhq.batch.rows import FailedPictures, failed_pictures, read_rows, rows_of
from samhq.batch.shards import packed, shard_name
from samhq.errors import ConfigError
from tests.batch.sharding import planned


def row(name: str, status: str, attempts: int = 1) -> dict:
    why = {"error_type": "ImageError", "error_msg": "no picture"} if status == "error" else {}
    return {"id": name, "uri": name, "status": status, "attempts": attempts, "instances": [], **why}


def put(job: ShardedJob, revision: int, *rows: dict, shard: int = 0) -> None:
    job.folder.write(f"{OUT}/{shard_name(shard, revision)}", packed(rows, job.fingerprint))


def test_a_success_stays_and_the_last_failure_counts(tmp_path: Path) -> None:
    job = planned(tmp_path, count=4, shard_size=4)
    names = [name for name, _ in job.pictures]
    put(job, 0, row(names[0], "ok"), *(row(name, "error") for name in names[1:]))
    put(job, 1, row(names[1], "ok", 2), *(row(name, "error", 2) for name in names[2:]))
    put(job, 2, row(names[1], "error", 3), row(names[2], "empty", 3), row(names[3], "error", 3))
    found = [(one["status"], one["attempts"]) for one in read_rows(job.folder.address)]
    assert found == [("ok", 1), ("ok", 2), ("empty", 3), ("error", 3)]
    assert job.done()[0].revisions == (0, 1, 2)
    assert [one["attempts"] for one in rows_of(job, 0, (0,))] == [1, 1, 1, 1]
    assert failed_pictures(job, job.done()).first == ((names[3], "ImageError: no picture"),)


def test_the_first_failed_pictures(tmp_path: Path) -> None:
    job = planned(tmp_path, count=5, shard_size=2)
    names = [name for name, _ in job.pictures]
    assert failed_pictures(job, job.done()) == FailedPictures(0, ())
    put(job, 0, row(names[0], "error"), row(names[1], "error"))
    put(job, 0, row(names[2], "ok"), row(names[3], "error"), shard=1)
    put(job, 0, row(names[4], "error"), shard=2)
    found = failed_pictures(job, job.done(), limit=3)
    assert (found.count, [name for name, _ in found.first]) == (4, [names[0], names[1], names[3]])
    assert failed_pictures(job, job.done(range(1, 3, 2))) == FailedPictures(1, ((names[3], "ImageError: no picture"),))


def test_a_shard_whose_middle_is_damaged(tmp_path: Path) -> None:
    job = planned(tmp_path, count=4, shard_size=4)
    put(job, 0, *(row(name, "ok") for name, _ in job.pictures))
    file = Path(job.folder.address, OUT, shard_name(0))
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    assert list(job.done()) == [0], "its end is whole"
    with pytest.raises(ConfigError, match=r"shard-00000\.parquet, got a damaged file"):
        list(read_rows(job.folder.address))


def test_files_of_another_job_do_not_count(tmp_path: Path) -> None:
    job = planned(tmp_path, count=4, shard_size=2)
    names = [name for name, _ in job.pictures]
    put(job, 0, row(names[0], "ok"), row(names[1], "error"))
    Folder(job.folder.address).write(f"{OUT}/{shard_name(0, 1)}", packed([row(names[1], "ok")], "other"))
    put(job, 1, row(names[2], "ok"), shard=1)  # a revision without its shard
    put(job, 0, row(names[2], "ok"), row(names[3], "ok"), shard=7)  # beyond the manifest
    assert list(job.done()) == [0]
    assert set(range(job.shards)) - set(job.done()) == {1}
    with pytest.raises(ConfigError, match="1 of 2 shards to do"):
        list(read_rows(job.folder.address))
    assert [one["status"] for one in read_rows(job.folder.address, allow_partial=True)] == ["ok", "error"]
