"""A result belongs to one picture, whatever the names of other pictures are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from samhq.results.origin import is_of_picture, origin_record, own_stems, read_loosely


def made(path: Path, content: str = "pixels") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


def record(file_name: str) -> dict[str, Any]:
    return {"image": {"file_name": file_name}, **origin_record(file_name)}


def test_one_name_in_two_folders_is_two_pictures(tmp_path: Path) -> None:
    one, other = made(tmp_path / "a" / "cat.jpg"), made(tmp_path / "b" / "cat.jpg")
    assert is_of_picture(record(one), one)
    assert not is_of_picture(record(one), other), "copies are two pictures"


def test_a_relative_name_means_another_file_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        made(tmp_path / name / "cat.jpg", name)
    monkeypatch.chdir(tmp_path / "a")
    of_a = record("cat.jpg")
    assert is_of_picture(of_a, str(tmp_path / "a" / "cat.jpg"))
    monkeypatch.chdir(tmp_path / "b")
    assert not is_of_picture(of_a, "cat.jpg")
    os.rename(tmp_path / "a", tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert is_of_picture(of_a, "cat.jpg"), "a folder that moved still holds the same pictures"


def test_a_picture_that_changed_in_its_place_is_the_same(tmp_path: Path) -> None:
    path = made(tmp_path / "cat.jpg")
    before = record(path)
    made(tmp_path / "cat.jpg", "edited")
    assert is_of_picture(before, path)


def test_records_without_hashes_are_compared_by_name(tmp_path: Path) -> None:
    path = made(tmp_path / "cat.jpg")
    assert is_of_picture({"image": {"file_name": path}}, path)
    assert is_of_picture({"images": [{"file_name": path}]}, path)
    assert not is_of_picture({"image": {"file_name": "dog.jpg"}}, path)
    assert origin_record("https://example.org/cat.jpg") == {}
    assert is_of_picture(record("https://example.org/cat.jpg"), "https://example.org/cat.jpg")


@pytest.mark.parametrize("content", ["", "[]", '{"image": 3}', '{"image": {"file_name": 3}}', "[" * 9999, '{"a": 1}'])
def test_what_is_no_record_belongs_to_no_picture(tmp_path: Path, content: str) -> None:
    made(tmp_path / "cat.json", content)
    assert not is_of_picture(read_loosely(tmp_path / "cat.json"), made(tmp_path / "cat.jpg"))


def test_names_taken_by_others_get_a_number(tmp_path: Path) -> None:
    one, other, mine = made(tmp_path / "a" / "cat.jpg"), made(tmp_path / "b" / "cat.jpg"), made(tmp_path / "cat_2.jpg")
    out = tmp_path / "out"
    made(out / "cat.json", json.dumps(record(one)))
    made(out / "dog.json", "written by somebody")
    assert own_stems(["cat", "cat_2"], [one, mine], out, ".json") == ["cat", "cat_2"]
    assert own_stems(["cat", "cat_2"], [other, mine], out, ".json") == ["cat_3", "cat_2"]
    assert own_stems(["dog"], [one], out, ".json") == ["dog_2"]
    made(out / "cat_2.json", json.dumps(record(other)))
    assert own_stems(["cat"], [other], out, ".json") == ["cat_2"], "the same again"
