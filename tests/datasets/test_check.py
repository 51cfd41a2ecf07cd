from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import annotation, coco, disc, grey, pair, photo, save

from samhq.datasets.check import KINDS, check_dataset
from samhq.datasets.hqseg import PARTS


def test_everything_that_can_be_wrong_with_pairs(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for stem in ("sound", "lonely", "small", "empty", "broken"):
        pair(images, masks, stem, disc())
    (masks / "lonely.png").unlink()
    save(masks / "small.png", grey(disc(20, 20)))
    save(masks / "empty.png", grey(disc() & False))
    (images / "broken.jpg").write_bytes(b"\xff\xd8 cut off")
    save(masks / "stray.png", grey(disc()))
    (report,) = check_dataset(tmp_path)
    assert (report.pictures, report.objects, report.sound) == (5, 1, False)
    assert [report.count(kind) for kind in KINDS] == [1] * 5
    named = {finding.kind: finding.text for finding in report.findings}
    for kind, name in zip(KINDS, ("lonely.jpg", "broken.jpg", "small.png", "empty", "stray.png"), strict=True):
        assert name in named[kind]


def test_everything_that_can_be_wrong_with_coco(tmp_path: Path) -> None:
    sound, crowd = annotation(1, 1, disc()), annotation(2, 1, disc(), iscrowd=1)
    twice, strange = annotation(1, 1, disc()), annotation(4, 1, disc(), category=9)
    nowhere, empty = annotation(5, 77, disc()), annotation(6, 1, np.zeros((40, 56), bool))
    boxed = annotation(7, 2, disc())
    del boxed["segmentation"]
    records = [sound, crowd, twice, strange, nowhere, empty, boxed]
    path = coco(tmp_path / "d.json", {"a.png": (40, 56), "b.png": (40, 56), "c.png": (40, 56)}, records)
    (tmp_path / "c.png").unlink()
    (report,) = check_dataset(path)
    assert (report.pictures, report.objects, report.crowds) == (3, 3, 1)
    counts = {"missing": 1, "unreadable": 1, "size": 0, "empty": 1, "stray": 3}
    assert {kind: report.count(kind) for kind in KINDS} == counts


def test_hqseg_against_the_published_counts(tmp_path: Path) -> None:
    part = next(part for part in PARTS if part.name == "COIFT")
    assert part.masks is not None
    pair(tmp_path / part.images, tmp_path / part.masks, "one", disc())
    reports = {report.part: report for report in check_dataset(tmp_path)}
    assert set(reports) == {part.name for part in PARTS}
    found = reports["COIFT"]
    assert (found.pictures, found.objects, found.published, found.findings, found.sound) == (1, 1, 280, (), False)
    assert reports["FSS"].count("missing") == 1
    (only,) = check_dataset(f"hqseg44k:coift@{tmp_path}")
    assert only == found
    assert json.loads(json.dumps(only.to_json()))["sound"] is False


@pytest.mark.parametrize("workers", [0, 3])
def test_a_sound_set(tmp_path: Path, workers: int) -> None:
    for stem in "abcdef":
        pair(tmp_path, tmp_path, stem, disc())
    shown: list[tuple[int, str]] = []

    def progress(items, total, name):
        shown.append((total, name))
        return items

    (report,) = check_dataset(tmp_path, workers=workers, progress=progress)
    assert (report.sound, report.pictures, report.objects) == (True, 6, 6)
    assert shown == [(6, tmp_path.name)]


def test_masks_read_by_several_threads_are_the_same(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / f"{number}.jpg", photo(seed=number))
        save(tmp_path / f"{number}.png", grey(disc(radius=number)))
    one, many = check_dataset(tmp_path, workers=1), check_dataset(tmp_path, workers=4)
    assert one == many
