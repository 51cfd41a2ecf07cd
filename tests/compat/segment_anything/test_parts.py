"""The parts of the published `Sam`, called one by one, also for training."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests import tiny
from tests.compat.segment_anything.tiny_predictors import model

from samhq.compat.segment_anything import Sam
from samhq.config import ModelConfig
from samhq.errors import ConfigError, PromptError


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.HQ], ids=str)
def test_parts_take_no_rows(config: ModelConfig) -> None:
    sam = model(config)
    encoded = sam.image_encoder(tiny.pixels(config))
    features, early = (encoded, None) if isinstance(encoded, torch.Tensor) else encoded
    none, one = (decode_parts(sam, features, early, torch.ones(n, 4), multimask_output=True) for n in (0, 1))
    for ours, theirs in zip(none, one, strict=True):
        assert (ours.shape, ours.dtype) == ((0, *theirs.shape[1:]), theirs.dtype)


def test_encoders_return_what_each_package_returns() -> None:
    features = model(tiny.PLAIN).image_encoder(tiny.pixels(tiny.PLAIN))
    assert features.shape == (1, 32, 4, 4)
    features, early = model(tiny.HQ).image_encoder(tiny.pixels(tiny.HQ))
    assert (features.shape, [tuple(e.shape) for e in early]) == ((1, 32, 4, 4), [(1, 4, 4, 32)] * 2)
    features, early = model(tiny.LIGHT).image_encoder(tiny.pixels(tiny.LIGHT))
    assert (features.shape, [tuple(e.shape) for e in early]) == ((1, 32, 6, 6), [(1, 6, 6, 32)])
    mobile = model(tiny.LIGHT.replace(hq=False)).image_encoder
    assert mobile(tiny.pixels(tiny.LIGHT)).shape == (1, 32, 6, 6)
    assert mobile.img_size == 96


def test_prompt_encoder() -> None:
    encoder = model(tiny.HQ).prompt_encoder
    assert encoder.embed_dim == 32
    assert encoder.image_embedding_size == (4, 4)
    assert encoder.input_image_size == (64, 64)
    assert encoder.mask_input_size == (16, 16)
    assert encoder.get_dense_pe().shape == (1, 32, 4, 4)
    points, labels, boxes = torch.ones(3, 2, 2), torch.ones(3, 2), torch.tensor([[1.0, 2, 30, 40]] * 3)
    shapes = {
        (0, 1): encoder(points=None, boxes=None, masks=None),
        (3, 3): encoder(points=(points, labels), boxes=None, masks=None),
        (2, 3): encoder(points=None, boxes=boxes, masks=None),
        (4, 3): encoder(points=(points, labels), boxes=boxes, masks=torch.zeros(3, 1, 16, 16)),
    }
    for (tokens, rows), (sparse, dense) in shapes.items():
        assert sparse.shape == (rows, tokens, 32)
        assert dense.shape == (rows, 32, 4, 4)
    torch.testing.assert_close(encoder(boxes=boxes[:, None])[0], encoder(boxes=boxes)[0])
    with pytest.raises(AssertionError, match="box="):
        encoder(points=(points, 2 * labels))


def loss_of(sam: Sam, pixels: torch.Tensor, boxes: torch.Tensor, multimask: bool = False) -> torch.Tensor:
    """One step as MedSAM writes it, with SAM-HQ's early features where there are some."""
    seen = sam.image_encoder(pixels)
    features, extra = (seen, {}) if torch.is_tensor(seen) else (seen[0], {"interm_embeddings": seen[1]})
    with torch.no_grad():
        sparse, dense = sam.prompt_encoder(points=None, boxes=boxes[:, None, :], masks=None)
    masks, iou = sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        **extra,
    )
    target = torch.zeros_like(masks)
    target[..., 4:9, 3:12] = 1
    return F.binary_cross_entropy_with_logits(masks, target) + iou.square().mean()


