"""The files of a whole-image result, as their readers read them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.inference.test_segment import picture
from tests.results.test_everything import LOOSE

from samhq.image.read import read_mask
from samhq.inference.everything import segment_everything
from samhq.model.sam import Sam
from samhq.results.everything import Everything
from samhq.results.table import COLUMNS


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
