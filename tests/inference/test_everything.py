"""The result of whole-image segmentation: records, label map, overlay, files, and other thresholds afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.inference.test_segment import picture

from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.config import Defaults
from samhq.errors import ConfigError, ImageError
from samhq.formats.sa1b import read_sa1b
from samhq.inference.automatic import AutomaticConfig, keep, propose
from samhq.inference.everything import Everything, segment_everything
from samhq.inference.mosaic import segment_mosaic
from samhq.inference.segment import Segmenter
from samhq.masks import rle, runs
from samhq.model.sam import Sam

LOOSE: dict[str, Any] = {
    "points_per_side": 5, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.01, "box_nms_thresh": 1.0,
}  # fmt: skip
FIELDS = ["segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"]


@pytest.fixture
def everything(hq: Sam) -> Everything:
    return segment_everything(picture(90, 120), Segmenter(hq), **LOOSE)


def test_the_ways_to_ask_agree(hq: Sam, everything: Everything, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_model(hq, path)
    encoded = Segmenter(hq).encode(picture(90, 120))
    config = AutomaticConfig(**LOOSE)
    direct = keep(propose(hq, picture(90, 120), config), config)
    for one in (
        segment_everything(picture(90, 120), hq, config=config),
        segment_everything(encoded, Segmenter(hq), config=AutomaticConfig(points_per_side=9), **LOOSE),
        segment_everything(picture(90, 120), str(path), **LOOSE),
        everything,
    ):
        assert len(one) == len(direct) > 0
        assert np.allclose(one.scores, direct.iou, atol=1e-5)
        assert np.array_equal(one.boxes, direct.boxes)
        assert one.model == "tiny_hq"


def test_an_embedding_of_another_dtype_serves(hq: Sam) -> None:
    encoded = Segmenter(hq).encode(picture(90, 120))
    half = tiny.model(tiny.HQ).to(torch.bfloat16)
    assert len(segment_everything(encoded, half, **LOOSE)) > 0


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


def test_a_result_of_a_file_says_which(hq: Sam, tmp_path: Path) -> None:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(picture()).save(path)
    encoded = Segmenter(hq).encode(path)
    tiled = segment_mosaic(path, hq, tile=64, **LOOSE)
    for number, found in enumerate((segment_everything(str(path), hq, **LOOSE),
                                    segment_everything(encoded, hq, **LOOSE), tiled)):  # fmt: skip
        assert found.filter(pred_iou_thresh=0.0).file_name == str(path)
        found.save(tmp_path / "out", f"{number}", masks=False, overlay=False)
        found.save(tmp_path / "out", f"{number}-other", masks=False, overlay=False, file_name="other.png")
        assert read_sa1b(tmp_path / "out" / f"{number}.json").file_name == str(path)
        assert read_sa1b(tmp_path / "out" / f"{number}-other.json").file_name == "other.png"
    assert main(["write", str(tmp_path / "out" / "0.json"), "--format", "cutouts", "-o", str(tmp_path / "cut")]) == 0
    assert list((tmp_path / "cut").iterdir())
    unnamed = segment_everything(picture(), hq, **LOOSE)
    assert unnamed.file_name is None
    unnamed.save(tmp_path, "photo", masks=False, overlay=False)
    assert read_sa1b(tmp_path / "photo.json").file_name == "photo"


def test_progress(hq: Sam, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[tuple[int, int]] = []
    segment_everything(picture(), hq, **LOOSE, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (25, 25)
    segment_everything(picture(), hq, **LOOSE, progress=True)
    assert "25/25" in capsys.readouterr().err


def test_misuse_ends_in_sentences(hq: Sam) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'points_per_side'"):
        segment_everything(picture(), hq, points_per_sides=3)
    with pytest.raises(ConfigError, match="square of 64"):
        segment_everything(Segmenter(tiny.shared(tiny.LIGHT)).encode(picture()), hq)
    with pytest.raises(ConfigError, match="encoded by tiny_plain"):  # of the same side, without the HQ map
        segment_everything(Segmenter(tiny.shared(tiny.PLAIN)).encode(picture()), hq)
    with pytest.raises(ConfigError, match="encoded by tiny_hq"):  # the features of another encoder
        segment_everything(Segmenter(hq).encode(picture()), tiny.shared(tiny.PLAIN))
    with pytest.raises(ImageError):
        segment_everything(b"no picture", hq)


def test_large_pictures_are_held_as_outlines(hq: Sam) -> None:
    found = segment_everything(picture(90, 120), hq, **LOOSE)
    assert sum(changes.nbytes for changes in found.proposals.changes) < 90 * 120 * len(found)
    assert all(runs.area(changes) for changes in found.proposals.changes)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "options",
    [
        {"hq": "on"},
        {"candidates": "singel"},
        {"points_per_side": 100_000},
        {"crop_n_layers": 50},
        {"mask_threshold": "0"},
    ],
)
def test_options_that_mean_nothing_are_refused_before_the_picture_is_read(hq: Sam, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        segment_everything("no/such.png", hq, **options)
    with pytest.raises(ConfigError, match="alpha"):
        segment_everything(picture(), hq, **LOOSE).overlay(alpha=float("nan"))


def test_settings_that_the_weights_bring_are_the_defaults() -> None:
    sam = tiny.model(tiny.HQ)
    sam.config = sam.config.replace(defaults=Defaults(pred_iou_thresh=0.25, hq="off"))
    found = segment_everything(picture(), Segmenter(sam), points_per_side=2, box_nms_thresh=1.0)
    assert (found.config.pred_iou_thresh, found.config.hq, found.config.box_nms_thresh) == (0.25, "off", 1.0)
    found = segment_everything(picture(), sam, config=AutomaticConfig(points_per_side=2))
    assert found.config.pred_iou_thresh == 0.88
