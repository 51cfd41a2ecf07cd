"""The files of a whole-image result, as their readers read them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.inference.test_everything import LOOSE
from tests.inference.test_segment import picture

from samhq.formats.metadata import COLUMNS
from samhq.formats.sa1b import read_sa1b
from samhq.image.read import read_mask
from samhq.inference.everything import Everything, segment_everything
from samhq.model.sam import Sam


@pytest.fixture
def everything(hq: Sam) -> Everything:
    return segment_everything(picture(90, 120), hq, crop_n_layers=1, **LOOSE)


def test_masks_and_their_table(everything: Everything, tmp_path: Path) -> None:
    written = everything.save(tmp_path, "cat", overlay=False, record=False)
    assert {path.parent for path in written} == {tmp_path / "cat"}
    assert len(written) == len(everything) + 1 == len(list((tmp_path / "cat").iterdir()))
    with (tmp_path / "cat" / "metadata.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    for row, record in zip(rows, everything.records, strict=True):
        assert np.array_equal(read_mask(tmp_path / "cat" / f"{row['id']}.png"), record["segmentation"])
        assert int(row["area"]) == record["area"]
        assert [int(row[name]) for name in COLUMNS[2:6]] == record["bbox"]
        assert [float(row[name]) for name in COLUMNS[6:8]] == record["point_coords"][0]
        assert float(row["predicted_iou"]) == record["predicted_iou"]
        assert float(row["stability_score"]) == record["stability_score"]
        assert [int(row[name]) for name in COLUMNS[10:]] == record["crop_box"]


def test_the_record_keeps_everything(everything: Everything, tmp_path: Path) -> None:
    (path,) = everything.save(tmp_path, "cat", file_name="in/cat.png", masks=False, overlay=False)
    picture = read_sa1b(path)
    assert (picture.file_name, picture.size_hw, picture.model) == ("in/cat.png", (90, 120), "tiny_hq")
    for annotation, record in zip(picture.annotations, everything.records, strict=True):
        assert np.array_equal(annotation.mask, record["segmentation"])
        assert annotation.box == tuple(record["bbox"])
        assert annotation.score == record["predicted_iou"]
        assert annotation.crop == tuple(record["crop_box"])


def test_the_label_map_is_the_results(everything: Everything, tmp_path: Path) -> None:
    (path,) = everything.save(tmp_path, "cat", masks=False, overlay=False, record=False, labels=True)
    with Image.open(path) as png:
        assert np.array_equal(np.asarray(png), everything.label_map())


def test_fewer_masks_leave_no_earlier_ones(everything: Everything, tmp_path: Path) -> None:
    more = everything.filter(crop_nms_thresh=1.0)
    more.save(tmp_path, "cat", labels=True)
    (tmp_path / "cat" / "mine.png").write_text("mine")
    assert 0 < len(everything) < len(more)
    written = everything.save(tmp_path, "cat")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*written, tmp_path / "cat" / "mine.png"}
    (tmp_path / "cat" / "mine.png").unlink()
    codes = more.save(tmp_path, "cat", masks=False)
    assert set(tmp_path.iterdir()) == set(codes), "an empty folder goes too"
