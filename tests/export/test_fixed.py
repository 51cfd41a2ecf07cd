"""The graph of fixed shapes gives the network's own masks, and a result that is not torch's is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from torch import Tensor

from samhq.config import ModelConfig
from samhq.errors import ConfigError
from samhq.export.fixed import EveryMask, check_close, check_first, compare, decoder_part, example_prompts
from samhq.types import IGNORED, ImageEmbedding, Prompts


@pytest.mark.parametrize("given", ["points", "box", "mask"])
@pytest.mark.parametrize("config", tiny.FIRST, ids=lambda config: config.name)
@torch.inference_mode()
def test_every_mask_is_the_networks(config: ModelConfig, given: str) -> None:
    sam = tiny.shared(config)
    inputs, owner = example_prompts(sam, 3)[["points", "box", "mask"].index(given)], torch.zeros(1, dtype=torch.int64)
    points, labels = inputs["points"][:, :2], inputs["labels"][:, :2].long()
    prompts = {
        "points": Prompts(owner, points, labels),
        "box": Prompts(owner, boxes=inputs["boxes"]),
        "mask": Prompts(owner, points, labels, inputs["boxes"], inputs["masks"]),
    }[given]
    logits, *hq, iou = EveryMask(sam)(**inputs)
    embedding = ImageEmbedding(inputs["features"], inputs.get("hq_features"))
    for candidates, rows in (("single", slice(0, 1)), ("all", slice(1, 4))):
        low = sam.decode(embedding, prompts, candidates=candidates)
        assert torch.allclose(logits[:, rows] + (hq[0] if hq else 0), low.logits, atol=1e-4)
        assert torch.allclose(iou[:, rows], low.iou, atol=1e-5)


def test_examples_give_points_a_box_and_all() -> None:
    points, box, all_three = example_prompts(tiny.shared(tiny.HQ), 3)
    given = [
        (
            bool((one["labels"] != IGNORED).any()),
            bool(one["boxes"].isfinite().all()),
            bool(one["masks"].isfinite().all()),
        )
        for one in (points, box, all_three)
    ]
    assert given == [(True, False, False), (False, True, False), (True, True, True)]


def test_other_results_are_refused() -> None:
    expected = (torch.tensor([1.0, -2.0]), torch.tensor([0.5]))
    found = check_close("decoder", [np.array([1.0, -2.001]), np.array([0.5])], expected)
    assert (found.largest, found.scale) == pytest.approx((0.001, 2.0), rel=1e-3)
    for wrong in (np.array([1.0, -2.1]), np.array([1.0, np.nan])):
        with pytest.raises(ConfigError, match="Export to ONNX"):
            check_close("decoder", {"logits": wrong, "iou": np.array([0.5])}, expected)


@pytest.mark.parametrize("place", range(3))
def test_each_kind_of_prompt_is_compared(place: int) -> None:
    part = decoder_part(tiny.shared(tiny.HQ), 3)
    calls = iter(range(3))

    def wrong(inputs: dict[str, Tensor]) -> Sequence[Any]:
        changed = 1.0 if next(calls) == place else 0.0
        return [out.numpy() + changed for out in part.graph(**inputs)]

    assert compare(part, lambda inputs: [out.numpy() for out in part.graph(**inputs)]).largest == 0
    with pytest.raises(ConfigError, match="decoder to give torch's results"):
        compare(part, wrong)


def test_sam2_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"for LiteRT.*SAM 2 to ONNX"):
        check_first(tiny.shared(tiny.SECOND), "LiteRT")
