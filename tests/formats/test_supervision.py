"""supervision takes the objects, ours and by its own reader of SAM records."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tests.results.drawn import scene

import samhq
from samhq.errors import ConfigError, MissingExtraError, PromptError
from samhq.formats.supervision import from_detections, to_detections
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.annotation import record_from_annotation
from samhq.results.picture import Picture


def test_detections_hold_the_objects():
    pytest.importorskip("supervision")
    one = scene()
    found = to_detections(one)
    objects = [item for _, item in one.objects]
    np.testing.assert_array_equal(found.mask, [item.mask for item in objects])
    np.testing.assert_array_equal(found.xyxy[0], [5, 4, 25, 20])
    np.testing.assert_allclose(found.confidence, [0.9, 0.8, np.nan], rtol=1e-6)
    assert found.class_id.tolist() == [0, 1, 0]
    assert found["class_name"].tolist() == ["wheel", "pair & <co>", "wheel"]
    assert to_detections(one, ["cat", "wheel"]).class_id.tolist() == [1, 2, 1]
    assert len(found[found.area > 10]) == 2


def test_its_own_reader_of_sam_records_gives_the_same_masks():
    library = pytest.importorskip("supervision")
    one = scene()
    records = [record_from_annotation(item) | {"segmentation": item.mask} for _, item in one.objects]
    found = library.Detections.from_sam(records)
    by_area = sorted((item for _, item in one.objects), key=lambda item: -item.area)
    np.testing.assert_array_equal(found.mask, [item.mask for item in by_area])
    ours = to_detections(one)
    order = np.argsort([-item.area for _, item in one.objects])
    np.testing.assert_array_equal(found.xyxy, ours.xyxy[order])


def test_no_objects_are_no_detections(monkeypatch):
    pytest.importorskip("supervision")
    nothing = Picture("a.jpg", (4, 4))
    found, some = to_detections(nothing), to_detections(scene())
    assert found.is_empty()
    assert (found.xyxy.shape, found.mask.shape) == ((0, 4), (0, 4, 4))
    for name in ("xyxy", "mask", "confidence", "class_id"):
        assert getattr(found, name).dtype == getattr(some, name).dtype
    assert some[some.class_id > 9].is_empty()
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"samhq\[supervision\]"):
        to_detections(nothing)


def test_results_become_detections(hq: Sam) -> None:
    pytest.importorskip("supervision")
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    result = Segmenter(hq).segment(image, boxes=[[5, 5, 30, 30], [10, 10, 40, 40]])
    found = samhq.to_detections(result)
    assert len(found) == int(result.masks.any((1, 2)).sum())
    everything = samhq.segment_everything(image, hq, points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    assert len(samhq.to_detections(everything)) == int((everything.areas > 0).sum())
    with pytest.raises(ConfigError, match="Expected a result"):
        samhq.to_detections([result])


def test_detections_become_prompts() -> None:
    pytest.importorskip("supervision")
    one = scene()
    found = to_detections(one)
    prompts = from_detections(found)
    assert [prompt.label for prompt in prompts] == found["class_name"].tolist()
    assert [prompt.score for prompt in prompts] == [pytest.approx(0.9), pytest.approx(0.8), None]
    for prompt, box, mask in zip(prompts, found.xyxy, found.mask, strict=True):
        np.testing.assert_array_equal(prompt.box, box)
        np.testing.assert_array_equal(prompt.mask, mask)
    assert all(prompt.mask is None for prompt in from_detections(found, masks=False))


def test_bare_detections_become_boxes() -> None:
    library = pytest.importorskip("supervision")
    bare = library.Detections(np.array([[1.0, 2, 30, 40]]))
    (prompt,) = from_detections(bare)
    assert (prompt.label, prompt.score, prompt.mask) == (None, None, None)
    assert from_detections(library.Detections.empty()) == []
    assert from_detections(library.Detections(bare.xyxy, class_id=np.array([3])))[0].label == "3"
    with pytest.raises(PromptError, match="supervision's Detections, got list"):
        from_detections([[1, 2, 30, 40]])
