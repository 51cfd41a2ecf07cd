"""The transformers face beside transformers itself, at tiny random size: names, files, values."""

from __future__ import annotations

import inspect
import textwrap
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import samhq.compat.transformers as ours

theirs = pytest.importorskip("transformers")
import transformers.models.sam.image_processing_pil_sam as their_pil  # noqa: E402
import transformers.models.sam_hq.modeling_sam_hq as their_hq  # noqa: E402

SIDE, DIM = 64, 32
VISION = {
    "hidden_size": 48, "output_channels": DIM, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": SIDE,
    "num_pos_feats": DIM // 2, "global_attn_indexes": [1, 3], "window_size": 3, "mlp_dim": 80,
}  # fmt: skip
PROMPT = {"hidden_size": DIM, "image_size": SIDE}
#: With the original models' eps; what transformers writes by itself, 1e-6, differs from them by some 1e-5.
DECODER = {
    "hidden_size": DIM,
    "num_attention_heads": 2,
    "mlp_dim": 48,
    "iou_head_hidden_dim": 24,
    "layer_norm_eps": 1e-5,
}
HQ_DECODER = {**DECODER, "vit_dim": 48}
NAMES = ("SamModel", "SamHQModel")
CONFIGS = ("SamConfig", "SamHQConfig")
PARTS = ("VisionConfig", "PromptEncoderConfig", "MaskDecoderConfig")


@lru_cache
def pair(name: str) -> tuple[Any, Any]:
    """Their model with random weights, and ours with the same."""
    config = getattr(theirs, name.replace("Model", "Config"))(
        vision_config=VISION, prompt_encoder_config=PROMPT, mask_decoder_config=HQ_DECODER if "HQ" in name else DECODER
    )
    torch.manual_seed(0)
    reference = getattr(theirs, name)(config).eval().requires_grad_(False)
    for name_of, parameter in reference.named_parameters():
        centre = 1.0 if "norm" in name_of and name_of.endswith("weight") else 0.0
        parameter.copy_(centre + torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1))
    model = getattr(ours, name)(getattr(ours, name.replace("Model", "Config")).from_dict(config.to_dict()))
    model.load_state_dict(reference.state_dict())
    return reference, model.requires_grad_(False)


