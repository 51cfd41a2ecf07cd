"""The network's parts, called as scripts for SAM 2 call them, give what the predictor gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from torch import Tensor

from samhq.compat.sam2 import SAM2ImagePredictor
from samhq.compat.sam2.parts import with_published_parts
from samhq.compat.sam2.refusals import RefusedPromptError
from samhq.config import ModelConfig
from samhq.model.sam2.sam2 import Sam2

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)
PROMPTS: dict[str, dict[str, Any]] = {
    "points": {"point_coords": [[20, 30], [40, 9]], "point_labels": [1, 0]},
    "several": {"point_coords": np.array([[[20, 30]], [[50, 40]]]), "point_labels": np.array([[1], [1]])},
    "mask": {"point_coords": [[20, 30]], "point_labels": [1], "mask_input": np.full((1, 16, 16), 3.0)},
}


def predictor(config: ModelConfig) -> SAM2ImagePredictor:
    model = tiny.model(config)
    assert isinstance(model, Sam2)
    made = SAM2ImagePredictor(with_published_parts(model))
    made.set_image(PICTURE)
    return made


def decoded(made: SAM2ImagePredictor, prompt: dict[str, Any], multimask: bool) -> tuple[Tensor, ...]:
    """The parts' outputs, in the lines of the scripts that fine-tune SAM 2."""
    mask, coords, labels, _ = made._prep_prompts(
        prompt["point_coords"], prompt["point_labels"], None, prompt.get("mask_input"), True
    )
    sparse, dense = made.model.sam_prompt_encoder(points=(coords, labels), boxes=None, masks=mask)
    assert made._features is not None
    return made.model.sam_mask_decoder(
        image_embeddings=made._features["image_embed"][-1].unsqueeze(0),
        image_pe=made.model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        repeat_image=True,
        high_res_features=[level[-1].unsqueeze(0) for level in made._features["high_res_feats"]],
    )


@torch.no_grad()
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kind", PROMPTS)
@pytest.mark.parametrize("config", [tiny.SECOND, tiny.SECOND_HQ], ids=["sam2", "hq"])
def test_parts_give_what_the_predictor_gives(config: ModelConfig, kind: str, multimask: bool) -> None:
    made = predictor(config)
    masks, iou, tokens, score = decoded(made, PROMPTS[kind], multimask)
    _, expected_iou, expected = made.predict(**PROMPTS[kind], multimask_output=multimask)
    count = 2 if kind == "several" else 1
    torch.testing.assert_close(masks.clamp(-32, 32), torch.from_numpy(expected).view_as(masks), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(iou, torch.from_numpy(expected_iou).view_as(iou), rtol=1e-4, atol=1e-5)
    assert tokens.shape == (count, 3 if multimask else 1, config.decoder.dim)
    assert score.shape == (count, 1)
    large = made._transforms.postprocess_masks(masks, made._orig_hw[-1])
    assert large.shape == (*masks.shape[:2], 60, 90)


def test_an_unstable_single_mask_is_replaced_in_eval_mode_alone() -> None:
    made = predictor(tiny.SECOND)
    made.model.sam_mask_decoder.dynamic_multimask_stability_thresh = 2.0
    best, _, token, _ = decoded(made, PROMPTS["points"], False)
    three, iou, _, _ = decoded(made, PROMPTS["points"], True)
    torch.testing.assert_close(best[:, 0], three[0, iou[0].argmax()][None], rtol=1e-4, atol=1e-4)
    made.model.sam_mask_decoder.train()
    own = decoded(made, PROMPTS["points"], False)
    assert not torch.allclose(own[0], best)
    assert torch.allclose(own[2], token)


def test_the_parts_learn() -> None:
    made = predictor(tiny.SECOND)
    made.model.sam_mask_decoder.train()
    target = torch.zeros(60, 90)
    target[10:40, 20:60] = 1
    optimiser = torch.optim.AdamW(made.model.sam_mask_decoder.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        masks, _, _, _ = decoded(made, PROMPTS["points"], True)
        large = made._transforms.postprocess_masks(masks, made._orig_hw[-1])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(large[:, 0], target[None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_the_hq_mask_alone_is_one_mask() -> None:
    made = predictor(tiny.SECOND_HQ)
    mask, coords, labels, _ = made._prep_prompts(*PROMPTS["points"].values(), None, None, True)
    assert mask is None
    sparse, dense = made.model.sam_prompt_encoder((coords, labels), None, None)
    assert made._features is not None
    features, levels = made._features["image_embed"], made._features["high_res_feats"]
    pe = made.model.sam_prompt_encoder.get_dense_pe()
    masks, iou, _, _ = made.model.sam_mask_decoder(features, pe, sparse, dense, True, False, levels, hq_token_only=True)
    expected = made.predict(**PROMPTS["points"], hq_token_only=True)
    torch.testing.assert_close(masks[0].detach(), torch.from_numpy(expected[2]), rtol=1e-4, atol=1e-4)
    assert iou.shape == (1, 1)
    with pytest.raises(RefusedPromptError, match="repeat_image"):
        made.model.sam_mask_decoder(features, pe, sparse.repeat(2, 1, 1), dense.repeat(2, 1, 1, 1), True, False, levels)


def test_boxes_and_no_prompts_are_tokens_as_in_the_original() -> None:
    encoder = predictor(tiny.SECOND).model.sam_prompt_encoder
    sparse, dense = encoder(None, torch.tensor([[1.0, 2, 30, 40]]), None)
    assert (sparse.shape, dense.shape) == ((1, 2, 32), (1, 32, 4, 4))
    assert encoder()[0].shape == (1, 0, 32)
    assert encoder((torch.ones(2, 3, 2), torch.ones(2, 3)))[0].shape == (2, 4, 32)
    with pytest.raises(RefusedPromptError, match="equally many"):
        encoder((torch.ones(2, 3, 2), torch.ones(2, 3)), torch.ones(1, 4))
    assert encoder.mask_input_size == (16, 16)
    assert encoder.input_image_size == (64, 64)
    assert encoder.image_embedding_size == (4, 4)
    assert encoder.embed_dim == 32
