from __future__ import annotations

import torch

from samhq.compat.sam2.clicks import as_clicks


def test_a_boxs_corners_come_before_the_points() -> None:
    """Wrong prompts are in test_video_predictor.py."""
    clicks = as_clicks([[5, 6], [7, 8]], [1, 0], torch.tensor([[1, 2, 3, 4]]), clear_old_points=True)
    assert clicks.points.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert clicks.labels.tolist() == [2, 3, 1, 0]


def test_a_single_point_needs_no_list() -> None:
    clicks = as_clicks([5, 6], 1, None, clear_old_points=False)
    assert (clicks.points.tolist(), clicks.labels.tolist()) == ([[5, 6]], [1])
