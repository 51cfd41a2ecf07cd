"""The one value that writers take holds what results and records hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from tests.formats.drawn import annotation, filled, masks, picture, scene
from tests.inference.test_result import result

from samhq.errors import ConfigError, ImageError
from samhq.formats.annotation import (
    Georeference,
    Picture,
    annotation_from_record,
    picture_from_records,
    picture_from_result,
    record_from_annotation,
    rings,
)
from samhq.masks import rle
from samhq.masks.finish import Finish


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


def test_a_result_s_best_masks_are_taken():
    three = result(3)
    taken = picture_from_result(three, "cat.jpg", ["a", "b"], stem="x")
    assert taken.size_hw == (30, 50)
    assert taken.image is three.image
    assert taken.model == "test"
    assert taken.stem == "x"
    assert [item.label for item in taken.annotations] == ["a", "b"]
    assert [item.score for item in taken.annotations] == pytest.approx([0.9, 0.8])
    for item, mask in zip(taken.annotations, three.masks, strict=True):
        np.testing.assert_array_equal(item.mask, mask)
    assert [number for number, _ in taken.objects] == [1]


def test_a_result_s_own_records_are_taken_too():
    taken = picture_from_records(result(3).annotations(), "cat.jpg", (30, 50))
    assert len(taken.annotations) == 6
    assert taken.annotations[1].extra == {"prompt": 0, "candidate": 1}


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="2 prompts, got 1"):
        picture_from_result(result(), "cat.jpg", ["one"])


@settings(deadline=None)
@given(masks, st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.0, 1.5]))
def test_finishing_in_the_box_is_finishing_in_the_picture(mask, hole, speck, radius):
    finish = Finish(hole, speck, radius)
    np.testing.assert_array_equal(annotation(mask).finished(finish).mask, finish.apply(mask))


def test_finishing_changes_masks_and_forgets_boxes():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    one = Picture("a.png", (5, 5), (annotation(mask, box=(0, 0, 4, 4), score=0.5),))
    done = one.finished(Finish(fill_holes=1)).annotations[0]
    assert done.area == 25
    assert done.box is None
    assert done.score == 0.5
    assert one.finished(Finish(soft_edge=3)) is one


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


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ImageError, match=r"\[3, 4\].*\(4, 4\)"):
        Picture("a.png", (3, 4), (annotation(np.ones((4, 4), bool)),))
    with pytest.raises(ImageError, match="size of"):
        picture(np.ones((4, 4), bool), image=np.zeros((4, 5, 3), np.uint8))


def test_a_georeference_maps_columns_and_rows():
    geo = Georeference((2, 0, 100, 0, -2, 500), "EPSG:32633")
    assert geo.apply(np.array([[0, 0], [3, 5]])).tolist() == [[100, 500], [106, 490]]
    with pytest.raises(ConfigError, match="area"):
        Georeference((1, 1, 0, 1, 1, 0))
