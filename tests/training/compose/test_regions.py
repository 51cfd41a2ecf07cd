"""Distinct regions: what stands out is found, what does not is not."""

from __future__ import annotations

import cv2
import numpy as np

from samhq.training.compose.regions import distinct_regions


def picture() -> np.ndarray:
    image = np.full((160, 200, 3), 60, np.float32)
    cv2.circle(image, (60, 60), 22, (220, 200, 40), -1)
    cv2.rectangle(image, (120, 90), (170, 130), (10, 160, 240), -1)
    image += np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 1.2), 0, 255).astype(np.uint8)


def test_a_disc_and_a_rectangle_are_found() -> None:
    found = distinct_regions(picture())
    for truth in (
        cv2.circle(np.zeros((160, 200), np.uint8), (60, 60), 22, 1, -1),
        cv2.rectangle(np.zeros((160, 200), np.uint8), (120, 90), (170, 130), 1, -1),
    ):
        best = max(((mask & (truth > 0)).sum() / (mask | (truth > 0)).sum() for mask in found), default=0)
        assert best > 0.5


def test_a_soft_gradient_has_no_regions() -> None:
    ramp = np.repeat(np.tile(np.linspace(20, 220, 160), (120, 1))[..., None], 3, 2).astype(np.uint8)
    assert distinct_regions(ramp) == []


def test_the_largest_come_first_and_no_more_than_asked() -> None:
    found = distinct_regions(picture(), limit=2)
    assert len(found) <= 2
    areas = [int(mask.sum()) for mask in distinct_regions(picture())]
    assert areas == sorted(areas, reverse=True)
