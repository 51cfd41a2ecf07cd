"""Outputs read by attribute, key, number and as a mapping; None counts as absent."""

from __future__ import annotations

import pytest
import torch

from samhq.compat.transformers.outputs import SegmentationOutput, VisionOutput

IOU, MASKS = torch.zeros(1, 1, 3), torch.zeros(1, 1, 3, 4, 4)


def test_every_way_gives_the_same() -> None:
    output = SegmentationOutput(iou_scores=IOU, pred_masks=MASKS)
    assert output.pred_masks is output["pred_masks"] is output[1] is output[-1] is MASKS
    assert output[:2] == output.to_tuple() == (IOU, MASKS)
    assert list(output) == list(output.keys()) == ["iou_scores", "pred_masks"]
    assert dict(output)["iou_scores"] is IOU
    assert len(output) == 2


def test_none_is_absent() -> None:
    output = SegmentationOutput(pred_masks=MASKS)
    assert output.iou_scores is None
    assert output[0] is MASKS
    assert "iou_scores" not in output
    with pytest.raises(KeyError):
        output["iou_scores"]
    assert len(VisionOutput()) == 0
