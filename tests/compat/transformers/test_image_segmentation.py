"""transformers' image-segmentation pipeline: the form of its outputs, with names that the caller gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.text import tiny_detectors as tiny_text

from samhq.compat.transformers import ImageSegmentationPipeline, pipeline
from samhq.errors import ConfigError, ImageError, PromptError
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam

RED, GREEN = (10, 10, 30, 40), (40, 5, 60, 20)
IMAGE = tiny_text.blobs({"red": RED, "green": GREEN})
LABELS = ["red", "green"]


@pytest.fixture
def named(hq: Sam) -> ImageSegmentationPipeline:
    return pipeline("image-segmentation", model=hq, candidate_labels=LABELS, detector=tiny_text.ColourDetector())


def test_candidate_labels_give_a_mask_for_each_object(named: ImageSegmentationPipeline, hq: Sam) -> None:
    output = named(Image.fromarray(IMAGE))
    expected = Segmenter(hq).segment(IMAGE, boxes=[RED, GREEN], multimask=False)
    assert [sorted(one) for one in output] == [["label", "mask", "score"]] * 2
    assert [one["label"] for one in output] == LABELS
    assert [one["score"] for one in output] == pytest.approx([0.9, 0.6])
    for one, mask in zip(output, expected.masks, strict=True):
        assert (one["mask"].mode, one["mask"].size) == ("L", (96, 64))
        assert np.array_equal(np.asarray(one["mask"]), mask * np.uint8(255))


def test_options_of_a_call_come_before_those_of_the_pipeline(named: ImageSegmentationPipeline) -> None:
    assert [one["label"] for one in named(IMAGE, threshold=0.7)] == ["red"]
    assert [one["label"] for one in named(IMAGE, threshold={"red": 0.95})] == ["green"]
    assert [one["label"] for one in named(IMAGE, candidate_labels="green")] == ["green"]
    assert named(tiny_text.blobs({})) == []


def test_lists_and_iterators(named: ImageSegmentationPipeline, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(IMAGE).save(path)
    outputs = named([str(path), tiny_text.blobs({})], batch_size=2)
    assert [len(one) for one in outputs] == [2, 0]
    assert [len(one) for one in named(iter([IMAGE]))] == [2]
    assert named([]) == []
    with pytest.raises(ImageError, match="Image 1 "):
        named([IMAGE, tmp_path / "none.png"])


def test_without_names_everything_is_numbered(hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    loose: dict[str, Any] = {"points_per_side": 4, "stability_score_thresh": 0.01, "box_nms_thresh": 1.0}

    def some(image: Any, model: Any, **options: Any) -> Any:
        return segment_everything(image, model, **loose, **options)

    monkeypatch.setattr("samhq.compat.transformers.image_segmentation.segment_everything", some)
    output = pipeline("image-segmentation", model=hq)(IMAGE, threshold=0.0)
    expected = segment_everything(IMAGE, hq, **loose, pred_iou_thresh=0.0)
    assert [one["label"] for one in output] == [f"mask {number}" for number in range(1, len(expected) + 1)]
    assert [one["score"] for one in output] == sorted(expected.scores.tolist(), reverse=True)
    assert sum(np.asarray(one["mask"]).astype(bool).sum() for one in output) == sum(
        record["area"] for record in expected.records
    )
    assert pipeline("image-segmentation", model=hq)(IMAGE, threshold=1e9) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tresh": 1}, "image segmentation, got 'tresh'"),
        ({"subtask": "panoptic"}, "'instance'"),
        ({"detector": "owlv2-base"}, "candidate_labels with a detector"),
        ({"threshold": {"cup": 0.5}}, "thresholds by class"),
    ],
)
def test_options_that_mean_nothing(hq: Sam, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pipeline("image-segmentation", model=hq)(IMAGE, **options)


def test_class_names_that_cannot_be_used(named: ImageSegmentationPipeline) -> None:
    with pytest.raises(PromptError, match="twice"):
        named(IMAGE, candidate_labels=["red", "Red"])
