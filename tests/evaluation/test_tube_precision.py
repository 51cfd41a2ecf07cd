from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.datasets.layouts import annotation
from tests.evaluation.test_average_precision import blobs, jittered, result

from samhq.evaluation.average_precision import average_precision
from samhq.evaluation.tube_precision import tube_average_precision, tube_iou
from samhq.masks import rle

Videos = arrays(bool, (3, 5, 7), elements=st.booleans())


def coded(frames: np.ndarray) -> list[Any]:
    """A frame without pixels is None, or an empty code, in turn."""
    return [rle.encode(frame) if frame.any() or place % 2 else None for place, frame in enumerate(frames)]


@given(Videos, Videos)
def test_the_overlap_is_that_of_the_whole_tube(pred: np.ndarray, true: np.ndarray) -> None:
    union = (pred | true).sum()
    assert tube_iou(coded(pred), coded(true)) == pytest.approx((pred & true).sum() / union if union else 0)
    share = (pred & true).sum() / pred.sum() if pred.any() else 0
    assert tube_iou(coded(pred), coded(true), crowd=True) == pytest.approx(share)


@pytest.mark.parametrize("seed", range(3))
def test_videos_of_one_frame_are_pictures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, results = [], []
    for image in (1, 2, 3):
        for mask in blobs(rng, 6):
            truth.append(annotation(len(truth) + 1, image, mask, iscrowd=int(rng.random() < 0.2)))
            results.append(result(jittered(mask, rng), float(rng.random()), image))

    def tubes(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**record, "video_id": record["image_id"], "segmentations": [record["segmentation"]]} for record in records
        ]

    pictures = average_precision(truth, results, [1, 2, 3], [1])
    videos = tube_average_precision(tubes(truth), tubes(results), [1, 2, 3], [1])
    assert (videos.ap, videos.ap50, videos.ap75) == pytest.approx((pictures.ap, pictures.ap50, pictures.ap75))
    assert 0.05 < videos.ap < 0.95
