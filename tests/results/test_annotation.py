"""An annotation holds its mask and its record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from tests.results.drawn import annotation, filled, masks, scene

from samhq.errors import ImageError
from samhq.masks import rle
from samhq.masks.finish import Finish
from samhq.masks.polygons import rings
from samhq.results.annotation import annotation_from_record, record_from_annotation


@settings(deadline=None)
@given(masks)
def test_measures_agree_with_the_mask(mask):
    item = annotation(mask)
    np.testing.assert_array_equal(item.mask, mask)
    assert item.area == mask.sum()
    x, y, width, height = item.bbox_xywh
    np.testing.assert_array_equal(
        np.pad(item.cropped, ((y, len(mask) - y - height), (x, mask.shape[1] - x - width))), mask
    )
    if mask.any():
        assert item.cropped[0].any()
        assert item.cropped[-1].any()
        assert item.cropped[:, 0].any()
        assert item.cropped[:, -1].any()


@settings(deadline=None)
@given(masks)
def test_polygons_lie_where_the_mask_is(mask):
    np.testing.assert_array_equal(filled(rings(annotation(mask).polygons()), mask.shape), mask)


def modes(mask: np.ndarray) -> list[object]:
    """The three of segment-anything, and pycocotools' own with bytes."""
    raw = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return [mask, rle.uncompressed(mask), rle.encode(mask), raw]


@settings(deadline=None)
@given(masks)
def test_every_output_mode_gives_the_same_annotation(mask):
    codes = [annotation_from_record({"segmentation": one}).code for one in modes(mask)]
    assert all(code == rle.encode(mask) for code in codes)


def test_a_record_comes_back_as_it_was():
    mask = scene().annotations[0].mask
    record = {
        "segmentation": rle.encode(mask),
        "area": int(mask.sum()),
        "bbox": [5, 4, 19, 15],
        "predicted_iou": 0.9,
        "point_coords": [[6.0, 5.0]],
        "stability_score": 0.97,
        "crop_box": [0, 0, 60, 40],
        "tile": 3,
    }
    assert record_from_annotation(annotation_from_record(record)) == record
    assert annotation_from_record(record).bbox_xywh == (5, 4, 20, 16)


@settings(deadline=None)
@given(masks, st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.0, 1.5]))
def test_finishing_in_the_box_is_finishing_in_the_picture(mask, hole, speck, radius):
    finish = Finish(hole, speck, radius)
    np.testing.assert_array_equal(annotation(mask).finished(finish).mask, finish.apply(mask))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "None"),
        ([[0, 0, 1, 0, 1, 1]], "Polygons"),
        (np.zeros((2, 3, 3), bool), "shape"),
        (np.zeros((3, 3)), "float64"),
        ({"size": [2, 2], "counts": [1]}, "2 x 2"),
        ({"size": [2, 2], "counts": "zz"}, "RLE"),
        ({"counts": [1]}, "size"),
    ],
)
def test_records_without_a_mask_are_refused(segmentation, message):
    with pytest.raises(ImageError, match=message):
        annotation_from_record({"segmentation": segmentation})
