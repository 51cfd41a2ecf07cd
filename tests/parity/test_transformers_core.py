"""The network floor beside transformers' SamModel and SamHQModel, at tiny size with the same random weights.

Masks of SamHQModel are no oracle: up to 5.23 its decoder paints from features that never met the prompt. Its scores
are one.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from samhq.checkpoint.naming import to_original, to_transformers
from samhq.config import ModelConfig
from samhq.model.encoders.vit import relative_table
from samhq.types import IGNORED, Prompts
from tests import tiny

transformers = pytest.importorskip("transformers")
IMAGES, PROMPTS = 2, 3
INDEX = torch.arange(IMAGES).repeat_interleave(PROMPTS)
CONFIGS = {"Sam": tiny.PLAIN, "SamHQ": tiny.HQ}


def peer(family: str, config: ModelConfig) -> Any:
    """The peer's model of the same size; its decoder norms get the original 1e-5 in place of its own 1e-6."""
    row, decoder = config.encoder, config.decoder

    def part(name: str, **numbers: object) -> Any:
        return getattr(transformers, f"{family}{name}Config")(**numbers)

    whole = part(
        "",
        vision_config=part(
            "Vision",
            hidden_size=row.dim,
            output_channels=decoder.dim,
            num_hidden_layers=row.depth,
            num_attention_heads=row.heads,
            image_size=config.side,
            window_size=row.window,
            global_attn_indexes=list(row.global_blocks),
            num_pos_feats=decoder.dim // 2,
            mlp_dim=row.mlp_dim,
        ),
        prompt_encoder_config=part("PromptEncoder", hidden_size=decoder.dim, image_size=config.side),
        mask_decoder_config=part(
            "MaskDecoder",
            hidden_size=decoder.dim,
            mlp_dim=decoder.mlp_dim,
            num_attention_heads=decoder.heads,
            iou_head_hidden_dim=decoder.iou_dim,
            layer_norm_eps=decoder.norm_eps,
            **({"vit_dim": row.dim} if family == "SamHQ" else {}),
        ),
    )
    return getattr(transformers, f"{family}Model")(whole).eval().requires_grad_(False)


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    config = CONFIGS[request.param]
    theirs, ours = peer(request.param, config), tiny.shared(config)
    missing, unexpected = theirs.load_state_dict(to_transformers(ours.state_dict()), strict=False)
    assert (missing, unexpected) == (["prompt_encoder.shared_embedding.positional_embedding"], [])
    return theirs, ours


@pytest.fixture(scope="module")
def sam_pair() -> tuple[Any, Any]:
    theirs, ours = peer("Sam", tiny.PLAIN), tiny.shared(tiny.PLAIN)
    theirs.load_state_dict(to_transformers(ours.state_dict()), strict=False)
    return theirs, ours


def as_flat(**grouped: torch.Tensor) -> Prompts:
    """The peer's [images, prompts, ...] as a flat list."""
    return Prompts(INDEX, **{name: value.flatten(0, 1) for name, value in grouped.items()})


def grouped_points(count: int) -> dict[str, torch.Tensor]:
    places, labels = tiny.points(tiny.PLAIN, [count] * IMAGES * PROMPTS)
    return {
        "points": places.view(IMAGES, PROMPTS, count, 2),
        "labels": labels.view(IMAGES, PROMPTS, count),
    }


def grouped_boxes() -> dict[str, torch.Tensor]:
    return {"boxes": tiny.boxes(tiny.PLAIN, [True] * IMAGES * PROMPTS).view(IMAGES, PROMPTS, 4)}


ASKED = {
    "point": grouped_points(1),
    "points": grouped_points(3),
    "boxes": grouped_boxes(),
    "points and boxes": {**grouped_points(2), **grouped_boxes()},
}


def test_names_and_shapes(pair: tuple[Any, Any]) -> None:
    theirs, ours = pair
    shapes = {key: value.shape for key, value in to_original(theirs.state_dict()).items()}
    assert shapes == {key: value.shape for key, value in ours.state_dict().items()}


def test_embeddings(pair: tuple[Any, Any]) -> None:
    theirs, ours = pair
    pixels = tiny.pixels(ours.config, IMAGES)
    embedding = ours.encode(pixels, keep_early=True)
    answer = theirs.vision_encoder(pixels)
    torch.testing.assert_close(embedding.features, answer[0])
    if ours.config.hq:
        torch.testing.assert_close(embedding.early, theirs.get_image_embeddings(pixels)[1][0])


