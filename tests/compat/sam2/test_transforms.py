from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.compat.sam2.refusals import RefusedPromptError
from samhq.compat.sam2.transforms import SAM2Transforms


def test_positions_and_boxes_are_scaled_side_by_side() -> None:
    transforms = SAM2Transforms(resolution=64, mask_threshold=0.0)
    points = torch.tensor([[[45.0, 30.0]]])
    assert transforms.transform_coords(points, normalize=True, orig_hw=(60, 90)).tolist() == [[[32.0, 32.0]]]
    assert transforms.transform_coords(points / 90).flatten().tolist() == pytest.approx([32, 64 / 3])
    boxes = transforms.transform_boxes(torch.tensor([[0.0, 0.0, 90.0, 60.0]]), normalize=True, orig_hw=(60, 90))
    assert boxes.tolist() == [[[0, 0], [64, 64]]]
    with pytest.raises(RefusedPromptError, match="orig_hw"):
        transforms.transform_coords(points, normalize=True)


def test_pictures_become_squares_and_masks_come_back() -> None:
    transforms = SAM2Transforms(64, 0.0, max_hole_area=1.0)
    pictures = [np.zeros((60, 90, 3), np.uint8), np.full((20, 10, 3), 255, np.uint8)]
    batch = transforms.forward_batch(pictures)
    assert batch.shape == (2, 3, 64, 64)
    assert torch.equal(batch[1], transforms(pictures[1]))
    logits = torch.full((1, 1, 16, 16), 5.0)
    logits[0, 0, 8, 8] = -5.0
    assert (transforms.postprocess_masks(logits, (60, 90)) > 0).all()
    logits.requires_grad_()
    SAM2Transforms(64, 0.0).postprocess_masks(logits, (60, 90)).sum().backward()
    assert logits.grad is not None