@pytest.fixture
def right_hq(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers with the one wrong assignment of its SAM-HQ decoder corrected."""
    source = textwrap.dedent(inspect.getsource(their_hq.SamHQMaskDecoder.forward))
    wrong, right = (
        "point_embedding, iou_token_out = self.transformer(",
        "point_embedding, image_embeddings = self.transformer(",
    )
    if wrong not in source:
        pytest.skip("this version of transformers assigns something else")
    scope = dict(vars(their_hq))
    exec(source.replace(wrong, right), scope)
    monkeypatch.setattr(their_hq.SamHQMaskDecoder, "forward", scope["forward"])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


POINTS = random(2, 3, 2, 2, seed=1).abs() * 20
LABELS = torch.tensor([[[1, 0], [1, 1], [0, -1]], [[0, 0], [1, 1], [-1, 1]]])
BOXES = torch.cat([random(2, 3, 2, seed=2).abs() * 10, 30 + random(2, 3, 2, seed=3).abs() * 10], -1)
MASKS = random(2, 1, 16, 16, seed=4) * 5
CALLS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "points": {"input_points": POINTS},
    "labels": {"input_points": POINTS, "input_labels": LABELS},
    "boxes": {"input_boxes": BOXES},
    "both": {"input_points": POINTS, "input_labels": LABELS, "input_boxes": BOXES},
    "masks": {"input_masks": MASKS},
    "all": {"input_points": POINTS, "input_boxes": BOXES, "input_masks": MASKS},
    "single": {"input_points": POINTS, "multimask_output": False},
    "similarity": {"input_points": POINTS, "attention_similarity": random(6, 2, 1, 16, seed=5)},
    "target": {"input_points": POINTS, "target_embedding": random(2, 3, 1, DIM, seed=6)},
}


def calls(name: str, call: str) -> tuple[Any, Any]:
    """Both models' outputs. Their decoder wants the output tokens' count in `attention_similarity`."""
    reference, model = pair(name)
    arguments = {"pixel_values": random(2, 3, SIDE, SIDE), **CALLS[call]}
    if call == "similarity":
        arguments["attention_similarity"] = arguments["attention_similarity"].expand(-1, -1, 8 + ("HQ" in name), -1)
    with torch.no_grad():
        return reference(**arguments), model(**arguments)


@pytest.mark.parametrize("call", CALLS)
def test_sam_masks_and_scores(call: str) -> None:
    reference, output = calls("SamModel", call)
    assert reference.pred_masks.std() > 0.5
    if "input_points" in CALLS[call] or "input_boxes" in CALLS[call]:
        assert reference.pred_masks.std(dim=1).mean() > 0.05  # prompts make a difference
    torch.testing.assert_close(output.pred_masks, reference.pred_masks, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(output.iou_scores, reference.iou_scores, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("call", CALLS)
def test_hq_scores_and_shapes(call: str) -> None:
    reference, output = calls("SamHQModel", call)
    assert output.pred_masks.shape == reference.pred_masks.shape
    torch.testing.assert_close(output.iou_scores, reference.iou_scores, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("right_hq")
@pytest.mark.parametrize("call", CALLS)
def test_hq_masks_are_theirs_with_their_one_wrong_assignment_corrected(call: str) -> None:
    reference, output = calls("SamHQModel", call)
    torch.testing.assert_close(output.pred_masks, reference.pred_masks, atol=2e-4, rtol=1e-4)


@pytest.mark.usefixtures("right_hq")
def test_hq_mask_alone() -> None:
    reference, model = pair("SamHQModel")
    arguments = {"pixel_values": random(2, 3, SIDE, SIDE), "input_points": POINTS, "hq_token_only": True}
    with torch.no_grad():
        expected, output = reference(**arguments), model(**arguments)
    torch.testing.assert_close(output.pred_masks, expected.pred_masks, atol=2e-4, rtol=1e-4)
    assert output.iou_scores.shape == output.pred_masks.shape[:3]
    torch.testing.assert_close(output.iou_scores[..., 0], expected.iou_scores.max(-1).values, atol=1e-4, rtol=1e-4)


def test_their_uncorrected_masks_are_the_wrong_ones() -> None:
    """If this fails, transformers has been corrected, and the fixture above can go."""
    reference, output = calls("SamHQModel", "points")
    assert (output.pred_masks - reference.pred_masks).abs().max() > 0.1 * reference.pred_masks.std()


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    reference, model = pair(name)
    theirs_state, own = reference.state_dict(), model.state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in theirs_state.items()}
    assert all(torch.equal(own[key], value) for key, value in theirs_state.items())
    positional = "shared_image_embedding.positional_embedding"
    their_names = dict(reference.named_parameters()).keys() | dict(reference.named_buffers()).keys()
    assert dict(model.named_parameters()).keys() == their_names - {positional}
    assert dict(model.named_buffers()).keys() == {positional}


@pytest.mark.parametrize("name", NAMES)
def test_their_folder_is_ours(name: str, tmp_path: Path) -> None:
    reference, model = pair(name)
    reference.save_pretrained(tmp_path)
    loaded = getattr(ours, name).from_pretrained(tmp_path)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
    assert loaded.config.to_model_config() == model.config.to_model_config()


@pytest.mark.parametrize("name", NAMES)
def test_our_folder_is_theirs(name: str, tmp_path: Path) -> None:
    _, model = pair(name)
    model.save_pretrained(tmp_path)
    loaded, info = getattr(theirs, name).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        pixels = random(1, 3, SIDE, SIDE)
        expected, output = loaded(pixels, POINTS[:1]), model(pixels, POINTS[:1])
    torch.testing.assert_close(output.iou_scores, expected.iou_scores, atol=1e-5, rtol=1e-5)
    assert type(theirs.AutoModel.from_pretrained(tmp_path)).__name__ == name


@pytest.mark.parametrize("name", ["SamVisionModel", "SamHQVisionModel"])
def test_vision_model(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = getattr(theirs, name)(getattr(theirs, name.replace("Model", "Config"))(**VISION)).eval()
    reference.save_pretrained(tmp_path)
    model = getattr(ours, name).from_pretrained(tmp_path)
    assert model.state_dict().keys() == reference.state_dict().keys()
    pixels = random(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected, output = reference(pixels), model(pixels, output_hidden_states=True)
    torch.testing.assert_close(output.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-4)
    assert [state.shape for state in output.hidden_states] == [(2, 4, 4, 48)] * 5
    if "HQ" in name:
        for early, wanted in zip(output.intermediate_embeddings, expected.intermediate_embeddings, strict=True):
            torch.testing.assert_close(early, wanted, atol=1e-5, rtol=1e-4)
    model.save_pretrained(tmp_path / "ours")
    again, info = getattr(theirs, name).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_other_methods(name: str) -> None:
    reference, model = pair(name)
    pixels = random(2, 3, SIDE, SIDE)
    expected, embeddings = reference.get_image_embeddings(pixels), model.get_image_embeddings(pixels)
    torch.testing.assert_close(embeddings, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        model.get_image_wide_positional_embeddings(), reference.get_image_wide_positional_embeddings()
    )
    for arguments in ((POINTS, LABELS), (POINTS, LABELS, BOXES), (None, None, BOXES), (None, None, None, MASKS)):
        given = (*arguments, None, None)[:4]
        wanted, found = reference.get_prompt_embeddings(*given), model.get_prompt_embeddings(*given)
        assert (found[0] is None) == (wanted[0] is None)
        if wanted[0] is not None:
            torch.testing.assert_close(found[0], wanted[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found[1], wanted[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_by_position(name: str) -> None:
    """A call without names means the same in both, up to where transformers takes only names."""
    for method in ("forward", "get_image_embeddings", "get_prompt_embeddings"):
        expected, own = (
            [p.name for p in inspect.signature(getattr(getattr(home, name), method)).parameters.values()
             if p.kind is p.POSITIONAL_OR_KEYWORD]
            for home in (theirs, ours)
        )  # fmt: skip
        assert own[: len(expected)] == expected, method


@pytest.mark.parametrize("family", ["Sam", "SamHQ"])
@pytest.mark.parametrize("part", PARTS)
def test_default_configs(family: str, part: str) -> None:
    expected = getattr(theirs, family + part)().to_dict()
    own = getattr(ours, family + part)().to_dict()
    assert {name: list(v) if isinstance(v := expected[name], tuple) else v for name in own} == own
    if (family, part) != ("SamHQ", "MaskDecoderConfig"):
        return
    assert ours.SamHQConfig().mask_decoder_config.vit_dim == expected["vit_dim"]


@pytest.mark.parametrize("name", CONFIGS)
def test_config_files_both_ways(name: str, tmp_path: Path) -> None:
    decoder = HQ_DECODER if "HQ" in name else DECODER
    reference = getattr(theirs, name)(vision_config=VISION, prompt_encoder_config=PROMPT, mask_decoder_config=decoder)
    reference.save_pretrained(tmp_path)
    own = getattr(ours, name).from_pretrained(tmp_path)
    own.save_pretrained(tmp_path / "ours")
    again = getattr(theirs, name).from_pretrained(tmp_path / "ours")
    for part in ("vision_config", "prompt_encoder_config", "mask_decoder_config"):
        assert getattr(again, part).to_dict() == getattr(reference, part).to_dict()


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def processors(family: str) -> tuple[Any, Any]:
    sizes: dict[str, Any] = {
        "size": {"longest_edge": SIDE}, "pad_size": {"height": SIDE, "width": SIDE},
        "mask_size": {"longest_edge": 16}, "mask_pad_size": {"height": 16, "width": 16},
    }  # fmt: skip
    name = f"{family}Processor"
    return (
        getattr(theirs, name)(their_pil.SamImageProcessorPil(**sizes)),
        getattr(ours, name)(ours.SamImageProcessor(**sizes)),
    )


IMAGES = {
    "larger": picture(150, 201),
    "smaller": picture(21, 30),
    "fitting": picture(64, 40),
    "grey": picture(33, 47).convert("L"),
    "alpha": picture(33, 47).convert("RGBA"),
    "array": np.asarray(picture(90, 61)),
    "tensor": torch.from_numpy(np.asarray(picture(90, 61)).transpose(2, 0, 1).copy()),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_pixels(kind: str) -> None:
    reference, processor = processors("SamHQ")
    expected, own = (p(IMAGES[kind], return_tensors="pt") for p in (reference, processor))
    assert dict(own).keys() == dict(expected).keys()
    torch.testing.assert_close(own["pixel_values"], expected["pixel_values"], atol=1e-6, rtol=0)
    for name in ("original_sizes", "reshaped_input_sizes"):
        assert torch.equal(own[name], expected[name])
        assert own[name].dtype == expected[name].dtype


@pytest.mark.parametrize("family", ["Sam", "SamHQ"])
@pytest.mark.parametrize(
    "prompts",
    [
        {"input_points": [[[45.5, 60]], [[2, 3]]]},
        {"input_points": [[[[4, 6]], [[7, 8]]]] * 2, "input_labels": [[[1], [0]]] * 2},
        {"input_points": [[[4, 6], [9, 9]]] * 2, "input_labels": [[1, 0], [1, 1]]},
        {"input_boxes": [[[1, 2, 30, 40], [5, 5, 9, 9]]] * 2},
        {"input_points": torch.tensor([[[4.0, 6.0]]] * 2), "input_boxes": [[[1, 2, 30, 40]]] * 2},
    ],
)
def test_prompts(family: str, prompts: dict[str, Any]) -> None:
    reference, processor = processors(family)
    images = [picture(90, 61), picture(40, 75)]
    expected, own = (p(images, **prompts, return_tensors="pt") for p in (reference, processor))
    assert dict(own).keys() == dict(expected).keys()
    for name in prompts:
        assert own[name].shape == expected[name].shape
        torch.testing.assert_close(own[name].double(), expected[name].double(), atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("family", ["Sam", "SamHQ"])
def test_boxes_with_an_axis_of_its_own_each(family: str) -> None:
    """The shape [I,P,1,4], which their tests use; their processor keeps the boxes, in whatever nesting."""
    reference, processor = processors(family)
    boxes = torch.tensor([[[1.0, 2, 30, 40]], [[5, 5, 9, 9]], [[5, 5, 9, 9]]])[None]
    expected, own = (p(picture(90, 61), input_boxes=boxes, return_tensors="pt") for p in (reference, processor))
    assert own["input_boxes"].shape == (1, 3, 4)
    found = own["input_boxes"].double().flatten(0, -2)
    torch.testing.assert_close(found, expected["input_boxes"].double().flatten(0, -2), atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("name", ["SamVisionModel", "SamHQVisionModel"])
@pytest.mark.parametrize("hidden", [False, True])
def test_order_of_vision_outputs(name: str, hidden: bool) -> None:
    config = name.replace("Model", "Config")
    reference = getattr(theirs, name)(getattr(theirs, config)(**VISION)).eval()
    model = getattr(ours, name)(getattr(ours, config)(**VISION))
    options = {"output_hidden_states": hidden}
    with torch.no_grad():
        expected, own = (network(random(1, 3, SIDE, SIDE), **options) for network in (reference, model))
        their_tuple, our_tuple = (
            network(random(1, 3, SIDE, SIDE), **options, return_dict=False) for network in (reference, model)
        )
    assert list(own) == list(expected)
    sizes = [
        [one.shape if isinstance(one, torch.Tensor) else [state.shape for state in one] for one in values]
        for values in (our_tuple, their_tuple)
    ]
    assert sizes[0] == sizes[1]


def test_segmentation_maps() -> None:
    reference, processor = processors("SamHQ")
    image = picture(90, 61)
    labels = np.random.default_rng(0).integers(0, 5, (90, 61)).astype(np.uint8)
    expected, own = (p(image, segmentation_maps=labels, return_tensors="pt")["labels"] for p in (reference, processor))
    assert own.dtype == expected.dtype
    assert torch.equal(own, expected)


@pytest.mark.parametrize("binarize", [True, False])
def test_post_process_masks(binarize: bool) -> None:
    reference, processor = processors("Sam")
    sizes = [(90, 61), (21, 30)], [(64, 43), (45, 64)]
    logits = random(2, 3, 2, 16, 16)
    for threshold in (0.0, 0.4):
        expected = reference.image_processor.post_process_masks(logits, *sizes, threshold, binarize)
        own = processor.post_process_masks(logits, *(torch.tensor(size) for size in sizes), threshold, binarize)
        for wanted, found in zip(expected, own, strict=True):
            assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
            if binarize:
                assert (found != wanted).float().mean() < 1e-3
            else:
                torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["Sam", "SamHQ"])
def test_processor_files_both_ways(family: str, tmp_path: Path) -> None:
    reference, processor = processors(family)
    reference.save_pretrained(tmp_path / "theirs")
    processor.save_pretrained(tmp_path / "ours")
    name = f"{family}Processor"
    own = getattr(ours, name).from_pretrained(tmp_path / "theirs")
    assert own.image_processor == processor.image_processor
    again = getattr(theirs, name).from_pretrained(tmp_path / "ours")
    image = picture(90, 61)
    torch.testing.assert_close(
        torch.as_tensor(np.array(again(image)["pixel_values"][0])),
        own(image, return_tensors="pt")["pixel_values"][0],
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_crops_with_points(layers: int) -> None:
    reference, own = (p.image_processor for p in processors("Sam"))
    image = picture(150, 201)
    expected = reference.generate_crop_boxes(image, SIDE, layers, 0.3, 5)
    boxes, points, crops, labels = own.generate_crop_boxes(image, SIDE, layers, 0.3, 5)
    assert torch.equal(boxes, torch.as_tensor(expected[0]).float())
    assert torch.allclose(points, torch.as_tensor(expected[1]).float(), atol=1e-4)
    assert torch.equal(labels, torch.as_tensor(expected[3]))
    for mine, theirs_ in zip(crops, expected[2], strict=True):
        assert np.array_equal(mine.numpy(), theirs_)


@pytest.mark.parametrize("thresholds", [(0.0, 0.0), (0.4, 0.0), (0.4, 0.6)])
def test_filtered_masks(thresholds: tuple[float, float]) -> None:
    reference, own = (p.image_processor for p in processors("Sam"))
    crop = [0, 30, 120, 150]  # cut off above and on the right
    x, y, radius, steep = torch.rand(4, 40, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    across = torch.arange(120)
    distance = ((across - 120 * x) ** 2 + (across[:, None] - 120 * y) ** 2).sqrt()
    masks = (40 * radius - distance) * steep  # discs, from blurred to sharp
    masks[0, 0] = -9.0
    scores = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    expected = reference.filter_masks(masks, scores, (150, 201), torch.tensor(crop), *thresholds)
    codes, kept, boxes = own.filter_masks(masks, scores, (150, 201), torch.tensor(crop), *thresholds)
    assert 0 < len(codes) < 120
    assert codes == expected[0]
    assert torch.equal(kept, expected[1])
    assert torch.equal(boxes, expected[2])
