"""Objects of a job's pictures: whose they are, and what is refused when the job is planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samhq.batch.objects import check_ids, check_objects, objects_for, objects_in_file, without_objects
from samhq.errors import ConfigError, PromptError

BOX = {"box": [1, 2, 30, 40]}
CUP = {"points": [[3, 4]], "labels": [1], "label": "cup"}


@pytest.mark.parametrize("key", ["deep/a.png", "a.png", "a"])
def test_a_picture_is_found_by_its_id_its_file_name_or_its_stem(key: str) -> None:
    assert objects_for("deep/a.png", [], {key: [BOX]}) == [BOX]
    check_ids({key: [BOX]}, ["deep/a.png", "b.png"], "photos")
    assert without_objects(["deep/a.png", "b.png"], [], {key: [BOX]}) == 1


def test_a_picture_without_objects() -> None:
    assert objects_for("b.png", [CUP], {"a.png": [BOX]}) == [CUP]
    assert objects_for("a.png", [CUP], {"a.png": []}) == []
    assert without_objects(["b.png"], [CUP], {"a.png": [BOX]}) == without_objects(["b.png"], [], {}) == 0
    with pytest.raises(PromptError, match=r"prompts for b\.png"):
        objects_for("b.png", [], {"a.png": [BOX]})


def test_names_of_no_picture() -> None:
    with pytest.raises(ConfigError, match=r"'a\.pgn' \(and 1 more\).*Did you mean 'a\.png'\?"):
        check_ids({"b.png": [], "a.pgn": [], "zzz": []}, ["b.png", "a.png"], "photos")
    with pytest.raises(ConfigError, match=r"'zzz', which.*such as 'a\.png'"):
        check_ids({"zzz": []}, ["b.png", "a.png"], "photos")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"box": [10, 20, 300]}, "box of 4 numbers"),
        ({"box": [30, 20, 10, 40]}, "x0 < x1"),
        ({"box": "all"}, "boxes"),
        ({"points": [[1, 2, 3]]}, "2 numbers x, y"),
        ({"points": [[5, 6]], "labels": [1, 0]}, "label"),
        ({"box": [1, 2, 30, 40], "labels": [1]}, "labels with points"),
    ],
)
def test_objects_that_fit_no_picture(wrong: dict, said: str) -> None:
    check_objects([BOX, CUP], {"a.png": [CUP]})
    with pytest.raises(PromptError, match=f"Object 1.*{said}"):
        check_objects([BOX, wrong], {})
    with pytest.raises(PromptError, match=rf"Object 0 \(from 0\) of a\.png: .*{said}"):
        check_objects([], {"a.png": [wrong]})


def test_files_of_every_form(tmp_path: Path) -> None:
    def read(value: object) -> object:
        (tmp_path / "p.json").write_text(json.dumps(value))
        return objects_in_file(tmp_path / "p.json")

    assert read([BOX, CUP]) == read({"objects": [BOX, CUP]}) == ([BOX, CUP], {})
    assert read({"a.png": [BOX], "b.png": {"objects": [CUP]}, "c.png": []}) == (
        [],
        {"a.png": [BOX], "b.png": [CUP], "c.png": []},
    )
    assert read(BOX) == ([BOX], {})
    with pytest.raises(ConfigError, match="got none"):
        read([])
    with pytest.raises(ConfigError, match="got a mask"):
        read([{"mask": {"size": [1, 1], "counts": [0, 1]}}])
