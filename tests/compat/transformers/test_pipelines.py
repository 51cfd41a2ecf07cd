"""transformers' mask-generation pipeline: its arguments and outputs, without its crashes."""

from __future__ import annotations

import copy
from collections import UserList
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.inference.test_segment import picture
from torch.utils.data import Dataset, IterableDataset

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import SamHQModel, SamImageProcessor
from samhq.compat.transformers.pipelines import MaskGenerationPipeline, pipeline
from samhq.config import Defaults
from samhq.errors import ConfigError, ImageError, PromptError, SamHQWarning
from samhq.image.boxes import boxes_from_masks
from samhq.inference.automatic import propose
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.masks import rle
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig

LOOSE: dict[str, Any] = {
    "points_per_crop": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.01, "crops_nms_thresh": 1.0,
}  # fmt: skip


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    assert len(one["masks"]) == len(other["masks"]) > 0
    assert torch.allclose(one["scores"], other["scores"], atol=1e-5)
    return all((a != b).sum() <= 2 for a, b in zip(one["masks"], other["masks"], strict=True))


def test_thresholds_that_come_with_the_weights_are_the_defaults(hq: Sam) -> None:
    every = pipeline(model=hq, **LOOSE)(picture())
    tuned = copy.copy(hq)
    tuned.config = replace(
        hq.config, defaults=Defaults(pred_iou_thresh=LOOSE["pred_iou_thresh"], stability_score_thresh=0.01)
    )
    loose = pipeline(model=tuned, points_per_crop=4, crops_nms_thresh=1.0)
    assert same(loose(picture()), every)
    why = r"got none: the highest predicted IoU is .*; lower pred_iou_thresh from 0\.88"
    with pytest.warns(SamHQWarning, match=why):
        assert len(loose(picture(), pred_iou_thresh=0.88)["masks"]) == 0


@pytest.fixture
def generator(hq: Sam) -> MaskGenerationPipeline:
    return pipeline("mask-generation", model=hq, **LOOSE)


def test_masks_and_scores(generator: MaskGenerationPipeline, hq: Sam) -> None:
    output = generator(picture(90, 120), output_rle_mask=True, output_bboxes_mask=True)
    own = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.01, "box_nms_thresh": 1.0}
    expected = segment_everything(picture(90, 120), hq, candidates="all", **own)
    assert list(output) == ["masks", "scores", "rle_mask", "bounding_boxes"]
    assert len(output["masks"]) == len(expected) == 48  # three a point, as in transformers
    assert output["scores"].tolist() == expected.scores.tolist()
    for mask, code, box, record in zip(
        output["masks"], output["rle_mask"], output["bounding_boxes"], expected.records, strict=True
    ):
        assert mask.dtype == torch.bool
        assert np.array_equal(mask.numpy(), record["segmentation"])
        assert code == rle.uncompressed(mask.numpy())
        assert box.tolist() == boxes_from_masks(mask.numpy()).tolist()
    assert list(generator(picture())) == ["masks", "scores"]


