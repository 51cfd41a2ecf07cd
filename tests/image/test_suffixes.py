"""Which files of a folder count as pictures."""

from __future__ import annotations

from pathlib import Path

from samhq.image.suffixes import is_picture_file, picture_files


def test_pictures_are_files_that_end_so_and_are_not_hidden(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "._a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in picture_files(tmp_path)] == ["a.png", "b.JPG"]
    assert [path.name for path in picture_files(tmp_path, (".txt",))] == ["notes.txt"]
    assert not is_picture_file(tmp_path / "missing.png")


def test_a_folder_that_is_not_there_holds_no_pictures(tmp_path: Path) -> None:
    assert picture_files(tmp_path / "nowhere") == []
