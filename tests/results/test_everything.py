"""The result of whole-image segmentation: records, label map, overlay, files, and other thresholds afterwards."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.inference.test_segment import picture

from samhq.errors import ConfigError
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.everything import Everything
from samhq.results.sa1b import read_sa1b

LOOSE: dict[str, Any] = {
    "points_per_side": 5, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.01, "box_nms_thresh": 1.0,
}  # fmt: skip


@pytest.fixture
def everything(hq: Sam) -> Everything:
    return segment_everything(picture(90, 120), Segmenter(hq), **LOOSE)


@pytest.fixture
def of_crops(hq: Sam) -> Everything:
    return segment_everything(picture(90, 120), hq, crop_n_layers=1, **LOOSE)


def test_the_label_map_gives_each_pixel_to_the_smallest(everything: Everything) -> None:
    labels = everything.label_map()
    masks = np.stack([record["segmentation"] for record in everything.records])
    sizes = np.where(masks, everything.areas[:, None, None], 10**9)
    assert np.array_equal(labels > 0, masks.any(axis=0))
    y, x = np.nonzero(labels)
    assert np.array_equal(sizes[labels[y, x] - 1, y, x], sizes.min(axis=0)[y, x])


def test_what_is_covered(everything: Everything) -> None:
    assert everything.covered == (everything.label_map() > 0).mean() > 0
    assert repr(everything) == f"Everything({len(everything)} masks, 90x120, tiny_hq)"


def test_the_overlay_changes_masks_only(everything: Everything) -> None:
    shown, labels = everything.overlay(), everything.label_map()
    assert shown.shape == everything.image.shape
    assert shown.dtype == np.uint8
    border = (shown == 255).all(axis=2)
    untouched = (labels == 0) & ~border
    assert np.array_equal(shown[untouched], everything.image[untouched])
    assert (shown[labels > 0] != everything.image[labels > 0]).any()


def test_thresholds_can_rise_later(hq: Sam, everything: Everything) -> None:
    higher = {"pred_iou_thresh": float(np.median(everything.scores)), "stability_score_thresh": 0.5}
    again = segment_everything(picture(90, 120), hq, **{**LOOSE, **higher, "box_nms_thresh": 0.9})
    later = everything.filter(**higher, box_nms_thresh=0.9)
    assert 0 < len(later) < len(everything)
    assert later.as_records() == again.as_records()
    assert len(everything.filter(pred_iou_thresh=9.0)) == 0


def test_thresholds_cannot_fall_below_the_runs_own(hq: Sam) -> None:
    strict = segment_everything(picture(90, 120), hq, **{**LOOSE, "pred_iou_thresh": 0.5})
    with pytest.raises(ConfigError, match=r"pred_iou_thresh of at least 0\.5.*keep_all=True"):
        strict.filter(pred_iou_thresh=0.1)
    with pytest.raises(ConfigError, match="box_nms_thresh"):
        strict.filter(nms_thresh=0.1)
    with pytest.raises(ConfigError, match="changed later, got 'points_per_side'"):
        strict.filter(points_per_side=3)
    free = segment_everything(picture(90, 120), hq, keep_all=True, **{**LOOSE, "pred_iou_thresh": 0.5})
    assert free.as_records() == strict.as_records()
    assert len(free.filter(pred_iou_thresh=0.0)) > len(free)


def test_nothing_found(hq: Sam, tmp_path: Path) -> None:
    nothing = segment_everything(picture(), hq, points_per_side=2, pred_iou_thresh=9.0)
    assert (len(nothing), list(nothing), nothing.as_records()) == (0, [], [])
    assert not nothing.label_map().any()
    assert np.array_equal(nothing.overlay(), nothing.image)
    assert {path.name for path in nothing.save(tmp_path, "none", labels=True)} == {
        "metadata.csv", "none.json", "none_overlay.jpg", "none_labels.png",
    }  # fmt: skip


def test_the_record_keeps_everything(of_crops: Everything, tmp_path: Path) -> None:
    (path,) = of_crops.save(tmp_path, "cat", file_name="in/cat.png", masks=False, overlay=False)
    picture = read_sa1b(path)
    assert (picture.file_name, picture.size_hw, picture.model) == ("in/cat.png", (90, 120), "tiny_hq")
    for annotation, record in zip(picture.annotations, of_crops.records, strict=True):
        assert np.array_equal(annotation.mask, record["segmentation"])
        assert annotation.box == tuple(record["bbox"])
        assert annotation.score == record["predicted_iou"]
        assert annotation.crop == tuple(record["crop_box"])


def test_the_label_map_is_the_results(of_crops: Everything, tmp_path: Path) -> None:
    (path,) = of_crops.save(tmp_path, "cat", masks=False, overlay=False, record=False, labels=True)
    with Image.open(path) as png:
        assert np.array_equal(np.asarray(png), of_crops.label_map())


def test_fewer_masks_leave_no_earlier_ones(of_crops: Everything, tmp_path: Path) -> None:
    more = of_crops.filter(crop_nms_thresh=1.0)
    more.save(tmp_path, "cat", labels=True)
    (tmp_path / "cat" / "mine.png").write_text("mine")
    assert 0 < len(of_crops) < len(more)
    written = of_crops.save(tmp_path, "cat")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*written, tmp_path / "cat" / "mine.png"}
    (tmp_path / "cat" / "mine.png").unlink()
    codes = more.save(tmp_path, "cat", masks=False)
    assert set(tmp_path.iterdir()) == set(codes), "an empty folder goes too"


UNSTABLE = {"pred_iou_thresh": 0.0, "stability_score_thresh": 1.0, "stability_score_offset": 99.0}


@pytest.mark.parametrize(
    ("options", "said"),
    [({"pred_iou_thresh": 9.0}, "lower pred_iou_thresh from 9"), (UNSTABLE, "stability_score_thresh from 1")],
)
def test_a_result_without_masks_says_what_to_try(options: dict[str, float], said: str, hq: Sam) -> None:
    found = segment_everything(picture(), hq, points_per_side=2, **options)
    assert len(found) == 0
    assert said in found.why_empty
    assert said in repr(found)


def test_a_result_with_masks_says_nothing(hq: Sam) -> None:
    options = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "points_per_side": 4}
    found = segment_everything(picture(), hq, **options)
    assert len(found)
    assert found.why_empty == ""


def test_rows_for_a_table(everything: Everything) -> None:
    rows = everything.to_records()
    assert [row["area"] for row in rows] == everything.areas.tolist()
    for row, record in zip(rows, everything.records, strict=True):
        x, y, width, height = record["bbox"]
        assert [row[key] for key in ("x0", "y0", "x1", "y1")] == [x, y, x + width, y + height]
        assert [row["point_x"], row["point_y"]] == record["point_coords"][0]
        assert (row["score"], row["stability_score"]) == (record["predicted_iou"], record["stability_score"])


def test_it_shows_itself(everything: Everything) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(everything._repr_png_()))), everything.overlay())
    axes = everything.plot()
    assert np.array_equal(axes.get_images()[0].get_array(), everything.overlay())
    assert axes.get_title() == f"{len(everything)} masks"
