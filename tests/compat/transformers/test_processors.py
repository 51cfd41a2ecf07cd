"""The processors: pictures and prompts in, masks of the pictures' sizes out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.compat.transformers.pictures import SIDE, picture

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import (
    SamHQModel,
    SamHQProcessor,
    SamImageProcessor,
    SamProcessor,
)
from samhq.compat.transformers.features import BatchFeature
from samhq.errors import ConfigError, ImageError, PromptError


@pytest.mark.parametrize("kind", ["tuple", "numpy", "torch", "mixed"])
def test_prompts_in_any_container(kind: str, processor: SamHQProcessor) -> None:
    points, labels, boxes = [[[[4, 6], [7, 8]]]], [[[1, 0]]], [[[1, 2, 30, 40]]]
    make: dict[str, Any] = {
        "tuple": lambda value: tuple(map(tuple, value)),
        "numpy": np.array,
        "torch": lambda value: torch.tensor(value, dtype=torch.bfloat16),
        "mixed": lambda value: [tuple(torch.tensor(one) for one in value[0])],
    }
    wanted = processor(picture(120, 90), None, points, labels, boxes, return_tensors="pt")
    own = processor(picture(120, 90), None, *map(make[kind], (points, labels, boxes)), return_tensors="pt")
    assert all(torch.equal(value, own[name]) for name, value in wanted.items())


@pytest.mark.parametrize("make", [list, np.array, torch.tensor])
def test_boxes_with_a_group_between_image_and_object(make: Any, processor: SamHQProcessor) -> None:
    boxes = [[[1, 2, 30, 40], [5, 6, 20, 30]], [[0, 0, 9, 9], [3, 3, 40, 50]]]
    images = [picture(120, 90), picture(64, 100)]
    plain = processor(images, input_boxes=boxes, return_tensors="pt")["input_boxes"]
    grouped = processor(images, input_boxes=make([[image] for image in boxes]), return_tensors="pt")["input_boxes"]
    assert torch.equal(plain, grouped)
    with pytest.raises(PromptError):
        processor(images, input_boxes=[[boxes[0], boxes[0]], [boxes[1], boxes[1]]])


def test_what_fills_up_is_marked(processor: SamHQProcessor) -> None:
    inputs = processor([picture(64, 64)] * 2, input_points=[[[1, 2]], [[3, 4], [5, 6], [7, 8]]], return_tensors="pt")
    assert inputs.input_labels.tolist() == [[[1, -10, -10]], [[1, 1, 1]]]
    assert inputs.input_points[0, 0].tolist() == [[1, 2], [-10, -10], [-10, -10]]
    other = processor(
        [picture(64, 64)] * 2, input_points=[[[1, 2]], [[3, 4], [5, 6]]], return_tensors="np", point_pad_value=0
    )
    assert other["input_points"][0, 0].tolist() == [[1, 2], [0, 0]]
    assert other["input_labels"].tolist() == [[[1, -10]], [[1, 1]]]
    boxes = processor([picture(64, 64)] * 2, input_boxes=[[[1, 2, 3, 4]], [[5, 6, 7, 8]] * 2], return_tensors="pt")
    assert boxes.input_boxes.isnan().all(-1).tolist() == [[False, True], [False, False]]


def test_each_image_is_scaled_by_its_own_size(processor: SamHQProcessor) -> None:
    boxes = processor(
        [picture(128, 64), picture(32, 64)], input_boxes=[[[0, 0, 64, 128]], [[0, 0, 64, 32]]], return_tensors="pt"
    ).input_boxes
    assert boxes.tolist() == [[[0, 0, 32, 64]], [[0, 0, 64, 32]]]


WRONG_PROMPTS: list[dict[str, Any]] = [
    {"input_points": [[1, 2]]},
    {"input_points": [[[1, 2, 3]]]},
    {"input_points": [[[1, 2]], [[3, 4]]]},
    {"input_points": [[["a", "b"]]]},
    {"input_points": [[[1, float("nan")]]]},
    {"input_points": [[[1, None]]]},
    {"input_points": 3},
    {"input_labels": [[1]]},
    {"input_points": [[[1, 2]]], "input_labels": [[1, 1]]},
    {"input_points": [[[1, 2]]], "input_labels": [1]},
    {"input_points": [[[1, 2]]], "input_labels": [[0.5]]},
    {"input_points": [[[[1, 2]], [[3, 4]]]], "input_labels": [[1, 1]]},
    {"input_boxes": [[1, 2, 3, 4]]},
    {"input_boxes": [[[1, 2, 3]]]},
    {"input_points": [[[1, 2]]], "input_boxes": [[[1, 2, 3, 4], [1, 2, 3, 4]]]},
]


@pytest.mark.parametrize("prompts", WRONG_PROMPTS)
def test_wrong_prompts_are_refused(prompts: dict[str, Any], processor: SamHQProcessor) -> None:
    with pytest.raises(PromptError):
        processor(picture(64, 64), **prompts)


def test_images_of_any_kind(processor: SamHQProcessor) -> None:
    image = picture(60, 44)
    array = np.asarray(image)
    wanted = processor(image, return_tensors="pt").pixel_values
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    for other in (array, tensor, [image], (array,), array[None], tensor[None], array / 255.0):
        assert torch.equal(processor(other, return_tensors="pt").pixel_values, wanted)
    assert processor(np.stack([array] * 3), return_tensors="pt").pixel_values.shape == (3, 3, 64, 64)
    with pytest.raises(ImageError):
        processor([])


def test_kinds_of_tensors(processor: SamHQProcessor) -> None:
    prompts: dict[str, Any] = {"input_points": [[[1, 2]]], "input_labels": [[1]], "input_boxes": [[[1, 2, 3, 4]]]}
    lists = processor(picture(60, 44), **prompts)
    assert lists["original_sizes"] == [(60, 44)]
    arrays = processor(picture(60, 44), **prompts, return_tensors="np")
    tensors = processor(picture(60, 44), **prompts, return_tensors="pt")
    for name, value in tensors.items():
        assert isinstance(arrays[name], np.ndarray)
        assert np.array_equal(arrays[name], value.numpy())
        assert np.array_equal(np.asarray(lists[name]), arrays[name])
    with pytest.raises(ConfigError, match="tf"):
        processor(picture(60, 44), return_tensors="tf")


def test_features_move_together_and_only_pixels_change_dtype(processor: SamHQProcessor, model: SamHQModel) -> None:
    inputs = processor(picture(60, 44), input_points=[[[33, 21]]], return_tensors="pt")
    assert inputs.to("cpu", torch.float16) is inputs
    assert inputs.pixel_values.dtype == torch.float16
    assert inputs["input_points"].dtype == torch.float32
    assert inputs.original_sizes.dtype == torch.int64
    pixel_values = inputs.pop("pixel_values")
    features, early = model.get_image_embeddings(pixel_values)
    inputs.update({"image_embeddings": features, "intermediate_embeddings": early})
    assert model(**inputs).pred_masks.shape == (1, 1, 3, 16, 16)
    assert pickle.loads(pickle.dumps(inputs)).keys() == inputs.keys()
    with pytest.raises(AttributeError, match="pixel_values"):
        _ = inputs.pixel_values
    assert not hasattr(BatchFeature(), "anything")


def test_segmentation_maps_become_labels(processor: SamHQProcessor, model: SamHQModel) -> None:
    image, marks = picture(60, 44), np.zeros((60, 44), np.int64)
    marks[30:] = 300
    for source in (marks, torch.from_numpy(marks), [marks], marks[None]):
        labels = processor(image, segmentation_maps=source, return_tensors="pt").labels
        assert labels.shape == (1, 16, 16)
        assert labels[0, :8].unique().tolist() == [0]
        assert labels[0, 8:, :12].unique().tolist() == [300]
        assert labels[0, :, 12:].unique().tolist() == [0]
    binary = processor(image, segmentation_maps=Image.fromarray(marks > 0), return_tensors="pt").labels
    assert torch.equal(binary, (labels > 0).long())
    for wrong in (np.zeros((44, 60), np.uint8), np.zeros((60, 44, 3)), [marks, marks], np.full((60, 44), 0.5)):
        with pytest.raises(ImageError):
            processor(image, segmentation_maps=wrong)
    inputs = processor(image, segmentation_maps=marks, return_tensors="pt")
    with pytest.raises(PromptError, match="input_masks"):
        model(**inputs)


def test_post_process_masks_in_every_form(processor: SamHQProcessor) -> None:
    logits = torch.randn(2, 1, 3, 16, 16)
    sizes = [(60, 44), (20, 64)], [(64, 47), (20, 64)]
    wanted = processor.post_process_masks(logits, *sizes)
    assert [mask.shape for mask in wanted] == [(1, 3, 60, 44), (1, 3, 20, 64)]
    for masks, own in (
        (list(logits), [torch.tensor(size) for size in sizes]),
        ([one.numpy() for one in logits], [np.array(size) for size in sizes]),
        (logits.double(), sizes),
    ):
        for found, mask in zip(processor.post_process_masks(masks, *own), wanted, strict=True):
            assert (found != mask).float().mean() < 1e-3
    floats = processor.post_process_masks(logits, *sizes, binarize=False)
    assert torch.equal(floats[0] > 0, wanted[0])
    same = processor.post_process_masks(logits, *sizes, pad_size={"height": 64, "width": 64})
    assert torch.equal(same[1], wanted[1])


@pytest.mark.parametrize(
    ("masks", "sizes", "error"),
    [
        (torch.zeros(1, 1, 3, 16, 16) > 0, ([(60, 44)], [(64, 47)]), PromptError),
        (torch.zeros(1, 3, 16, 16), ([(60, 44)], [(64, 47)]), PromptError),
        (torch.zeros(2, 1, 3, 16, 16), ([(60, 44)], [(64, 47)]), PromptError),
        (torch.zeros(1, 1, 3, 16, 16), ([(60, 44)], [(1024, 751)]), PromptError),
        (torch.zeros(1, 1, 3, 16, 16), ([60], [64]), PromptError),
        ([[1, 0], [0, 1]], ([(60, 44)] * 2, [(64, 47)] * 2), PromptError),
        ([[1, 0], [0, 1]], (np.array([[60, 44]]), np.array([[64, 47]])), PromptError),
        (torch.zeros(1, 1, 3, 16, 16), ([(0, 44)], [(64, 47)]), PromptError),
    ],
)
def test_post_process_masks_refuses(masks: Any, sizes: Any, error: type[Exception], processor: SamHQProcessor) -> None:
    with pytest.raises(error):
        processor.post_process_masks(masks, *sizes)


def test_processor_settings(tmp_path: Path) -> None:
    own = SamProcessor(SamImageProcessor(size={"longest_edge": 32}, pad_size=48, do_center_crop=None))
    assert own(picture(20, 10), return_tensors="pt").pixel_values.shape == (1, 3, 48, 48)
    own.save_pretrained(tmp_path)
    assert SamProcessor.from_pretrained(tmp_path).image_processor == own.image_processor
    changed = own(picture(20, 10), size={"longest_edge": 48}, return_tensors="pt")
    assert changed.reshaped_input_sizes.tolist() == [[48, 24]]
    for wrong in (
        {"size": 64},
        {"do_resize": False},
        {"image_mean": [0.5] * 3},
        {"pad_size": {"height": 4, "width": 8}},
        {"resample": 3},
        {"rescale_factor": -1},
        {"rescale_factor": "half"},
    ):
        with pytest.raises(ConfigError):
            own(picture(20, 10), **wrong)
    with pytest.raises(ConfigError, match="sise"):
        own(picture(20, 10), sise=32)
    with pytest.raises(ConfigError, match="text"):
        own(picture(20, 10), "a dog")


def test_a_processor_for_weights_without_settings(tmp_path: Path, hq: Any) -> None:
    save_model(hq, tmp_path / "model.pth")
    assert SamHQProcessor.from_pretrained(tmp_path / "model.pth").target_size == SIDE


def test_the_processor_names_the_image_and_the_object(processor: SamHQProcessor) -> None:
    pictures = [picture(20, 30), picture(30, 20)]
    with pytest.raises(PromptError, match=r"^Image 1 \(of 0 to 1\): Object 1 \(of 0 to 1\): Expected"):
        processor(pictures, input_points=[[[[1, 2]]], [[[1, 2]], [[1, 2, 3]]]])
    with pytest.raises(PromptError, match=r"^Image 1 \(of 0 to 1\): Object 1 \(of 0 to 1\): Expected"):
        processor(pictures, input_boxes=[[[1, 2, 8, 9]], [[1, 2, 8, 9], [1, 2, 8, float("nan")]]])
    with pytest.raises(PromptError, match=r"^Image 0 \(of 0 to 1\): Expected"):
        processor(pictures, input_points=[[[[1, 2]]], [[[1, 2]]]], input_labels=[[[0.5]], [[1]]])
    with pytest.raises(ImageError, match=r"^Image 1 \(of 0 to 1\): Expected"):
        processor([picture(20, 30), np.zeros((5, 5, 5))])


def test_settings_in_every_form(processor: SamHQProcessor, tmp_path: Path) -> None:
    own = processor.image_processor
    assert SamImageProcessor.from_dict(own.to_dict()) == own
    assert SamImageProcessor.from_dict(own.to_dict(), size={"longest_edge": 32}).size == {"longest_edge": 32}
    assert SamImageProcessor.from_dict(json.loads(own.to_json_string())) == own
    own.to_json_file(tmp_path / "any.json")
    assert SamImageProcessor.from_json_file(tmp_path / "any.json") == own
    own.save_pretrained(tmp_path / "image")
    processor.save_pretrained(tmp_path / "whole")
    for place in ("image", "whole"):
        again = SamHQProcessor.from_pretrained(tmp_path / place)
        assert again.to_dict() == processor.to_dict()
    assert json.loads(processor.to_json_string())["image_processor"] == json.loads(own.to_json_string())
    assert processor.to_dict()["processor_class"] == "SamHQProcessor"
    more = SamHQProcessor.from_pretrained(tmp_path / "whole", mask_size={"longest_edge": 12})
    assert more.image_processor == SamImageProcessor.from_dict({**own.to_dict(), "mask_size": 12})
    assert SamImageProcessor() == SamImageProcessor.from_dict({})


def test_the_processor_passes_pictures_and_maps_on_as_they_are(processor: SamHQProcessor) -> None:
    image, marks = picture(30, 400), Image.fromarray(np.arange(12000, dtype=np.uint16).reshape(30, 400) % 9 > 4)
    alone = processor.image_processor(images=image, segmentation_maps=marks, return_tensors="pt")
    whole = processor(images=image, segmentation_maps=marks, return_tensors="pt")
    assert whole.keys() == alone.keys()
    assert all(torch.equal(whole[name], value) for name, value in alone.items())
    assert alone.original_sizes.tolist() == [[30, 400]]
    assert alone.reshaped_input_sizes.tolist() == [[5, 64]]
    assert processor.model_input_names == list(processor(image))


def test_maps_of_pictures_of_several_sizes(processor: SamHQProcessor) -> None:
    images = [picture(20, 30), picture(40, 30), picture(8, 8)]
    maps = [np.full(image.size[::-1], 255, np.uint8) for image in images]
    wanted = processor(images, segmentation_maps=maps, return_tensors="pt").labels
    assert (wanted.shape, wanted.dtype) == ((3, 16, 16), torch.int64)
    assert [int(label.count_nonzero()) for label in wanted] == [16 * 11, 16 * 12, 16 * 16]
    for make in (Image.fromarray, torch.from_numpy):
        assert torch.equal(
            processor(images, segmentation_maps=list(map(make, maps)), return_tensors="pt").labels, wanted
        )


def test_pixels_that_are_scaled_already(processor: SamHQProcessor) -> None:
    array = np.asarray(picture(60, 44))
    wanted = processor(array, return_tensors="pt").pixel_values
    for options in ({"do_rescale": False}, {"rescale_factor": 1}, {"do_rescale": False, "rescale_factor": None}):
        assert torch.equal(processor(array / 255.0, **options, return_tensors="pt").pixel_values, wanted)


GROUPED: list[dict[str, Any]] = [
    {"images_kwargs": {"size": {"longest_edge": 32}, "input_points": [[[4, 5]]]}, "return_tensors": "pt"},
    {"common_kwargs": {"return_tensors": "pt"}, "size": {"longest_edge": 32}, "input_points": [[[4, 5]]]},
    {"common_kwargs": {"return_tensors": "pt"}, "images_kwargs": {"size": 32, "input_points": [[[4, 5]]]}},
]


@pytest.mark.parametrize("options", GROUPED)
@pytest.mark.parametrize("kind", [SamProcessor, SamHQProcessor])
def test_options_in_groups(kind: Any, options: dict[str, Any], processor: SamHQProcessor) -> None:
    own, image = kind(processor.image_processor), picture(60, 44)
    wanted = own(image, input_points=[[[4, 5]]], size={"longest_edge": 32}, return_tensors="pt")
    found = own(images=image, **options)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 32, "images_kwargs": {"size": 32}}, "size once"),
        ({"return_tensors": "pt", "common_kwargs": {"return_tensors": "np"}}, "return_tensors once"),
        ({"common_kwargs": {"size": 32}, "images_kwargs": {"size": 32}}, "size once"),
        ({"images_kwargs": {"sise": 32}}, "sise"),
        ({"images_kwargs": [1]}, "images_kwargs as a dict"),
        ({"text_kwargs": {"padding": True}}, "text_kwargs"),
    ],
)
def test_wrong_groups_of_options(options: dict[str, Any], message: str, processor: SamHQProcessor) -> None:
    with pytest.raises(ConfigError, match=message):
        processor(picture(20, 30), **options)
