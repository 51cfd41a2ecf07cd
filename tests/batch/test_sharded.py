"""A sharded job that is stopped anywhere and run again ends as if it never was: every id once, byte for byte."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from samhq.batch.engine import Processes
from samhq.batch.places import Folder
from samhq.batch.plan import SUCCESS, SUMMARY, ShardedJob, plan_job
from samhq.batch.pool import Died
from samhq.batch.rows import read_rows
from samhq.batch.shard_work import ShardReport
from samhq.batch.sharded import RunProgress, run_sharded
from samhq.batch.status import job_status
from samhq.errors import ConfigError
from samhq.masks import rle
from tests.batch.sharding import check, planned, shard_files
from tests.cli.segmenting import drawn

ROOT = Path(__file__).parents[2]


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, bytes]:
    job = planned(tmp_path, "undisturbed")
    run_sharded(job.folder.address)
    return shard_files(job)


@pytest.fixture
def job(tmp_path: Path, undisturbed: dict[str, bytes]) -> ShardedJob:
    return planned(tmp_path)


def test_every_picture_has_a_row(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    reports: list[tuple[ShardReport, RunProgress]] = []
    tally = run_sharded(job.folder.address, tell=lambda *told: reports.append(told))
    assert (tally.done, tally.skipped, tally.lost, tally.errors) == (4, 0, (), 2)
    assert [report.shard for report, _ in reports] == [0, 1, 2, 3]
    assert [(progress.shards_done, progress.pictures_left) for _, progress in reports] == [
        (1, 5),
        (2, 3),
        (3, 1),
        (4, 0),
    ]
    check(job, undisturbed)
    rows = {row["id"]: row for row in read_rows(job.folder.address)}
    broken = rows.pop("broken.png")
    assert (broken["status"], broken["error_type"], broken["instances"]) == ("error", "ImageError", [])
    assert (rows["one.png"]["status"], rows.pop("one.png")["error_type"]) == ("error", "PromptError"), "a box outside"
    for row in rows.values():
        (instance,) = row["instances"]
        mask = rle.decode({"size": [row["height"], row["width"]], "counts": instance["counts"]})
        assert mask.shape == (row["height"], row["width"])
        assert instance["area"] == np.count_nonzero(mask)
        assert row["status"] == "ok"
    assert run_sharded(job.folder.address).skipped == 4


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:-9])])
def test_a_shard_that_is_gone_or_torn_is_done_again(
    job: ShardedJob, undisturbed: dict[str, bytes], damage: Callable[[Path], None]
) -> None:
    run_sharded(job.folder.address)
    damage(Path(job.folder.address, "out", "shard-00002.parquet"))
    with pytest.raises(ConfigError, match="1 of 4 shards"):
        list(read_rows(job.folder.address))
    assert len(list(read_rows(job.folder.address, allow_partial=True))) == 5
    tally = run_sharded(job.folder.address)
    assert (tally.done, tally.skipped) == (1, 3)
    check(job, undisturbed)


def test_static_parts_are_the_whole(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    first, second = (run_sharded(job.folder.address, part=(index, 2)) for index in (1, 0))
    assert (first.done, second.done) == (2, 2)
    check(job, undisturbed)
    with pytest.raises(ConfigError, match="2/2"):
        run_sharded(job.folder.address, part=(2, 2))


class Dying:
    """An engine whose process dies at every item for the first time, and at `always` each time."""

    def __init__(self, always: Sequence[int] = ()) -> None:
        self.always, self.begun = always, set()

    def run(self, start: Callable, items: Sequence[int]) -> Iterator:
        each = start()
        for item in items:
            dies = item not in self.begun or item in self.always
            self.begun.add(item)
            yield item, Died(9) if dies else each(item)


def test_a_shard_whose_worker_died_is_done_again(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    assert run_sharded(job.folder.address, Dying()).lost == ()
    check(job, undisturbed)


def test_a_shard_that_kills_every_worker_is_given_up(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    tally = run_sharded(job.folder.address, Dying(always=[1]))
    assert (tally.done, tally.lost) == (3, (1,))
    assert not Path(job.folder.address, SUCCESS).exists()
    run_sharded(job.folder.address)
    check(job, undisturbed)


def test_a_full_disk_ends_the_run_and_leaves_no_torn_file(
    job: ShardedJob, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(1)
        if len(calls) > 2:  # shard 0 and its event are there
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        run_sharded(job.folder.address)
    monkeypatch.undo()
    assert set(shard_files(job)) == {"shard-00000.parquet"}
    assert run_sharded(job.folder.address).skipped == 1
    check(job, undisturbed)


def test_pictures_that_failed_are_tried_again(job: ShardedJob, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    address = job.folder.address
    run_sharded(address)
    drawn(tmp_path / "in" / "broken.png", 40, 60)  # repaired
    reports: list[ShardReport] = []
    tally = run_sharded(address, retry_errors=True, tell=lambda report, _: reports.append(report))
    assert (tally.done, tally.errors) == (2, 1)
    assert [(report.shard, report.revision, report.pictures) for report in reports] == [(0, 1, 1), (3, 1, 1)]
    rows = {row["id"]: (row["status"], row["attempts"]) for row in read_rows(address)}
    assert (rows["broken.png"], rows["one.png"], rows["deep/p0.png"]) == (("ok", 2), ("error", 2), ("ok", 1))
    files = shard_files(job)
    assert {name: files.pop(name) for name in undisturbed} == undisturbed, "what was there stays"
    assert set(files) == {"shard-00000.r1.parquet", "shard-00003.r1.parquet"}
    assert job_status(address).errors == 1
    assert run_sharded(address, retry_errors=True).done == 1
    assert [row["id"] for row in read_rows(address)] == [name for name, _ in job.pictures]
    assert run_sharded(address).done == 0


def test_too_many_failures_stop_the_run(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    tally = run_sharded(job.folder.address, max_error_rate=0.3)
    assert (tally.stopped, tally.done, tally.errors) == (True, 1, 1), "one of the two pictures of the first shard"
    tally = run_sharded(job.folder.address, max_error_rate=0.3)
    assert (tally.stopped, tally.done, tally.errors) == (False, 3, 1), "one of five"
    check(job, undisturbed)
    with pytest.raises(ConfigError, match="share of failed pictures"):
        run_sharded(job.folder.address, max_error_rate=2)


def test_a_finished_job_has_a_summary(job: ShardedJob) -> None:
    run_sharded(job.folder.address, part=(0, 2))
    assert not Path(job.folder.address, SUMMARY).exists()
    run_sharded(job.folder.address)
    summary = json.loads(Path(job.folder.address, SUMMARY).read_text())
    assert (summary["images"], summary["pictures"], summary["errors"], summary["empty"]) == (7, 7, 2, 0)
    assert summary["rate"] > 0


def test_a_store_that_fails_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = planned(tmp_path, "undisturbed"), f"memory://{uuid.uuid4().hex}"
    run_sharded(here.folder.address)
    job = plan_job(str(tmp_path / "in"), there, here.question, shard_size=2)
    monkeypatch.setattr("samhq.batch.places._PAUSE_S", 0.0)
    put, calls = MemoryFileSystem.pipe_file, []

    def flaky(self: object, path: str, value: bytes, **more: object) -> None:
        calls.append(path)
        put(self, path, value[:50] if len(calls) % 5 == 0 else value, **more)
        if len(calls) % 5 == 0:
            raise OSError("connection reset after a part was sent")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", flaky)
    run_sharded(there)
    assert len(calls) > 10
    assert {name: job.folder.read(f"out/{name}") for name in job.folder.names("out")} == shard_files(here)
    assert [row["id"] for row in read_rows(there)] == [name for name, _ in job.pictures]


def test_other_weights_under_the_same_name_are_refused(job: ShardedJob) -> None:
    weights = Path(job.question.model.model or "")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ConfigError, match="planned with"):
        run_sharded(job.folder.address)


def command(job: ShardedJob, *flags: str) -> list[str]:
    return [sys.executable, "-m", "samhq", "batch", "run", job.folder.address, *flags]


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_a_killed_driver_costs_the_shards_in_work(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    driver = subprocess.Popen(command(job), cwd=ROOT)
    until(lambda: len(Folder(job.folder.address).names("out")) >= 1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert run_sharded(job.folder.address).skipped >= 1
    check(job, undisturbed)


@pytest.mark.slow
def test_a_killed_worker_is_replaced(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    driver = subprocess.Popen(command(job, "--workers", "1"), cwd=ROOT)
    until(lambda: len(Folder(job.folder.address).names("out")) >= 1)
    for child in children(driver.pid):
        name = Path(f"/proc/{child}/cmdline")
        if "spawn_main" in name.read_text():
            os.kill(child, signal.SIGKILL)
    assert driver.wait(timeout=200) == 1, "two pictures fail"
    check(job, undisturbed)


@pytest.mark.slow
def test_two_drivers_do_no_harm(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    drivers = [subprocess.Popen(command(job), cwd=ROOT) for _ in range(2)]
    assert [driver.wait(timeout=200) in (0, 1) for driver in drivers] == [True, True]
    check(job, undisturbed)


@pytest.mark.slow
def test_processes_give_the_same(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    assert run_sharded(job.folder.address, Processes(2)).done == 4
    check(job, undisturbed)
    events = [json.loads(path.read_text()) for path in Path(job.folder.address, "events").iterdir()]
    assert sum(event["pictures"] for event in events) == job.images


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only the administrator can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    job = planned(tmp_path, "disk/job")
    padding = small_disk / "padding"
    kept = max(len(content) for content in undisturbed.values()) * 3 // 2 + 3 * 4096  # a shard, its event, half a shard
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    padding.write_bytes(bytes(free - kept))
    with pytest.raises(OSError, match="No space"):
        run_sharded(job.folder.address)
    done = set(shard_files(job))
    assert done < set(undisturbed)
    padding.unlink()
    assert run_sharded(job.folder.address).skipped == len(done)
    check(job, undisturbed)


@pytest.mark.slow
def test_a_picture_of_a_hundred_megapixels(tmp_path: Path) -> None:
    for name, side in (("huge", 10_000), ("small", 50)):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("L", (side, side), 200).save(tmp_path / "in" / f"{name}.png")
    job = planned(tmp_path)
    run_sharded(job.folder.address)
    rows = [(row["id"], row["status"], row["height"]) for row in read_rows(job.folder.address)]
    assert rows == [("huge.png", "ok", 10_000), ("small.png", "ok", 50)]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on an S3 server of this process."""
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import fsspec

    fsspec.get_filesystem_class("s3").clear_instance_cache()  # Another test's store has other credentials.
    fsspec.filesystem("s3").mkdir("photos")
    yield "s3://photos"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


@pytest.mark.slow
def test_a_job_between_buckets(bucket: str, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    from tests.batch.sharding import question

    for path in (tmp_path / "in").rglob("*.png"):
        Folder(f"{bucket}/in").write(path.relative_to(tmp_path / "in").as_posix(), path.read_bytes())
    job = plan_job(f"{bucket}/in", f"{bucket}/job", question(tmp_path), shard_size=2)
    assert run_sharded(f"{bucket}/job", part=(0, 2)).done == 2
    assert run_sharded(f"{bucket}/job", Processes(1)).skipped == 2
    assert job.folder.names("out") == sorted(undisturbed) == [f"shard-{number:05d}.parquet" for number in range(4)]
    here, there = read_rows(str(tmp_path / "undisturbed")), read_rows(f"{bucket}/job")
    for local, remote in zip(here, there, strict=True):
        assert remote["uri"] == f"{bucket}/in/{remote['id']}"
        assert {**local, "uri": "", "error_msg": ""} == {**remote, "uri": "", "error_msg": ""}
