"""A saved result that is read again is the result, and can be asked with other thresholds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.inference.test_segment import picture
from tests.results.test_everything import LOOSE

from samhq.errors import ConfigError, ImageError
from samhq.image.read import read_mask
from samhq.inference.everything import segment_everything
from samhq.inference.mosaic import segment_mosaic
from samhq.model.sam import Sam
from samhq.results.everything import Everything
from samhq.results.saved import load_everything

SIZE = (90, 120)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(picture(*SIZE)).save(path)
    return path


def saved(found: Everything, folder: Path) -> Path:
    return found.save(folder / "out", "photo", masks=False, overlay=False)[-1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"crop_n_layers": 1},
        {"min_mask_region_area": 9, "box_nms_thresh": 0.9},
        {"pred_iou_thresh": 0.5},
        {"points_per_side": None, "point_grids": [np.array([[0.3, 0.4], [0.6, 0.6]])]},
        {"pred_iou_thresh": 9.0},
    ],
)
def test_what_was_saved_comes_back(hq: Sam, photo: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    found = segment_everything(photo, hq, **{**LOOSE, **options})
    again = load_everything(saved(found, tmp_path))
    assert again.as_records() == found.as_records()
    assert np.array_equal(again.label_map(), found.label_map())
    assert np.array_equal(again.overlay(), found.overlay())
    assert (again.model, again.file_name) == (found.model, found.file_name)
    before, after = (dict(vars(one.config)) for one in (found, again))
    for grids in (before, after):
        grids["point_grids"] = grids["point_grids"] and [np.asarray(grid).tolist() for grid in grids["point_grids"]]
    assert after == before


def test_the_record_is_read_once(hq: Sam, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = saved(segment_everything(photo, hq, **LOOSE), tmp_path)
    read, taken = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: taken.append(path) or read(path))
    load_everything(record, pixels=False)
    assert taken == [record]


def test_masks_have_the_numbers_of_their_files(hq: Sam, photo: Path, tmp_path: Path) -> None:
    """Those that were cleaned of small regions come last, whatever their scores."""
    found = segment_everything(photo, hq, **{**LOOSE, "min_mask_region_area": 30})
    found.save(tmp_path, "photo", overlay=False)
    again = load_everything(tmp_path / "photo.json")
    assert len(again) > 2
    for number in range(len(again)):
        assert np.array_equal(again.mask(number), read_mask(tmp_path / "photo" / f"{number}.png"))


@pytest.mark.parametrize("options", [{}, {"crop_n_layers": 1}])
def test_a_run_that_kept_all_is_filtered_as_if_it_ran_anew(
    hq: Sam, photo: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    free = {**LOOSE, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0, "crop_nms_thresh": 1.0, **options}
    again = load_everything(saved(segment_everything(photo, hq, **free), tmp_path))
    asked = {"pred_iou_thresh": float(np.median(again.scores)), "stability_score_thresh": 0.1,
             "box_nms_thresh": 0.8, "crop_nms_thresh": 0.6, "min_mask_region_area": 4}  # fmt: skip
    expected = segment_everything(photo, hq, **{**free, **asked})
    assert 0 < len(expected) < len(again)
    assert again.filter(**asked).as_records() == expected.as_records()
    assert load_everything(saved(again.filter(**asked), tmp_path)).as_records() == expected.as_records()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pred_iou_thresh": 0.4}, "pred_iou_thresh of at least 0.5"),
        ({"box_nms_thresh": 0.9}, "box_nms_thresh of at most 0.8"),
        ({"crop_nms_thresh": 0.9}, "crop_nms_thresh of at most 0.7"),
        ({"min_mask_region_area": 3}, "min_mask_region_area of at least 4"),
    ],
)
def test_what_was_not_saved_does_not_come_back(
    hq: Sam, photo: Path, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    options = {**LOOSE, "pred_iou_thresh": 0.5, "box_nms_thresh": 0.8, "min_mask_region_area": 4}
    again = load_everything(saved(segment_everything(photo, hq, **options), tmp_path))
    with pytest.raises(ConfigError, match=message):
        again.filter(**wrong)
    with pytest.raises(ConfigError, match=message):
        again.filter(pred_iou_thresh=0.6).filter(**{"pred_iou_thresh": 0.6, **wrong})
    unchanged = {name: getattr(again.config, name) for name in wrong}
    assert len(again.filter(**unchanged)) == len(again)


def test_tiles_come_back(hq: Sam, photo: Path, tmp_path: Path) -> None:
    found = segment_mosaic(photo, hq, tile=64, **LOOSE)
    again = load_everything(saved(found, tmp_path))
    assert again.as_records() == found.as_records()
    least = float(np.median(found.scores))
    assert again.filter(pred_iou_thresh=least).as_records() == found.filter(pred_iou_thresh=least).as_records()


def test_the_picture_is_the_records_or_another_or_none(hq: Sam, photo: Path, tmp_path: Path) -> None:
    path = saved(segment_everything(photo, hq, **LOOSE), tmp_path)
    photo.rename(path.parent / photo.name)  # beside its results is a place too
    assert np.array_equal(load_everything(path).image, picture(*SIZE))
    (path.parent / photo.name).unlink()
    with pytest.raises(ImageError, match=r"photo\.png.*pixels=False"):
        load_everything(path)
    assert np.array_equal(load_everything(path, picture(*SIZE, seed=1)).image, picture(*SIZE, seed=1))
    with pytest.raises(ImageError, match="90 x 120"):
        load_everything(path, picture(50, 60))
    dark = load_everything(path, pixels=False)
    assert (dark.image.shape, dark.image.max(), len(dark) > 0) == ((*SIZE, 3), 0, True)


def test_records_of_others_are_free_to_be_filtered(hq: Sam, photo: Path, tmp_path: Path) -> None:
    """SA-1B's own files say nothing about thresholds."""
    found = segment_everything(photo, hq, **LOOSE)
    path = saved(found, tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"image": content["image"], "annotations": content["annotations"]}))
    again = load_everything(path)
    assert again.as_records() == found.as_records()
    assert 0 < len(again.filter(box_nms_thresh=0.5)) <= len(again)


@pytest.mark.parametrize("lacks", ["stability_score", "predicted_iou", "point_coords", "crop_box"])
def test_other_records_are_refused(hq: Sam, photo: Path, tmp_path: Path, lacks: str) -> None:
    path = saved(segment_everything(photo, hq, **LOOSE), tmp_path)
    content = json.loads(path.read_text())
    del content["annotations"][1][lacks]
    path.write_text(json.dumps(content))
    with pytest.raises(ImageError, match="samhq everything"):
        load_everything(path)


@pytest.mark.parametrize("asked", [[], {"points": 3}, {"points_per_side": "many"}, {"points_per_side": 0}])
def test_thresholds_that_mean_nothing_are_refused(hq: Sam, photo: Path, tmp_path: Path, asked: Any) -> None:
    path = saved(segment_everything(photo, hq, **LOOSE), tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"config": asked}))
    with pytest.raises(ImageError, match=r"photo\.json"):
        load_everything(path, pixels=False)