def test_positions(pair: tuple[Any, Any]) -> None:
    theirs, ours = pair
    torch.testing.assert_close(ours.prompt_encoder.get_dense_pe(), theirs.get_image_wide_positional_embeddings())


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_prompt_tokens(pair: tuple[Any, Any], asked: dict[str, torch.Tensor]) -> None:
    theirs, ours = pair
    sparse, dense = theirs.prompt_encoder(asked.get("points"), asked.get("labels"), asked.get("boxes"), None)
    prompts = as_flat(**asked)
    torch.testing.assert_close(ours.prompt_encoder.sparse(prompts).tokens, sparse.flatten(0, 1))
    torch.testing.assert_close(ours.prompt_encoder.dense(None).expand_as(dense), dense)


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("multimask", [True, False])
def test_masks_and_scores(pair: tuple[Any, Any], asked: dict[str, torch.Tensor], multimask: bool) -> None:
    theirs, ours = pair
    pixels = tiny.pixels(ours.config, IMAGES)
    answer = theirs(pixels, **{f"input_{name}": value for name, value in asked.items()}, multimask_output=multimask)
    many = "sorted" if ours.config.hq else "all"
    low = ours.decode(ours.encode(pixels), as_flat(**asked), candidates=many if multimask else "single")
    torch.testing.assert_close(low.iou, answer.iou_scores.flatten(0, 1), atol=1e-5, rtol=1e-5)
    assert low.logits.shape == answer.pred_masks.flatten(0, 1).shape
    if not ours.config.hq:
        torch.testing.assert_close(low.logits, answer.pred_masks.flatten(0, 1), atol=1e-4, rtol=1e-4)


def test_a_mask_prompt(sam_pair: tuple[Any, Any]) -> None:
    """The peer takes one mask an image, shared by its prompts."""
    theirs, ours = sam_pair
    pixels, masks = tiny.pixels(ours.config, IMAGES), tiny.masks(ours.config, [True] * IMAGES)
    asked = ASKED["points"]
    answer = theirs(pixels, input_points=asked["points"], input_labels=asked["labels"], input_masks=masks)
    low = ours.decode(ours.encode(pixels), as_flat(**asked, masks=masks[INDEX][:, None]), candidates="all")
    torch.testing.assert_close(low.logits, answer.pred_masks.flatten(0, 1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("given", ["similarity", "target", "similarity and target"])
def test_guidance_by_an_example(sam_pair: tuple[Any, Any], given: str) -> None:
    """PerSAM's `attention_similarity` and `target_embedding`; the target moves the tokens' positions too."""
    theirs, ours = sam_pair
    config, source = ours.config, torch.Generator().manual_seed(3)
    pixels, asked = tiny.pixels(config, IMAGES), ASKED["points"]
    similarity = torch.randn(len(INDEX), 1, 1, config.grid**2, generator=source) if "similarity" in given else None
    target = torch.randn(len(INDEX), 1, config.decoder.dim, generator=source) if "target" in given else None
    answer = theirs(
        pixels,
        input_points=asked["points"],
        input_labels=asked["labels"],
        attention_similarity=similarity,
        target_embedding=None if target is None else target.view(IMAGES, PROMPTS, 1, -1),
        multimask_output=True,
    )
    embedding, before = ours.encode(pixels), None if target is None else target.clone()
    guided = ours.attend(embedding, as_flat(**asked), similarity=similarity, target=target)
    torch.testing.assert_close(guided.iou[:, 1:], answer.iou_scores.flatten(0, 1), atol=1e-5, rtol=1e-5)
    every = ours.mask_decoder.logits(guided, embedding, torch.tensor([[1, 2, 3]] * len(INDEX)))[0]
    torch.testing.assert_close(every, answer.pred_masks.flatten(0, 1), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(guided.iou, ours.attend(embedding, as_flat(**asked)).iou, atol=1e-3)
    assert before is None or torch.equal(before, target)


def test_filling_takes_part_there_and_not_here(sam_pair: tuple[Any, Any]) -> None:
    """A known difference: the peer's label -10 is a zero token that is attended to, ours does not exist."""
    theirs, ours = sam_pair
    pixels, asked = tiny.pixels(ours.config, IMAGES), grouped_points(2)
    asked["labels"][..., 1] = IGNORED
    low = ours.decode(ours.encode(pixels), as_flat(**asked), candidates="all")
    short = {name: value[:, :, :1] for name, value in asked.items()}
    unfilled = theirs(pixels, **{f"input_{name}": value for name, value in short.items()})
    filled = theirs(pixels, **{f"input_{name}": value for name, value in asked.items()})
    torch.testing.assert_close(low.logits, unfilled.pred_masks.flatten(0, 1), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(filled.pred_masks, unfilled.pred_masks, atol=1e-2)


@pytest.mark.parametrize("size", [2, 4, 9])
def test_relative_tables_of_any_length(sam_pair: tuple[Any, Any], size: int) -> None:
    """Another length is interpolated: what happens to a table on another side."""
    attention = sam_pair[0].vision_encoder.layers[1].attn
    expected = attention.get_rel_pos(size, size, attention.rel_pos_h)
    torch.testing.assert_close(relative_table(attention.rel_pos_h, size), expected)
