"""Records are those of segment-anything's generator."""

from __future__ import annotations

import numpy as np
import pytest
from tests.inference.test_segment import picture
from tests.results.test_everything import LOOSE

from samhq.errors import ConfigError
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.masks import rle
from samhq.model.sam import Sam
from samhq.results.everything import Everything

FIELDS = ["segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"]


@pytest.fixture
def everything(hq: Sam) -> Everything:
    return segment_everything(picture(90, 120), Segmenter(hq), **LOOSE)


def test_records(everything: Everything) -> None:
    records = everything.records
    assert len(records) == len(everything)
    for number, record in enumerate(everything):
        assert list(record) == FIELDS
        mask = record["segmentation"]
        assert mask.shape == (90, 120)
        assert mask.dtype == np.bool_
        assert np.array_equal(mask, everything.mask(number))
        assert record["area"] == mask.sum() == everything.areas[number]
        x0, y0, x1, y1 = everything.boxes[number].tolist()
        assert record["bbox"] == [x0, y0, x1 - x0, y1 - y0]
        assert record["crop_box"] == [0, 0, 120, 90]
        assert all(type(value) is int for value in (*record["bbox"], *record["crop_box"], record["area"]))
        assert type(record["predicted_iou"]) is type(record["stability_score"]) is float
    assert [record["area"] for record in records[1:3]] == [records[1]["area"], records[2]["area"]]
    assert records[-1]["point_coords"] == records[len(records) - 1]["point_coords"]


def test_records_as_codes(everything: Everything) -> None:
    masks = [record["segmentation"] for record in everything.records]
    compressed = [record["segmentation"] for record in everything.as_records()]
    plain = [record["segmentation"] for record in everything.as_records("uncompressed_rle")]
    assert compressed == [rle.encode(mask) for mask in masks]
    assert plain == [rle.uncompressed(mask) for mask in masks]
    with pytest.raises(ConfigError, match="coco_rle"):
        everything.as_records("coco")  # type: ignore[arg-type]
