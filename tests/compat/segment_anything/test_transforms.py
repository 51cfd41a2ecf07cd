"""`ResizeLongestSide` moves pictures, points and boxes as the published one does."""

from __future__ import annotations

import numpy as np
import torch
from tests.compat.segment_anything.tiny_predictors import PICTURE

from samhq.compat.segment_anything import ResizeLongestSide


def test_transform() -> None:
    transform = ResizeLongestSide(1024)
    assert [ResizeLongestSide.get_preprocess_shape(h, w, 1024) for h, w in ((600, 901), (300, 450), (500, 200))] == [
        (682, 1024),
        (683, 1024),
        (1024, 410),
    ]
    boxes = transform.apply_boxes(np.array([[0, 0, 200, 500]]), (500, 200))
    assert boxes.tolist() == [[0, 0, 410, 1024]]
    boxes = transform.apply_boxes_torch(torch.tensor([[0, 0, 200, 500]]), (500, 200))
    assert boxes.dtype == torch.float32
    assert boxes.tolist() == [[0, 0, 410, 1024]]
    assert transform.apply_boxes(np.array([0, 0, 200, 500]), (500, 200)).shape == (1, 4)
    points = np.array([[[100, 250], [3, 7]]])
    given = torch.as_tensor(points)
    np.testing.assert_allclose(
        transform.apply_coords(points, (500, 200)), transform.apply_coords_torch(given, (500, 200)), rtol=1e-6
    )
    assert points.tolist() == given.tolist() == [[[100, 250], [3, 7]]]
    assert transform.apply_image(PICTURE).shape == (1024, 694, 3)
    assert transform.apply_image_torch(torch.zeros(2, 3, 90, 61)).shape == (2, 3, 1024, 694)