@pytest.mark.parametrize("config", tiny.FIRST, ids=lambda config: config.name)
@pytest.mark.parametrize("multimask", [False, True])
def test_training_through_the_parts(config: ModelConfig, multimask: bool) -> None:
    sam, boxes = model(config), torch.tensor([[8.0, 8, 40, 30], [10, 20, 60, 60]])
    sam.train()
    sam.prompt_encoder.requires_grad_(False)
    optimiser = torch.optim.AdamW([p for p in sam.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(8):
        loss = loss_of(sam, tiny.pixels(config, 2), boxes, multimask)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    silent = [n for n, p in sam.mask_decoder.named_parameters() if p.grad is None]
    assert all(n.startswith("output_hypernetworks_mlps") for n in silent)
    first = next(p for n, p in sam.image_encoder.named_parameters() if "patch_embed" in n)
    assert first.grad.abs().sum() > 0


def decode_parts(sam: Sam, features: torch.Tensor, early: list[torch.Tensor], boxes: torch.Tensor, masks=None, **flags):
    sparse, dense = sam.prompt_encoder(points=None, boxes=boxes, masks=masks)
    return sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        interm_embeddings=early,
        **{"multimask_output": False, **flags},
    )


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("flags", [{}, {"multimask_output": True}, {"hq_token_only": True}], ids=str)
@torch.no_grad()
def test_rows_of_several_images(with_masks: bool, flags: dict) -> None:
    """A prompt an image, all at once, is each image with its prompt; one image is shared by all prompts."""
    sam = model(tiny.HQ)
    features, early = sam.image_encoder(tiny.pixels(tiny.HQ, 3))
    boxes = tiny.boxes(tiny.HQ, [True] * 3)
    masks = tiny.masks(tiny.HQ, [True] * 3) if with_masks else None
    together = decode_parts(sam, features, early, boxes, masks, **flags)
    shared = decode_parts(sam, features[:1], [e[:1] for e in early], boxes, masks, **flags)
    for i in range(3):
        mask = None if masks is None else masks[i : i + 1]
        alone = decode_parts(sam, features[i : i + 1], [e[i : i + 1] for e in early], boxes[i : i + 1], mask, **flags)
        on_first = decode_parts(sam, features[:1], [e[:1] for e in early], boxes[i : i + 1], mask, **flags)
        for batched, single in ((together, alone), (shared, on_first)):
            torch.testing.assert_close(batched[0][i : i + 1], single[0], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(batched[1][i : i + 1], single[1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_one_prompt_row_serves_all_images() -> None:
    """Scripts that learn their prompts call the prompt encoder with nothing and decode a whole batch."""
    sam = model(tiny.PLAIN)
    features = sam.image_encoder(tiny.pixels(tiny.PLAIN, 3))
    sparse, dense = sam.prompt_encoder(points=None, boxes=None, masks=None)
    pe = sam.prompt_encoder.get_dense_pe()
    masks, iou = sam.mask_decoder(features, pe, sparse, dense, multimask_output=True)
    assert (masks.shape, iou.shape) == ((3, 3, 16, 16), (3, 3))
    alone, _ = sam.mask_decoder(features[1:2], pe, sparse, dense, multimask_output=True)
    torch.testing.assert_close(masks[1:2], alone, rtol=1e-4, atol=1e-5)


def test_rows_that_do_not_fit_are_refused() -> None:
    sam = model(tiny.HQ)
    features, early = sam.image_encoder(tiny.pixels(tiny.HQ, 2))
    with pytest.raises(PromptError, match="2 of image_embeddings, 3 of sparse"):
        decode_parts(sam, features, early, tiny.boxes(tiny.HQ, [True] * 3))
    with pytest.raises(PromptError, match="interm_embeddings"):
        decode_parts(sam, features, [early[0][:1]], tiny.boxes(tiny.HQ, [True] * 2))
    with pytest.raises(ConfigError, match="interm_embeddings"):
        decode_parts(sam, features, None, tiny.boxes(tiny.HQ, [True] * 2))


@torch.no_grad()
def test_stacked_early_features_are_taken_too() -> None:
    sam = model(tiny.HQ)
    features, early = sam.image_encoder(tiny.pixels(tiny.HQ))
    boxes = tiny.boxes(tiny.HQ, [True])
    listed, stacked = (decode_parts(sam, features, maps, boxes)[0] for maps in (early, torch.stack(early)))
    torch.testing.assert_close(listed, stacked)
