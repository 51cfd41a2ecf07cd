"""Which pictures are meant, and that no two results have one name."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from samhq.cli.pictures import check_results_spare_inputs, find_pictures
from samhq.errors import ConfigError, ImageError
from samhq.image import fetch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/c.jpg", "odd[1].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_means_the_pictures_in_it(folder: Path) -> None:
    assert names(find_pictures([str(folder)])) == ["a.png", "b.JPG", "odd[1].png"]


def test_a_pattern_means_what_it_matches(folder: Path) -> None:
    assert names(find_pictures([f"{folder}/*.*"])) == ["a.png", "b.JPG", "odd[1].png"]
    assert names(find_pictures([f"{folder}/**/c.*"])) == ["c.jpg"]


def test_a_file_with_a_patterns_characters_is_itself(folder: Path) -> None:
    assert names(find_pictures([f"{folder}/odd[1].png"])) == ["odd[1].png"]


def test_a_named_file_is_kept_whatever_it_is_and_once(folder: Path) -> None:
    given = [f"{folder}/notes.txt", f"{folder}/missing.jpg", f"{folder}/b.JPG", str(folder), f"{folder}/./b.JPG"]
    assert names(find_pictures(given)) == ["notes.txt", "missing.jpg", "b.JPG", "a.png", "odd[1].png"]


@pytest.mark.parametrize("item", ["deep/nothing", "*.tif"])
def test_a_folder_or_pattern_without_pictures_is_wrong_use(folder: Path, item: str) -> None:
    (folder / "deep/nothing").mkdir()
    with pytest.raises(ConfigError, match="Expected pictures in"):
        find_pictures([f"{folder}/{item}"])


@pytest.mark.parametrize("item", ["s3://bucket/photos/a.jpg", "file:///photos/a.jpg"])
def test_addresses_in_stores_are_for_jobs(item: str) -> None:
    with pytest.raises(ConfigError, match=rf"got {item}\. Give a path; .* samhq batch plan .*/photos --out JOB"):
        find_pictures([item])


def test_no_picture_is_wrong_use() -> None:
    with pytest.raises(ConfigError, match="at least one picture"):
        find_pictures([])


@pytest.mark.parametrize("name", ["cat_mask_0.png", "cat_overlay.jpg", "cat_cutout_1.png", "cat.json"])
def test_an_input_that_a_result_would_replace_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="another folder as --output"):
        check_results_spare_inputs([tmp_path / "cat.jpg", tmp_path / name], ["cat"], tmp_path)
    check_results_spare_inputs([tmp_path / "cat.jpg", tmp_path / name], ["dog"], tmp_path)
    check_results_spare_inputs([tmp_path / "cat.jpg", tmp_path / name], ["cat"], tmp_path / "out")


def test_recursive_takes_subfolders_but_neither_hidden_ones_nor_results(folder: Path) -> None:
    for name in (".cache/d.png", "out/a_overlay.jpg", "deep/er/e.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    found = find_pictures([str(folder)], folder / "out", recursive=True)
    assert sorted(names(found)) == ["a.png", "b.JPG", "c.jpg", "e.png", "odd[1].png"]


def test_an_empty_folder_hints_at_recursive(folder: Path) -> None:
    (folder / "deep" / "er").mkdir()
    with pytest.raises(ConfigError, match="--recursive includes"):
        find_pictures([str(folder / "deep" / "er")])


def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert find_pictures(["~/a.png"]) == [folder / "a.png"]
    assert names(find_pictures(["~/deep"])) == ["c.jpg"]


class Input:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def png(side: int = 4) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side)).save(stream, "PNG")
    return stream.getvalue()


def test_the_standard_input_is_a_picture_beside_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Input(png()))
    (path,) = find_pictures(["-"], tmp_path / "out")
    assert path == tmp_path / "out" / "stdin.png"
    assert path.read_bytes() == png()
    monkeypatch.setattr(sys, "stdin", Input(b""))
    with pytest.raises(ImageError, match="standard input"):
        find_pictures(["-"], tmp_path / "out")
    with pytest.raises(ConfigError, match="once"):
        find_pictures(["-", "-"], tmp_path / "out")


def test_an_address_is_downloaded_beside_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetched", lambda url: png())
    (path,) = find_pictures(["https://example.org/in/cat.png?size=3"], tmp_path)
    assert path == tmp_path / "cat.png"
    (path,) = find_pictures(["http://example.org/download"], tmp_path)
    assert path == tmp_path / "download.png"


def test_what_is_downloaded_replaces_no_other_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cat.png").write_bytes(png(9))
    found = []
    for side in (4, 5, 4):
        monkeypatch.setattr(fetch, "fetched", lambda url, side=side: png(side))
        found += find_pictures(["https://example.org/cat.png"], tmp_path)
    monkeypatch.setattr(sys, "stdin", Input(png(3)))
    find_pictures(["-"], tmp_path)
    monkeypatch.setattr(sys, "stdin", Input(png(6)))
    found += find_pictures(["-"], tmp_path)
    assert names(found) == ["cat_2.png", "cat_3.png", "cat_2.png", "stdin_2.png"]
    assert (tmp_path / "cat.png").read_bytes() == png(9)
