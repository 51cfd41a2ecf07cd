"""Files appear whole, or what was there before stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samhq.storage.atomic import whole_file


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
