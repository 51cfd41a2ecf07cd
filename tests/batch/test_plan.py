"""Planning: what is written down, and when a folder is another job's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samhq.batch.plan import check_weights, open_job, plan_job
from samhq.errors import ConfigError
from tests.batch.sharding import BOX, pictures, planned, question


def test_a_job_is_cut_into_shards(tmp_path: Path) -> None:
    job = planned(tmp_path, count=7, shard_size=3)
    assert (job.images, job.shards) == (7, 3)
    assert [job.size_of(shard) for shard in range(3)] == [3, 3, 1]
    assert [one for shard in range(3) for one in job.pictures_of(shard)] == job.pictures
    assert job.pictures[0] == ("broken.png", str(tmp_path / "in" / "broken.png"))
    assert (job.shards, job.done()) == (3, {})


def test_an_opened_job_is_the_planned_one(tmp_path: Path) -> None:
    job = planned(tmp_path)
    again = open_job(job.folder.address)
    assert again == job
    assert again.pictures == job.pictures
    with pytest.raises(ConfigError, match=r"no job\.json"):
        open_job(str(tmp_path / "nothing"))


def test_the_same_plan_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    job = planned(tmp_path)
    before = {path: path.read_bytes() for path in Path(job.folder.address).iterdir()}
    assert planned(tmp_path) == job
    asked = question(tmp_path, objects=[BOX, BOX])
    source, folder = str(tmp_path / "in"), job.folder.address
    for other in (lambda: plan_job(source, folder, asked), lambda: planned(tmp_path, shard_size=3)):
        with pytest.raises(ConfigError, match="new folder"):
            other()
    (tmp_path / "in" / "new.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="new folder"):
        planned(tmp_path)
    assert {path: path.read_bytes() for path in Path(folder).iterdir()} == before


@pytest.mark.parametrize("content", [b"{bad", b"{}", b"[]", b"\xff", b'{"fingerprint": "f", "images": 0}'])
def test_a_damaged_job(content: bytes, tmp_path: Path) -> None:
    job = planned(tmp_path)
    Path(job.folder.address, "job.json").write_bytes(content)
    for read in (lambda: open_job(job.folder.address), lambda: check_weights(job), lambda: planned(tmp_path)):
        with pytest.raises(ConfigError, match=r"a job in .*job\.json"):
            read()


def test_a_question_of_another_version(tmp_path: Path) -> None:
    file = Path(planned(tmp_path).folder.address, "job.json")
    record = json.loads(file.read_text())
    record["question"]["model"]["flux"] = 1
    file.write_text(json.dumps(record))
    with pytest.raises(ConfigError, match="this version"):
        open_job(str(file.parent))


def test_a_damaged_list(tmp_path: Path) -> None:
    job = planned(tmp_path)
    file, other = Path(job.folder.address, "manifest.parquet"), planned(tmp_path / "b", count=3)
    for content in (b"x", Path(other.folder.address, "manifest.parquet").read_bytes()):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match="the list that was planned"):
            open_job(job.folder.address).pictures  # noqa: B018


def test_a_shard_has_a_picture(tmp_path: Path) -> None:
    pictures(tmp_path)
    with pytest.raises(ConfigError, match="1 or more"):
        planned(tmp_path, shard_size=0)
