"""The published `Sam`: batched input, its own pre- and post-processing, copies."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from tests import tiny
from tests.compat.segment_anything.tiny_predictors import PICTURE, SIZE, batch, model
from torch import nn

from samhq.compat.segment_anything import SamPredictor
from samhq.compat.segment_anything.sam import with_published_interface
from samhq.config import ModelConfig
from samhq.errors import ConfigError, ImageError, PromptError, SamHQError
from samhq.model.build import build


@pytest.mark.parametrize("config", tiny.FIRST, ids=lambda config: config.name)
def test_state_dict_is_the_originals(config: ModelConfig) -> None:
    sam, core = model(config), build(config, device="meta")
    assert list(sam.state_dict()) == list(core.state_dict())
    assert {name.split(".")[0] for name in sam.state_dict()} == {"image_encoder", "prompt_encoder", "mask_decoder"}
    assert isinstance(sam, nn.Module)
    assert not sam.training
    assert (sam.image_format, sam.mask_threshold) == ("RGB", 0.0)
    assert sam.pixel_mean.shape == sam.pixel_std.shape == (3, 1, 1)


@pytest.mark.parametrize(("config", "many"), [(tiny.PLAIN, 3), (tiny.HQ, 1)], ids=lambda v: str(v)[:30])
def test_batched_input_equals_the_predictor(config: ModelConfig, many: int) -> None:
    sam = model(config)
    inputs = batch(sam)
    outputs = sam(inputs, multimask_output=True)
    assert [tuple(output["masks"].shape) for output in outputs] == [(2, many, *SIZE), (3, many, 40, 77)]
    predictor = SamPredictor(sam)
    for record, output in zip(inputs, outputs, strict=True):
        predictor.set_torch_image(record["image"][None], record["original_size"])
        masks, iou, low = predictor.predict_torch(
            record.get("point_coords"), record.get("point_labels"), record.get("boxes")
        )
        torch.testing.assert_close(output["low_res_logits"], low, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(output["iou_predictions"], iou, rtol=1e-4, atol=1e-5)
        assert output["masks"].dtype == torch.bool
        assert (output["masks"] != masks).float().mean() < 0.001
        again = sam([{**record, "mask_inputs": low[:, :1]}], multimask_output=False)
        expected = predictor.predict_torch(
            record.get("point_coords"), record.get("point_labels"), record.get("boxes"), low[:, :1], False
        )
        torch.testing.assert_close(again[0]["low_res_logits"], expected[2], rtol=1e-4, atol=1e-4)


def test_forward_tracks_gradients_in_training_mode_alone() -> None:
    sam = model(tiny.HQ)
    assert not any(value.requires_grad for value in sam(batch(sam), multimask_output=False)[0].values())
    sam.train()
    (output, _) = sam(batch(sam), multimask_output=True, hq_token_only=True)
    output["low_res_logits"].mean().backward()
    assert sam.mask_decoder.hf_token.weight.grad.abs().sum() > 0
    assert sam.image_encoder.pos_embed.grad.abs().sum() > 0
    with torch.no_grad():
        assert not sam(batch(sam), multimask_output=False)[0]["low_res_logits"].requires_grad


def test_forward_of_nothing() -> None:
    assert model(tiny.PLAIN)([], multimask_output=True) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"box": torch.zeros(1, 4)}, "boxes"),
        ({"labels": torch.zeros(1, 1)}, "point_labels"),
        ({"image": torch.zeros(1, 3, 64, 43)}, "3, h, w"),
        ({"image": PICTURE}, "3, h, w"),
        ({"image": torch.zeros(3, 65, 43)}, "up to 64"),
    ],
)
def test_forward_refuses(change: dict, message: str) -> None:
    sam = model(tiny.HQ)
    with pytest.raises(SamHQError, match=message):
        sam([{**batch(sam)[0], **change}], multimask_output=True)


def test_forward_refuses_what_lacks_its_size() -> None:
    sam = model(tiny.HQ)
    with pytest.raises(PromptError, match="original_size"):
        sam([{"image": torch.zeros(3, 64, 43)}], multimask_output=True)


def test_preprocess_and_postprocess() -> None:
    sam = model(tiny.HQ)
    picture = torch.full((3, 64, 40), 200.0)
    pixels = sam.preprocess(picture)
    assert pixels.shape == (3, 64, 64)
    expected = (picture - sam.pixel_mean) / sam.pixel_std
    torch.testing.assert_close(pixels[:, :, :40], expected)
    assert (pixels[:, :, 40:] == 0).all()
    torch.testing.assert_close(sam.preprocess(picture[None].repeat(2, 1, 1, 1))[1], pixels)
    low = tiny.masks(tiny.HQ, [True, True])
    full = F.interpolate(low, (64, 64), mode="bilinear")[..., :64, :40]
    expected = F.interpolate(full, (90, 57), mode="bilinear")
    torch.testing.assert_close(sam.postprocess_masks(low, (64, 40), (90, 57)), expected)


def test_face_model_serves_as_a_core_model() -> None:
    """`encode` and `decode` answer as the core's, also where the published encoder returns a tensor."""
    for config in tiny.FIRST:
        sam, core = model(config), tiny.shared(config)
        pixels = tiny.pixels(config, 2)
        with torch.no_grad():
            ours, theirs = (each.encode(pixels, keep_early=config.hq) for each in (sam, core))
            torch.testing.assert_close(ours.features, theirs.features)
            if config.hq:
                torch.testing.assert_close(ours.hq, theirs.hq)
                torch.testing.assert_close(ours.early, theirs.early)
        with pytest.raises(ConfigError, match="pixels of shape"):
            sam.encode(pixels[..., :-1])


def test_copies_and_device_moves() -> None:
    sam = copy.deepcopy(model(tiny.HQ))
    assert sam.to(device="cpu") is sam
    assert sam.half().dtype == torch.float16
    assert with_published_interface(sam) is sam


def test_the_record_and_the_rows_that_are_wrong_are_named() -> None:
    sam = model(tiny.HQ)
    image = torch.zeros(3, 64, 64)
    fine = {"image": image, "original_size": (64, 64), "boxes": torch.tensor([[1.0, 1, 9, 9]] * 3)}
    nan = torch.tensor([[1.0, 1, 9, 9], [1, 1, torch.nan, 9], [1, 1, 9, torch.inf]])
    with pytest.raises(PromptError, match=r"^Input 1 \(of 0 to 1\): .* in rows 1, 2"):
        sam([fine, {**fine, "boxes": nan}], multimask_output=False)
    with pytest.raises(PromptError, match=r"^Input 0 \(of 0 to 1\): .*'point'"):
        sam([{**fine, "point": 1}, fine], multimask_output=False)
    with pytest.raises(ImageError, match=r"^Input 1 \(of 0 to 1\): Expected `image`"):
        sam([fine, {**fine, "image": image[None]}], multimask_output=False)
    with pytest.raises(PromptError, match="got 7 in rows 1"):
        sam.prompts(torch.ones(2, 1, 2), torch.tensor([[1], [7]]), None, None)
