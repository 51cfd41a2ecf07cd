from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from samhq.config import MODELS
from samhq.errors import ConfigError
from samhq.evaluation.scenes import evaluate_scenes
from samhq.image.frame import Frame
from samhq.model.sam import Sam
from samhq.types import ImageEmbedding, LowRes


class _Oracle(Sam):
    """Answers every prompt with the object whose mask holds the prompt's middle; knows the masks beforehand."""

    device = torch.device("cpu")

    def __init__(self, masks: np.ndarray) -> None:
        torch.nn.Module.__init__(self)
        self.config = MODELS["sam_hq_vit_tiny"].replace(side=64)
        self.low = torch.nn.functional.avg_pool2d(torch.from_numpy(masks).float(), 8)

    def encode(self, pixels):
        assert pixels.shape == (1, 3, 64, 64)
        return ImageEmbedding(pixels[:, :, ::16, ::16])

    def decode(self, embedding, prompts, *, candidates, hq):
        xy = prompts.boxes.view(-1, 2, 2).mean(1) if prompts.boxes is not None else prompts.points[:, 0]
        column, row = ((xy + 0.5) / 4).long().clamp(0, 15).T
        right = (self.low[self.low[:, row, column].argmax(0)] - 0.5)[:, None]
        # SAM's mask is right where it is asked for as a user would; the HQ mask is wrong everywhere.
        alone = prompts.boxes is None and prompts.points.shape[1] == 1
        sam = right if candidates == ("best" if alone else "single") else -right
        logits = {"off": sam, "add": sam - 10, "only": torch.full_like(right, -10.0)}[hq]
        return LowRes(logits, torch.zeros(len(right), 1))


def _scene() -> SimpleNamespace:
    masks = np.zeros((3, 128, 128), bool)
    masks[0, 16:64, 16:64], masks[1, 80:120, 8:120], masks[2, :2, :2] = True, True, True
    return SimpleNamespace(image=np.zeros((128, 128, 3), np.uint8), masks=masks, thin=np.array([False, True, False]))


def test_scores_the_mask_that_a_user_would_get():
    scene = _scene()
    scores = evaluate_scenes(_Oracle(scene.masks), [scene, scene], modes=("off", "add", "only"))
    by = {(s.kind, s.hq): s for s in scores}
    assert by["box", "off"].count == 4, "the two-pixel object is not asked for"
    for kind in ("box", "1 point", "3 points"):
        assert by[kind, "off"].iou > 0.9
        assert by[kind, "off"].thin_iou > 0.9
        assert by[kind, "only"].iou == by[kind, "add"].iou == 0


@pytest.mark.parametrize("side", [64, 128, 200])
def test_prompts_lie_in_the_models_square_where_a_users_do(side):
    """An object of one pixel leaves no choice: every click is that pixel, and so are the box's corners."""
    asked = []

    class Listening(_Oracle):
        def decode(self, embedding, prompts, *, candidates, hq):
            asked.append(prompts)
            return LowRes(torch.zeros(len(prompts), 1, 16, 16), torch.zeros(len(prompts), 1))

    mask = np.zeros((1, side, side), bool)
    mask[0, 37, 51] = True
    scene = SimpleNamespace(image=np.zeros((side, side, 3), np.uint8), masks=mask, thin=np.array([False]))
    evaluate_scenes(Listening(mask), [scene], modes=("off",), fewest_pixels=1)
    box, one, three = asked
    frame = Frame.fit((side, side), 64)
    assert np.array_equal(box.boxes[0].numpy(), frame.boxes_to_model(np.array([51, 37, 51, 37])))
    for prompts in (one, three):
        clicks = prompts.points[0].numpy()
        assert np.array_equal(clicks, frame.points_to_model(np.array([[51, 37]] * len(clicks))))


def test_says_when_there_is_nothing_to_measure():
    scene = _scene()
    scene.masks[:] = False
    with pytest.raises(ConfigError, match="found none"):
        evaluate_scenes(_Oracle(scene.masks), [scene])
