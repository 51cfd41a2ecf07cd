"""A job that is stopped anywhere and resumed ends as if it never was, whoever does the work."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from samhq.batch.job import Item, Report, Tally, run_job
from samhq.batch.manifest import FILENAME, Manifest
from samhq.errors import CheckpointError, ConfigError, ImageError
from tests.batch.jobs import ERRORS, Ahead, Meeting, Negative, items

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(8):
        (folder / f"p{i}.pic").write_bytes(bytes(range(i, i + 50)))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "deep"


def results(out: Path) -> dict[str, bytes]:
    """Everything in the folder but the manifest, hidden files too."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != FILENAME}


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / FILENAME).read_text().splitlines()]


#: Workers, and whether the job saves results while the next picture is computed.
WAYS = pytest.mark.parametrize(("workers", "behind"), [(0, False), (0, True), (2, False), (1, True)])


def unhurried(record: dict) -> dict:
    return {key: value for key, value in record.items() if key != "seconds"}


def test_every_picture_is_done_and_recorded(
    pictures: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samhq.progress._draws", lambda: True)
    told: list[Report] = []
    assert run_job(items(pictures), Negative(out), out, tell=told.append) == Tally(done=8)
    assert results(out)["p3.neg"] == bytes(255 - b for b in range(3, 53))
    assert [report.summary for report in told] == ["50 bytes"] * 8
    assert [line["input"] for line in lines(out)] == [str(pictures / f"p{i}.pic") for i in range(8)]
    assert [output["file"] for output in lines(out)[0]["outputs"]] == ["p0.neg", "p0.len"]
    assert "8/8" in capsys.readouterr().err


def test_results_do_not_depend_on_order_or_workers(pictures: Path, tmp_path: Path) -> None:
    (pictures / "p2.pic").write_bytes(b"broken")
    found = []
    for workers, backwards, behind in (
        *((0, False, False), (0, True, False), (1, False, False), (3, True, False), (20, False, False)),
        *((0, False, True), (0, True, True), (3, False, True)),
    ):
        out = tmp_path / f"{workers}{backwards}{behind}" / "out"
        given = items(pictures)[::-1] if backwards else items(pictures)
        assert run_job(given, Negative(out, behind=behind), out, workers=workers) == Tally(done=7, failed=1)
        found.append((results(out), sorted(map(str, map(unhurried, lines(out))))))
        started = len(list(out.parent.glob("loaded-*")))
        assert 1 <= started <= max(1, min(workers, 8)), "every process loads once"
    assert all(other == found[0] for other in found)


@dataclass(frozen=True)
class Together(Negative):
    """Also notes which pictures are prepared together."""

    together: int = 3

    def __call__(self) -> Any:
        return Noting(super().__call__(), self.output.parent / "prepared")


@dataclass(frozen=True)
class Noting:
    one: Callable[[Item], Any]
    notes: Path

    def __call__(self, item: Item) -> Any:
        return self.one(item)

    def prepare(self, prepared: Sequence[Item]) -> None:
        with self.notes.open("a") as notes:
            print(*(item.name for item in prepared), file=notes)


def test_pictures_are_prepared_in_groups_of_those_that_are_left(pictures: Path, out: Path) -> None:
    assert run_job(items(pictures)[1:2], Together(out), out) == Tally(done=1)
    notes = out.parent / "prepared"
    notes.unlink()
    assert run_job(items(pictures), Together(out), out, resume=True) == Tally(done=7, skipped=1)
    assert notes.read_text().splitlines() == ["p0 p2 p3", "p4 p5 p6", "p7"]
    assert results(out)["p3.neg"] == bytes(255 - b for b in range(3, 53))
    notes.unlink()
    assert run_job(items(pictures), Together(out), out, workers=2) == Tally(done=8)
    assert not notes.exists(), "workers take one picture at a time"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_picture_becomes_a_record(pictures: Path, out: Path, workers: int) -> None:
    (pictures / "p2.pic").write_bytes(b"broken")
    (pictures / "p4.pic").unlink()
    given = [*items(pictures), Item(pictures / "p2.pic", "again")]

    def say(item: Item, reason: str) -> list[Path]:
        (out / f"{item.name}.why").write_text(reason)
        return [out / f"{item.name}.why"]

    assert run_job(given, Negative(out), out, workers=workers, on_failure=say) == Tally(done=6, failed=2)
    failed = {line["name"]: line for line in lines(out) if line["error"]}
    assert set(failed) == {"p2", "again"}
    assert failed["p2"]["error"] == f"Expected a picture, got {pictures / 'p2.pic'}."
    assert failed["p2"]["outputs"][0]["file"] == "p2.why"
    assert (out / "p2.why").read_text() == failed["p2"]["error"]


def test_pictures_are_named_before_their_calls(pictures: Path, out: Path) -> None:
    assert run_job(items(pictures)[:1], Ahead(out), out) == Tally(done=1)
    assert not (out.parent / "ahead").exists(), "one picture has none after it"
    assert run_job(items(pictures), Ahead(out), out, resume=True) == Tally(done=7, skipped=1)
    named = (out.parent / "ahead").read_text().splitlines()
    assert named[:2] == ["p1 p2 p3 p4 p5", "p2 p3 p4 p5 p6"]
    assert named[5:] == ["p6 p7", "p7", "closed"]
    (pictures / "p3.pic").write_bytes(b"full")
    with pytest.raises(OSError, match="No space"):
        run_job(items(pictures), Ahead(out), out)
    assert (out.parent / "ahead").read_text().endswith("closed\n")


def test_a_result_is_saved_while_the_next_picture_is_computed(pictures: Path, out: Path) -> None:
    told: list[Report] = []

    def tell(report: Report) -> None:
        told.append(report)
        assert all(file.is_file() for file in report.files), "the files come before the line"
        assert [line["name"] for line in lines(out)] == [report.item.name for report in told]

    assert run_job(items(pictures), Meeting(out, behind=True), out, tell=tell) == Tally(done=8)
    assert [report.item.name for report in told] == [f"p{number}" for number in range(8)]
    assert results(out)["p3.neg"] == bytes(255 - b for b in range(3, 53))


def test_without_going_on_the_failure_is_raised(pictures: Path, out: Path) -> None:
    (pictures / "p2.pic").write_bytes(b"broken")
    for workers in (0, 1):
        with pytest.raises(ImageError, match=r"p2\.pic"):
            run_job(items(pictures), Negative(out), out, keep_going=False, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_wrong_with_the_job_ends_it(pictures: Path, out: Path, workers: int) -> None:
    with pytest.raises(CheckpointError, match="got none"):
        run_job(items(pictures), Negative(out, broken=True), out, workers=workers)
    assert not list(out.iterdir()), "no empty manifest is left"


@pytest.mark.parametrize("what", [b"full", b"quota", b"read-only", b"unplugged", b"extra"])
@WAYS
def test_what_every_picture_would_meet_ends_the_job(
    pictures: Path, out: Path, what: bytes, workers: int, behind: bool
) -> None:
    (pictures / "p3.pic").write_bytes(what)
    with pytest.raises(type(ERRORS[what]), match=re.escape(str(ERRORS[what]))):
        run_job(items(pictures), Negative(out, behind=behind), out, workers=workers)
    names = [line["name"] for line in lines(out)]
    assert "p3" not in names
    assert workers == 2 or names == ["p0", "p1", "p2"], "what came before is recorded"


def test_a_folder_that_is_gone_ends_the_job(pictures: Path, out: Path) -> None:
    def gone(report: Report) -> None:
        if report.item.name == "p3":
            shutil.rmtree(out)
            out.touch()

    with pytest.raises(OSError, match="deep"):
        run_job(items(pictures), Negative(out), out, tell=gone)


@pytest.mark.parametrize("what", [b"long", b"large", b"encoder", b"decoder", b"memory", b"unicode", b"bug"])
@WAYS
def test_whatever_one_picture_does_the_others_are_done(
    pictures: Path, out: Path, what: bytes, workers: int, behind: bool
) -> None:
    (pictures / "p3.pic").write_bytes(what)
    error = ERRORS.get(what, ZeroDivisionError("a bug"))
    tally = run_job(items(pictures), Negative(out, behind=behind), out, workers=workers)
    assert tally == Tally(done=7, failed=1)
    (failed,) = [line for line in lines(out) if line["error"]]
    assert failed["name"] == "p3"
    assert f"{type(error).__name__}: {error}" in failed["error"]
    assert "jobs.py, line" in failed["error"]
    tally = run_job(items(pictures), Negative(out, behind=behind), out, workers=workers, resume=True)
    assert tally == Tally(skipped=7, failed=1)


def test_a_failure_whose_own_file_cannot_be_written_is_in_the_manifest(pictures: Path, out: Path) -> None:
    (pictures / "p3.pic").write_bytes(b"broken")

    def refuse(item: Item, reason: str) -> list[Path]:
        raise OSError(errno.ENAMETOOLONG, "File name too long")

    assert run_job(items(pictures), Negative(out), out, on_failure=refuse) == Tally(done=7, failed=1)
    assert [line["name"] for line in lines(out) if line["error"]] == ["p3"]

    def full(item: Item, reason: str) -> list[Path]:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run_job(items(pictures), Negative(out), out, on_failure=full)


def test_a_killed_worker_costs_its_picture(pictures: Path, out: Path) -> None:
    (pictures / "p1.pic").write_bytes(b"deadly")
    assert run_job(items(pictures), Negative(out), out, workers=2) == Tally(done=7, failed=1)
    (lost,) = [line for line in lines(out) if line["error"]]
    assert lost["name"] == "p1"
    assert "signal 9" in lost["error"]
    (pictures / "p1.pic").write_bytes(b"harmless")
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(done=1, skipped=7)


def test_negative_workers_are_wrong_use(pictures: Path, out: Path) -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        run_job(items(pictures), Negative(out), out, workers=-1)


def test_resuming_does_nothing_twice(pictures: Path, out: Path) -> None:
    done = run_job(items(pictures)[:3], Negative(out), out)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir() if path.name != FILENAME}
    assert done == Tally(done=3)
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(done=5, skipped=3)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert run_job(items(pictures), Negative(out, broken=True), out, resume=True) == Tally(skipped=8), "nothing loads"
    assert run_job(items(pictures), Negative(out), out) == Tally(done=8), "without resume all is done anew"


SPOILED: dict[str, Callable[[Path, Path], object]] = {
    "an output is gone": lambda _, out: (out / "p2.neg").unlink(),
    "an output is cut short": lambda _, out: (out / "p2.neg").write_bytes(b"ab"),
    "an output was changed": lambda _, out: (out / "p2.neg").write_bytes(bytes(50)),
    "an output is a folder": lambda _, out: ((out / "p2.neg").unlink(), (out / "p2.neg").mkdir()),
    "the input was changed": lambda pictures, _: (pictures / "p2.pic").write_bytes(bytes(50)),
    "the input grew": lambda pictures, _: (pictures / "p2.pic").write_bytes(bytes(51)),
}


@pytest.mark.parametrize("harm", SPOILED)
def test_what_is_not_intact_is_done_again(pictures: Path, out: Path, harm: str) -> None:
    run_job(items(pictures), Negative(out), out)
    SPOILED[harm](pictures, out)
    if (out / "p2.neg").is_dir():
        (out / "p2.neg").rmdir()
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(done=1, skipped=7)
    content = (pictures / "p2.pic").read_bytes()
    assert (out / "p2.neg").read_bytes() == bytes(255 - b for b in content)
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(skipped=8)


def test_other_options_are_another_job(pictures: Path, out: Path) -> None:
    run_job(items(pictures), Negative(out), out, options={"a": 1, "b": [2]})
    assert run_job(items(pictures), Negative(out), out, options={"b": (2,), "a": 1}, resume=True).skipped == 8
    assert run_job(items(pictures), Negative(out), out, options={"a": 2, "b": [2]}, resume=True).skipped == 0
    one = [Item(item.path, item.name, "x" if item.name == "p1" else "") for item in items(pictures)]
    assert run_job(one, Negative(out), out, options={"a": 2, "b": [2]}, resume=True) == Tally(done=1, skipped=7)


def test_a_touched_input_is_still_the_same(pictures: Path, out: Path) -> None:
    run_job(items(pictures), Negative(out), out)
    os.utime(pictures / "p1.pic", (1, 1))
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(skipped=8)


def test_failed_pictures_are_tried_again(pictures: Path, out: Path) -> None:
    (pictures / "p2.pic").write_bytes(b"broken")
    run_job(items(pictures), Negative(out), out)
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(skipped=7, failed=1)
    (pictures / "p2.pic").write_bytes(b"mended")
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(done=1, skipped=7)


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
def test_a_torn_last_line_costs_one_picture(pictures: Path, out: Path, cut: int) -> None:
    run_job(items(pictures), Negative(out), out)
    manifest = out / FILENAME
    manifest.write_bytes(manifest.read_bytes()[:-cut])
    again = 0 if cut == 1 else 1  # a whole record without its line's end is whole
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(done=again, skipped=8 - again)
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(skipped=8)
    assert len(known(out)) == 8


@pytest.mark.parametrize("line", [b"", b"[]", b"null", b'{"input": 1}', b"\xff\x00", b"[" * 5000, b'{"outputs": [3]}'])
def test_lines_that_are_no_records_are_passed_over(pictures: Path, out: Path, line: bytes) -> None:
    run_job(items(pictures)[:1], Negative(out), out)
    with (out / FILENAME).open("ab") as stream:
        stream.write(line + b"\n")
    assert known(out) == {"p0"}
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(done=7, skipped=1)


def test_interrupted_with_work_in_hand(pictures: Path, out: Path) -> None:
    """Ctrl-C loses only the pictures in hand; the workers are gone afterwards and leave nothing half-written."""
    for workers, behind in ((0, False), (0, True), (2, False)):
        seen: list[Report] = []

        def stop(report: Report, seen: list[Report] = seen) -> None:
            seen.append(report)
            if len(seen) == 3:
                raise KeyboardInterrupt

        folder, work = out / f"{workers}{behind}", Negative(out / f"{workers}{behind}", seconds=0.02, behind=behind)
        with pytest.raises(KeyboardInterrupt):
            run_job(items(pictures), work, folder, workers=workers, tell=stop)
        assert len(lines(folder)) == 3
        assert not [name for name in results(folder) if name.startswith(".")]
        assert run_job(items(pictures), Negative(folder), folder, resume=True).skipped == 3


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@WAYS
def test_killed_and_resumed_ends_as_if_it_never_was(pictures: Path, tmp_path: Path, workers: int, behind: bool) -> None:
    whole, out = tmp_path / "whole" / "out", tmp_path / "killed" / "out"
    run_job(items(pictures), Negative(whole), whole)
    command = [
        sys.executable,
        "-m",
        "tests.batch.jobs",
        str(pictures),
        str(out),
        str(workers),
        "behind" if behind else "at once",
    ]
    finished = 0
    while finished < 8:
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
        enough = min(finished + 3, 8)
        wait_for(lambda n=enough: (out / FILENAME).exists() and len(known(out)) >= n)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
        pids = [int(path.name.split("-")[1]) for path in out.parent.glob("loaded-*")]
        wait_for(lambda p=pids: not any(map(alive, p)))  # type: ignore[misc]
        finished = len(known(out))
        assert all(results(whole)[name] == content for name, content in results(out).items() if name[0] != ".")
    assert run_job(items(pictures), Negative(out), out, resume=True) == Tally(skipped=8)
    assert results(out) == results(whole), "nothing half-written is left either"
    (out / "p3.neg").unlink()
    run_job(items(pictures), Negative(out), out, resume=True)
    assert sorted(str(unhurried(line)) for line in lines(whole)) == sorted({str(unhurried(x)) for x in lines(out)})


def known(out: Path) -> set[str]:
    """The names of the pictures that the manifest of a folder has, read without touching it."""
    return {document["name"] for document in Manifest(out).lines.intact()}


def test_parts_of_a_killed_job_are_removed_and_no_file_of_the_user(pictures: Path, out: Path) -> None:
    (out / "p1").mkdir(parents=True)
    users = [out / ".p1-settings.neg", out / ".p1-abcd1234.neg", out / "p1" / ".0-abcd1234.png", out / ".coins-cfg"]
    parts = [out / f".samhq-part-{1:016x}.neg", out / "p1" / f".samhq-part-{2:016x}.png"]
    for path in (*users, *parts):
        path.touch()
    run_job(items(pictures), Negative(out), out, resume=True)
    assert all(path.exists() for path in users)
    assert not any(path.exists() for path in parts)
