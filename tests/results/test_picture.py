"""A picture for writers holds what results and records hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.results.drawn import annotation, picture
from tests.results.test_segmentation import result

from samhq.errors import ConfigError, ImageError
from samhq.masks.finish import Finish
from samhq.results.annotation import annotation_from_record, record_from_annotation
from samhq.results.picture import Georeference, Picture, georeference, picture_from_records, picture_from_result
from samhq.results.prompt import Prompt


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


def test_finishing_changes_masks_and_forgets_boxes():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    one = Picture("a.png", (5, 5), (annotation(mask, box=(0, 0, 4, 4), score=0.5),))
    done = one.finished(Finish(fill_holes=1)).annotations[0]
    assert done.area == 25
    assert done.box is None
    assert done.score == 0.5
    assert one.finished(Finish(soft_edge=3)) is one


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


@pytest.mark.parametrize("name", ["a.tif", "a.GTIFF", "a.vrt", "a.jp2"])
def test_every_format_that_has_a_position_gives_it(name: str, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    shutil = pytest.importorskip("rasterio.shutil")
    profile = {"driver": "GTiff", "height": 64, "width": 96, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
    with rasterio.open(tmp_path / "first.tif", "w", transform=transform, **profile) as raster:
        raster.write(np.zeros((3, 64, 96), np.uint8))
    driver = {".vrt": "VRT", ".jp2": "JP2OpenJPEG"}.get(Path(name).suffix, "GTiff")
    shutil.copy(tmp_path / "first.tif", tmp_path / name, driver=driver)
    assert georeference(tmp_path / name) == Georeference((0.5, 0, 500_000, 0, -0.5, 5_400_000), "EPSG:32633")
    assert georeference(tmp_path / "photo.jpg") is None


def test_a_result_s_classes_and_detector_scores_are_taken():
    labelled = result(prompts=(Prompt(box=[1, 2, 30, 20], label="cup", score=0.75), Prompt(points=[[10, 12]])))
    taken = picture_from_result(labelled, "cat.jpg")
    assert [item.label for item in taken.annotations] == ["cup", "object"]
    assert [item.confidence for item in taken.annotations] == pytest.approx([0.75, 0.8])
    assert taken.annotations[0].score == pytest.approx(0.9), "the predicted IoU is kept too"
    again = [annotation_from_record(record_from_annotation(item)) for item in taken.annotations]
    assert [(item.label, item.score, item.detector_score) for item in again] == [
        (item.label, item.score, item.detector_score) for item in taken.annotations
    ]