def test_a_list_of_pictures_of_any_sizes(generator: MaskGenerationPipeline, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(picture(50, 30)).save(path)
    pictures = [picture(90, 120), str(path), Image.fromarray(picture(40, 40))]
    together = generator(pictures, batch_size=3)
    assert isinstance(together, list)
    for one, output in zip(pictures, together, strict=True):
        assert same(output, generator(one))
    assert generator([]) == []


class Gallery(Dataset[Any]):
    """A data set as people write them, which knows nothing of where it ends."""

    def __init__(self, pictures: list[Any]) -> None:
        self.pictures, self.read = pictures, 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Any:
        self.read += 1
        return {"image": self.pictures[index % len(self.pictures)]}


class Stream(IterableDataset[Any]):
    """A data set without a length."""

    def __init__(self, pictures: list[Any]) -> None:
        self.pictures = pictures

    def __iter__(self) -> Iterator[Any]:
        yield from self.pictures


class CountedStream(Stream):
    """One that knows its length, but gives nothing by number."""

    def __len__(self) -> int:
        return len(self.pictures)


def test_a_data_set_is_read_while_outputs_are_taken(generator: MaskGenerationPipeline) -> None:
    """As transformers' pipelines do; their KeyDataset picks the pictures."""
    pytest.importorskip("transformers")
    from transformers.pipelines.pt_utils import KeyDataset

    pictures = [picture(50, 30), picture(40, 40), picture(30, 50)]
    gallery = Gallery(pictures)
    outputs = generator(KeyDataset(gallery, "image"))
    assert (len(outputs), gallery.read) == (3, 0)
    assert same(next(iter(outputs)), generator(pictures[0]))
    assert gallery.read == 1
    for _ in range(2):  # a data set can be gone through again
        for one, output in zip(pictures, outputs, strict=True):
            assert same(output, generator(one))


@pytest.mark.parametrize("wrap", [lambda p: (one for one in p), iter, UserList, Stream, CountedStream])
def test_outputs_come_one_by_one(generator: MaskGenerationPipeline, wrap: Callable[[list[Any]], Any]) -> None:
    pictures = [picture(50, 30), picture(40, 40)]
    outputs = generator(wrap([*pictures, "nowhere.png"]))
    assert not isinstance(outputs, list | dict)
    running = iter(outputs)
    for one in pictures:
        assert same(next(running), generator(one))
    with pytest.raises(ImageError, match="Image 2"):
        next(running)


def test_options_are_checked_before_a_picture_is_asked_for(generator: MaskGenerationPipeline) -> None:
    for wrong in ({"points_per_batch": 0}, {"points_per_side": 3}):
        with pytest.raises(ConfigError):
            generator(Stream([]), **wrong)


@pytest.mark.parametrize("factor", [1, 2])
def test_crops(generator: MaskGenerationPipeline, factor: int) -> None:
    output = generator(picture(90, 120), crops_n_layers=1, crop_n_points_downscale_factor=factor)
    assert len(output["masks"]) >= 48
    assert {mask.shape for mask in output["masks"]} == {(90, 120)}


@pytest.mark.parametrize("points", [1, 7, 64, None])
def test_points_per_batch_does_not_matter(generator: MaskGenerationPipeline, points: int | None) -> None:
    assert same(generator(picture(), points_per_batch=points), generator(picture()))


@pytest.mark.parametrize("crops", [0, 1])
def test_nothing_found(generator: MaskGenerationPipeline, crops: int) -> None:
    output = generator(picture(), pred_iou_thresh=9.0, crops_n_layers=crops, output_rle_masks=True,
                       output_bboxes_mask=True)  # fmt: skip
    assert output["masks"] == output["rle_mask"] == []
    assert output["scores"].shape == (0,)
    assert output["bounding_boxes"].shape == (0, 4)


def test_every_option_arrives(hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[AutomaticConfig] = []

    def spy(model: Sam, image: np.ndarray, config: AutomaticConfig) -> Any:
        seen.append(config)
        return propose(model, image, AutomaticConfig(points_per_side=1))

    monkeypatch.setattr("samhq.compat.transformers.pipelines.propose", spy)
    said = {"points_per_batch": 5, "points_per_crop": 6, "crops_n_layers": 2, "crop_overlap_ratio": 0.1,
            "crop_n_points_downscale_factor": 3, "pred_iou_thresh": 0.1, "stability_score_thresh": 0.2,
            "stability_score_offset": 2, "mask_threshold": 0.5, "crops_nms_thresh": 0.3}  # fmt: skip
    pipeline(model=hq)(picture(), **said)
    config = seen[0]
    assert (config.points_per_batch, config.points_per_side, config.crop_n_layers) == (5, 6, 2)
    assert (config.crop_overlap_ratio, config.crop_n_points_downscale_factor) == (0.1, 3)
    assert (config.pred_iou_thresh, config.stability_score_thresh, config.stability_score_offset) == (0.1, 0.2, 2)
    assert (config.mask_threshold, config.box_nms_thresh, config.crop_nms_thresh) == (0.5, 0.3, 0.3)
    pipeline(model=hq)(picture())
    assert vars(seen[1]) == vars(AutomaticConfig(candidates="all"))


def test_models_of_any_kind(hq: Sam, generator: MaskGenerationPipeline, tmp_path: Path) -> None:
    save_model(hq, tmp_path / "folder")
    for model in (Segmenter(hq), str(tmp_path / "folder"), tmp_path / "folder"):
        made = pipeline(task="mask-generation", model=model, device=-1, torch_dtype="float32", **LOOSE)
        assert same(made(picture()), generator(picture()))
        assert made.device == torch.device("cpu")
    with pytest.raises(ConfigError, match="got a dict"):
        pipeline(model={})


def test_an_address_is_fetched(generator: MaskGenerationPipeline, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"http://127\.0\.0\.1:9/cat\.png"):
        generator("http://127.0.0.1:9/cat.png", timeout=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points_per_side": 3}, "points_per_crop"),
        ({"points_per_batch": 0}, "points_per_batch"),
        ({"max_hole_area": 5}, "min_mask_region_area"),
    ],
)
def test_options_that_mean_nothing(generator: MaskGenerationPipeline, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generator(picture(), **options)


def test_another_task_is_refused(hq: Sam) -> None:
    with pytest.raises(ConfigError, match="mask-generation"):
        pipeline("depth-estimation", model=hq)


def test_of_several_pictures_the_wrong_one_is_named(generator: MaskGenerationPipeline) -> None:
    for given in ([picture(), np.zeros((5, 5, 5))], iter([picture(), np.zeros((5, 5, 5))])):
        with pytest.raises(ImageError, match=r"^Image 1 \((of 0 to 1|from 0)\): Expected"):
            list(generator(given))


@pytest.mark.parametrize(("crops", "factor"), [(0, 1), (1, 2)])
def test_the_steps_one_by_one_find_the_same(tmp_path: Path, crops: int, factor: int) -> None:
    """As scripts do that go through transformers' image processor themselves."""
    save_model(tiny.shared(tiny.HQ), tmp_path / "folder")
    model, steps = (
        SamHQModel.from_pretrained(tmp_path / "folder"),
        SamImageProcessor.from_pretrained(tmp_path / "folder"),
    )
    boxes, points, parts, labels = steps.generate_crop_boxes(
        picture(90, 120), 64, crops, points_per_crop=4, crop_n_points_downscale_factor=factor
    )
    inputs = steps(parts, return_tensors="pt")
    found = []
    for number, (pixels, size, inner) in enumerate(
        zip(inputs["pixel_values"], inputs["original_sizes"], inputs["reshaped_input_sizes"], strict=True)
    ):
        own = labels[0, :, number] != -10
        with torch.no_grad():
            output = model(
                pixels[None], input_points=points[:, own, number, None], input_labels=labels[:, own, number, None]
            )
        logits = steps.post_process_masks(output.pred_masks, [size.tolist()], [inner.tolist()], binarize=False)[0]
        found.append(steps.filter_masks(logits, output.iou_scores[0], (90, 120), boxes[number], 0.0, 0.01))
    codes = [code for part in found for code in part[0]]
    scores, places = (torch.cat([part[i] for part in found]) for i in (1, 2))
    for threshold in (1.0, 0.9):
        masks, left, _, kept = steps.post_process_for_mask_generation(codes, scores, places, threshold)
        assert torch.equal(left, left.sort(descending=True).values)
        if crops:  # between crops the pipeline prefers the smaller one, as segment-anything does
            assert 0 < len(masks) <= len(codes)
            continue
        loose = {**LOOSE, "crops_nms_thresh": threshold}
        expected = pipeline(model=tiny.shared(tiny.HQ), **loose)(picture(90, 120), output_bboxes_mask=True)
        assert same({"masks": masks, "scores": left}, expected)
        assert torch.equal(kept, expected["bounding_boxes"])


def test_masks_of_another_size_than_the_crop_are_refused() -> None:
    with pytest.raises(PromptError, match=r"\[P,K,90,120\]"):
        SamImageProcessor().filter_masks(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3), (90, 120), [0, 0, 120, 90])
