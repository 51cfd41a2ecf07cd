"""Everything in tiles is what the tiles show, as one result that can be asked, filtered and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny
from tests.inference.test_segment import picture

from samhq.errors import ConfigError
from samhq.image.picture_source import ArraySource
from samhq.image.windows import tile_grid
from samhq.inference.everything import segment_everything
from samhq.inference.finished_tiles import FinishedTiles
from samhq.inference.mosaic import segment_mosaic
from samhq.model.sam import Sam
from samhq.results.everything import Everything

LOOSE: dict[str, Any] = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.01}
SIZE = (100, 130)


@pytest.fixture(scope="module")
def found() -> Everything:
    return segment_mosaic(picture(*SIZE), tiny.shared(tiny.HQ), tile=64, overlap=24, **LOOSE)


def test_one_tile_shows_what_the_picture_shows(hq: Sam) -> None:
    one = segment_mosaic(picture(), hq, tile=64, **LOOSE)
    expected = segment_everything(picture(), hq, **LOOSE)
    masks = {expected.mask(row).tobytes(): record for row, record in enumerate(expected.as_records())}
    assert len(one)
    for row, record in enumerate(one.as_records()):
        assert record == {**masks[one.mask(row).tobytes()], "predicted_iou": pytest.approx(record["predicted_iou"])}


def test_objects_belong_to_tiles(found: Everything) -> None:
    windows = {(t.window.x0, t.window.y0, t.window.hw[1], t.window.hw[0]) for t in tile_grid(SIZE, 64, 24)}
    assert len({tuple(record["crop_box"]) for record in found.as_records()}) > 1
    for row, record in enumerate(found.records):
        assert record["segmentation"].shape == SIZE
        assert record["segmentation"].sum() == record["area"] == found.areas[row]
        x, y, w, h = record["crop_box"]
        assert (x, y, w, h) in windows
        assert x <= record["point_coords"][0][0] < x + w
        assert y <= record["point_coords"][0][1] < y + h
        left, top, width, height = record["bbox"]
        assert record["segmentation"][top : top + height + 1, left : left + width + 1].sum() == record["area"]


def test_the_result_can_be_filtered_and_saved(found: Everything, tmp_path: Path) -> None:
    assert np.array_equal(found.image, picture(*SIZE))
    least = float(np.median(found.scores))
    assert sorted(found.filter(pred_iou_thresh=least).scores) == sorted(found.scores[found.scores > least])
    assert found.label_map().shape == SIZE
    files = found.save(tmp_path, "mosaic")
    assert {"mosaic.json", "mosaic_overlay.jpg", "metadata.csv"} <= {file.name for file in files}


def test_the_picture_need_not_be_whole_in_memory(hq: Sam, found: Everything) -> None:
    source = ArraySource(picture(*SIZE))
    largest = []
    read = source.read

    def counted(window: Any) -> np.ndarray:
        largest.append(window.area)
        return read(window)

    source.read = counted  # type: ignore[method-assign]
    lean = segment_mosaic(source, hq, tile=64, overlap=24, pixels=False, **LOOSE)
    assert max(largest) <= 64 * 64
    assert lean.as_records() == found.as_records()
    assert lean.image.shape == (*SIZE, 3)
    assert lean.image.base is None or lean.image.base.nbytes == 1


def test_why_nothing_was_found_counts_all_tiles_or_is_not_said(hq: Sam, tmp_path: Path) -> None:
    options: dict[str, Any] = {**LOOSE, "pred_iou_thresh": 0.999, "tile": 64, "overlap": 24}
    path = tmp_path / "tiles.jsonl"
    whole = segment_mosaic(picture(*SIZE), hq, **options, finished=FinishedTiles(path, "run"))
    assert "the highest predicted IoU is" in whole.why_empty
    again = segment_mosaic(picture(*SIZE), hq, **options, finished=FinishedTiles(path, "run"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    partly = segment_mosaic(picture(*SIZE), hq, **options, finished=FinishedTiles(path, "run"))
    assert (len(whole), again.why_empty, partly.why_empty) == (0, "", "")


def test_options_are_checked(hq: Sam) -> None:
    with pytest.raises(ConfigError, match="points_per_side"):
        segment_mosaic(picture(), hq, point_per_side=3)
    with pytest.raises(ConfigError, match="overlap"):
        segment_mosaic(picture(), hq, tile=40, overlap=40)
    with pytest.raises(ConfigError, match="tiles of 32"):
        segment_mosaic(picture(), hq, tile=5)
