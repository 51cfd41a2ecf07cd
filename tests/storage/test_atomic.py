"""Files appear whole, or what was there before stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from samhq.storage import atomic
from samhq.storage.atomic import remove_abandoned, whole_file, write_bytes, write_json, write_text


def test_the_block_writes_a_neighbour_that_takes_the_files_place(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    with whole_file(target) as part:
        assert part.parent == target.parent
        assert part.suffix == ".txt"
        part.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")

    def half() -> None:
        with whole_file(target) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_the_block_removed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a") as part:
        part.unlink()
    assert not list(tmp_path.iterdir())


def test_the_mode_is_the_users(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a") as part:
            part.write_text("")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_names_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 251 + ".txt")
    with whole_file(target) as part:
        part.write_text("whole")
    assert target.read_text() == "whole"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), whole_file(tmp_path / "file" / "a"):
        pass


def test_names_with_a_long_suffix(tmp_path: Path) -> None:
    target = tmp_path / ("a." + "x" * 250)
    with whole_file(target) as part:
        part.write_text("whole")
    assert target.read_text() == "whole"


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """A block in which no file may become larger than this: as on a disk that is full, the last write is cut short."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 1, 4096, 99_999])
def test_a_file_that_does_not_fit_is_an_error_and_not_there(tmp_path: Path, size: int) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"before")
    with full_after(size), pytest.raises(OSError, match="File too large"):
        write_bytes(target, bytes(100_000))
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


_KILLED = """
import os, signal, sys
from samhq.storage.atomic import whole_file
with whole_file(sys.argv[1]) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has written nothing yet."""
    monkeypatch.setattr(atomic, "_cleaned", set())


@pytest.mark.usefixtures("fresh")
def test_what_a_killed_process_left_goes_where_the_next_file_is_written(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "state.pt")], check=False)
    (part,) = tmp_path.iterdir()
    assert part.read_text() == "half"
    with whole_file(tmp_path / "other.json") as other:
        assert not part.exists()
        other.write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


@pytest.mark.usefixtures("fresh")
def test_a_part_that_is_being_written_stays(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as part:
        part.write_text("whole")
        remove_abandoned(tmp_path)
        code = "import sys; from samhq.storage.atomic import remove_abandoned; remove_abandoned(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
        assert part.exists()
    assert (tmp_path / "a").read_text() == "whole"


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    "name", [".coins-settings.json", ".a-abcd1234.png", ".samhq-part", ".samhq-part-12.png", "samhq-part-" + "0" * 16]
)
def test_a_users_file_is_not_taken_for_a_part(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    write_bytes(tmp_path / "a.png", b"")
    remove_abandoned(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_parts_that_are_no_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("mine")
    (tmp_path / f".samhq-part-{0:016x}").symlink_to(tmp_path / "far" / "file")
    (tmp_path / f".samhq-part-{1:016x}").mkdir()
    os.mkfifo(tmp_path / f".samhq-part-{2:016x}")
    remove_abandoned(tmp_path)
    assert (tmp_path / "far" / "file").read_text() == "mine"
    remove_abandoned(tmp_path / "nowhere")


def test_many_threads_and_cleaners_at_once(tmp_path: Path) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            write_bytes(tmp_path / f"{number}.bin", bytes([number]) * 100)
            remove_abandoned(tmp_path)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{number}.bin" for number in range(6)]


def test_text_and_json_come_back(tmp_path: Path) -> None:
    assert write_text(tmp_path / "new" / "a.txt", "é\n").read_text(encoding="utf-8") == "é\n"
    assert json.loads(write_json(str(tmp_path / "a.json"), {"é": [1, None]}).read_text()) == {"é": [1, None]}


def test_what_is_no_json_leaves_what_was_there(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {1, 2})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["1"]


def test_threads_leave_the_file_mode_mask_as_it_is() -> None:
    before, interval = os.umask(0o027), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            masks = set(pool.map(lambda _: atomic._umask(), range(8000)))
        assert masks == {0o027}
        assert os.umask(0o027) == 0o027
    finally:
        sys.setswitchinterval(interval)
        os.umask(before)
