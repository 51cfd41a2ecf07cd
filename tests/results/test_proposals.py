"""Choosing among proposals: by scores, by boxes, and after cleaning."""

from __future__ import annotations

import numpy as np
from tests.inference.test_segment import picture

from samhq.inference.automatic import propose
from samhq.masks import runs
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.proposals import Proposals, keep

LOOSE = AutomaticConfig(points_per_side=5, pred_iou_thresh=0.0, stability_score_thresh=0.01, box_nms_thresh=1.0)


def test_keeping_everything_filters_to_the_same(hq: Sam) -> None:
    config = LOOSE.replace(crop_n_layers=1, pred_iou_thresh=0.4, stability_score_thresh=0.5, box_nms_thresh=0.99)
    straight = keep(propose(hq, picture(90, 120), config), config)
    every = propose(hq, picture(90, 120), config, keep_all=True)
    assert same(straight, keep(every, config))
    assert len(every) > len(propose(hq, picture(90, 120), config))


def test_small_regions_go_and_unchanged_masks_come_first(plain: Sam) -> None:
    image, config = picture(90, 120), LOOSE.replace(min_mask_region_area=30)
    found = propose(plain, image, config)
    cleaned = keep(found, config)
    raw = keep(found, LOOSE)
    changed = [not any(np.array_equal(c, other) for other in raw.changes) for c in cleaned.changes]
    assert changed == sorted(changed)
    assert any(changed)
    boxes = [list(runs.box(changes, 90)) for changes in cleaned.changes]
    assert cleaned.boxes.tolist() == boxes


def same(one: Proposals, other: Proposals) -> bool:
    assert len(one) == len(other)
    assert len(one) > 0
    assert np.array_equal(one.points, other.points)
    assert np.allclose(one.iou, other.iou, atol=1e-5)
    differing = [
        (runs.mask_of(a, one.size_hw) != runs.mask_of(b, one.size_hw)).sum()
        for a, b in zip(one.changes, other.changes, strict=True)
    ]
    return max(differing) <= 2
