"""Content hashes are known again only for the same stamp, and a damaged file counts as none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samhq.training.contents import KnownContents

SOURCE = ["coco", "/data/train.json"]


def saved(folder: Path) -> KnownContents:
    contents = KnownContents.open(folder, SOURCE)
    contents.note("a", "stamp", "hash")
    contents.note("b", None, "hash")
    contents.save(pytest.fail)
    return contents


def test_a_picture_is_known_by_name_and_stamp(tmp_path: Path) -> None:
    saved(tmp_path)
    contents = KnownContents.open(tmp_path, SOURCE)
    assert contents.get("a", "stamp") == "hash"
    assert contents.get("a", "other") is None
    assert contents.get("a", None) is None
    assert contents.get("b", None) is None, "without a stamp nothing is known"
    assert contents.get("c", "stamp") is None


def test_sources_do_not_share_a_file(tmp_path: Path) -> None:
    saved(tmp_path)
    assert KnownContents.open(tmp_path, [*SOURCE, "x"]).get("a", "stamp") is None


def test_what_another_run_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    first, second = (KnownContents.open(tmp_path, SOURCE) for _ in range(2))
    first.note("a", "1", "x")
    second.note("b", "2", "y")
    first.save(pytest.fail)
    second.save(pytest.fail)
    contents = KnownContents.open(tmp_path, SOURCE)
    assert (contents.get("a", "1"), contents.get("b", "2")) == ("x", "y")


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, damage: str) -> None:
    path = saved(tmp_path).path
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        content = json.loads(path.read_text())
        content["pictures"]["a"][1] = "another hash"
        path.write_text(json.dumps(content))
    assert KnownContents.open(tmp_path, SOURCE).get("a", "stamp") is None


def test_a_place_that_cannot_be_written_costs_a_sentence_only(tmp_path: Path) -> None:
    (tmp_path / "contents").write_bytes(b"a file in the folder's place")
    contents, lines = KnownContents.open(tmp_path, SOURCE), []
    contents.note("a", "stamp", "hash")
    contents.save(lines.append)
    assert len(lines) == 1
    contents.save(pytest.fail)
