"""Output folders are made, and taken names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.cli.places import check_free, folder_for_one, make_folder
from samhq.errors import ConfigError


def test_a_folder_is_made_with_those_above_it_and_may_exist(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(ConfigError, match=r"Expected a folder .* Give another"):
            make_folder(folder)
        with pytest.raises(ConfigError, match=r"Expected a folder .* Give another"), folder_for_one(folder, "writing"):
            pass


@pytest.mark.parametrize("name", ["result.PNG", "roofs.geojson", "clip.mp4"])
def test_the_name_of_a_file_is_no_folder_unless_it_is_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"the name of a file\. Write --output out"):
        make_folder(tmp_path / name)
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    make_folder(tmp_path / name)


def test_a_folder_is_for_one_and_its_errors_are_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with (
        folder_for_one(folder, "writing"),
        pytest.raises(ConfigError, match="where one is writing now"),
        folder_for_one(folder, "writing"),
    ):
        pass
    assert not folder.exists()
    with pytest.raises(FileNotFoundError), folder_for_one(folder, "writing"):
        folder.joinpath("nothing").read_bytes()
    assert not folder.exists()
    with folder_for_one(folder, "writing"):
        folder.joinpath("file").write_bytes(b"")
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_the_first_taken_name_is_named(tmp_path: Path) -> None:
    free, taken = tmp_path / "free", tmp_path / "taken"
    check_free([])
    check_free([free])
    taken.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"taken, which exists. .*--force"):
        check_free([free, taken])
