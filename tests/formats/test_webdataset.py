"""Tars of pictures and records, read back member by member."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.results.drawn import scene

from samhq.formats.webdataset import open_webdataset
from samhq.results.picture import picture_from_records


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}


def test_a_sample_is_a_picture_and_its_record(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "dog.JPG", "JPEG")
    with open_webdataset(tmp_path / "out") as add:
        assert add(replace(scene("a/cat.jpg"), image=pixels)) == []
        add(scene("dog.JPG", source=tmp_path / "dog.JPG"))
        add(replace(scene("bird.png"), image=None))
    found = members(tmp_path / "out" / "samples-000000.tar")
    assert list(found) == ["cat.png", "cat.json", "dog.jpg", "dog.json", "bird.json"]
    assert found["dog.jpg"] == (tmp_path / "dog.JPG").read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(found["cat.png"]))), pixels)
    record = json.loads(found["cat.json"])
    assert record["image"]["file_name"] == "a/cat.jpg"
    back = picture_from_records(record["annotations"], "a/cat.jpg", (40, 60))
    for (_, old), (_, new) in zip(scene().objects, back.objects, strict=True):
        np.testing.assert_array_equal(old.mask, new.mask)


def test_a_full_tar_is_followed_by_the_next_and_no_sample_is_split(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for name in ("first", "again"):
        with open_webdataset(tmp_path / name, tar_bytes=10_000) as add:
            for number in range(5):
                add(replace(scene(f"{number}.jpg"), image=pixels))
    tars = sorted((tmp_path / "first").iterdir())
    assert [path.name for path in tars] == [f"samples-00000{number}.tar" for number in range(3)]
    assert [list(members(path)) for path in tars] == [
        ["0.png", "0.json", "1.png", "1.json"],
        ["2.png", "2.json", "3.png", "3.json"],
        ["4.png", "4.json"],
    ]
    for path in tars:
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_keys_have_no_dots_and_differ(tmp_path: Path) -> None:
    with open_webdataset(tmp_path) as add:
        for name in ("a.b.jpg", "a_b.jpg", "a.b.png"):
            add(replace(scene(name), image=None))
    assert list(members(tmp_path / "samples-000000.tar")) == ["a_b.json", "a_b_2.json", "a_b_3.json"]


def test_an_error_leaves_no_tar_and_nothing_makes_none(tmp_path: Path) -> None:
    def broken() -> None:
        with open_webdataset(tmp_path) as add:
            add(scene("a.jpg"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    with open_webdataset(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
