"""The library on a GPU, as far as a CPU can show it: right devices, equal results, and where the program waits.

A tensor of `tests.pretended` says that it is on `cuda:0`, so the branches for GPUs run. A GPU is fast only while the
program runs ahead of it: pictures and prompts go there without waiting, and only results are waited for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from samhq.compat.sam2 import SAM2ImagePredictor, SAM2VideoPredictor
from samhq.compat.segment_anything import SamPredictor
from samhq.compat.transformers import SamHQConfig, SamHQModel
from samhq.config import ModelConfig
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.training.run import Run
from samhq.types import Prompts
from samhq.video.prompts import VideoPrompt
from samhq.video.segmenter import VideoSegmenter
from tests import tiny
from tests.compat.segment_anything import tiny_predictors
from tests.pretended import DEVICE, Cuda, moved
from tests.training.worlds import Held, quick, saved
from tests.video import small

PICTURE = np.kron(np.random.default_rng(0).integers(0, 255, (6, 8, 3)), np.ones((12, 12, 1))).astype(np.uint8)
MASK = np.zeros(PICTURE.shape[:2], bool)
MASK[20:50, 30:70] = True
PROMPTS: dict[str, dict[str, Any]] = {
    "click": {"points": [[30, 40]]},
    "candidates": {"points": [[30, 40], [5, 5]], "labels": [1, 0], "multimask": True},
    "boxes": {"boxes": [[10, 10, 60, 70], [5, 5, 50, 50]]},
    "mask": {"mask": MASK},
    "mixed": {
        "prompts": [Prompt(points=[[3, 4], [30, 40]], labels=[0, 1]), Prompt(box=[9, 9, 50, 60]), Prompt(mask=MASK)]
    },
}
EVERYTHING: dict[str, dict[str, Any]] = {
    "plain": {},
    "layers": {"crop_n_layers": 1, "low_res_region_area": 10},
    "second pass": {"second_pass": True},
    "drafts": {"draft_first": True, "points_per_batch": 5},
}


def on_gpu(sam: Sam) -> Any:
    """A copy of the network on the pretended device."""
    return moved(copy.deepcopy(sam))


def plain(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(Tensor).float()


def test_devices_do_not_mix() -> None:
    here, there = torch.ones(2), moved(torch.ones(2))
    with Cuda() as cuda:
        assert there.device == (there + 1).device == torch.zeros(2, device="cuda").device == DEVICE
        assert here.device == there.cpu().device == torch.device("cpu")
        refused: list[Callable[[], Any]] = [
            lambda: here + there,
            lambda: torch.cat([there, here]),
            lambda: here[there.long()],
            there.numpy,
            lambda: np.asarray(there),
            lambda: torch.rand(2, device="cuda", generator=torch.Generator()),
        ]
        for call in refused:
            with pytest.raises((RuntimeError, TypeError)):
                call()
        assert cuda.waits.total() == 1


def test_reading_values_waits() -> None:
    there = moved(torch.ones(2))
    with Cuda() as cuda:
        torch.ones(2).to("cuda", non_blocking=True)
        there.add_(torch.arange(2, device="cuda")).sum()
        assert not cuda.waits
        calls: list[Callable[[], Any]] = [
            there.max().item, there.tolist, there.nonzero, there.cpu, lambda: bool(there.any()),
            lambda: there[there > 0], lambda: there[torch.tensor([0])], lambda: torch.tensor([1], device="cuda"),
        ]  # fmt: skip
        for count, call in enumerate(calls, start=1):
            call()
            assert cuda.waits == {"elsewhere": count}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
def test_masks_are_those_of_the_cpu_and_nothing_waits(config: ModelConfig, dtype: torch.dtype) -> None:
    sam = copy.deepcopy(tiny.shared(config)).to(dtype)
    gpu, pixels, grid = on_gpu(sam), tiny.pixels(config, 2), 4 * config.grid
    places, labels = tiny.points(config, [1, 2, 3])
    boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0], [torch.nan] * 4, [10.0, 20.0, 30.0, 50.0]])
    masks = torch.randn(3, 1, grid, grid, generator=torch.Generator().manual_seed(0))
    masks[1] = torch.nan
    asked = [Prompts(torch.tensor([1, 0, 1]), places, labels, *more) for more in ((), (boxes,), (boxes, masks))]
    with torch.inference_mode():
        embedding = sam.encode(pixels)
        expected = [sam.decode(embedding, prompts) for prompts in asked]
        with Cuda() as cuda:
            there = gpu.encode(moved(pixels))
            low = [gpu.decode(there, prompts) for prompts in asked]
            assert {there.features.device, *(one.logits.device for one in low)} == {DEVICE}
    # Biases of a few tokens, or one for all windows, cost little to copy.
    assert set(cuda.unfused) <= {"transformer.py:attended", "tiny_vit.py:forward"}
    # Prompts of several pictures take those pictures' rows, which needs their numbers on the device.
    assert set(cuda.waits) <= {"sam.py:attend"}
    within = 1e-5 if dtype == torch.float32 else 0.03
    for ours, cpu in zip(low, expected, strict=True):
        assert (plain(ours.logits) - cpu.logits.float()).abs().max() <= within * cpu.logits.abs().max()
        assert (plain(ours.iou) - cpu.iou.float()).abs().max() <= within


@pytest.mark.parametrize("name", PROMPTS)
def test_only_results_are_waited_for(any_sam: Sam, name: str) -> None:
    segmenter, gpu = Segmenter(any_sam), Segmenter(on_gpu(any_sam))
    expected = segmenter.segment(PICTURE, **PROMPTS[name])
    with Cuda() as cuda:
        found = gpu.segment(PICTURE, **PROMPTS[name])
    np.testing.assert_allclose(found.candidate_scores, expected.candidate_scores, atol=1e-5)
    assert (found.candidates != expected.candidates).mean() < 1e-3
    assert cuda.waits == {"picture_task.py:result": 3}


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_gives_the_masks_of_the_cpu(any_sam: Sam, name: str) -> None:
    options = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, **EVERYTHING[name]}
    expected = segment_everything(PICTURE, Segmenter(any_sam), **options)
    gpu = Segmenter(on_gpu(any_sam))
    with Cuda():
        found = segment_everything(gpu.encode(PICTURE), gpu, **options)
    assert len(found) == len(expected) > 0
    for ours, cpu in zip(found, expected, strict=True):
        assert (ours["segmentation"] != cpu["segmentation"]).mean() < 1e-3


@pytest.mark.parametrize("config", [small.VIDEO, tiny.HQ], ids=lambda config: config.name)
def test_objects_are_followed_as_on_the_cpu(config: ModelConfig) -> None:
    sam = small.shared() if config is small.VIDEO else tiny.shared(config)
    mask = np.zeros((40, 60), bool)
    mask[12:24, 5:17] = True
    prompts = [VideoPrompt(1, 0, Prompt(box=small.BOX)), VideoPrompt(2, 1, Prompt(points=[[30, 20]]))]
    prompts += [VideoPrompt(3, 2, Prompt(mask=mask))] if config is small.VIDEO else []
    expected = list(VideoSegmenter(sam, memory_dtype="float32").track(small.images(4), prompts, direction="both"))
    with Cuda() as cuda:
        gpu = VideoSegmenter(on_gpu(sam), memory_dtype="float32")
        found = list(gpu.track(small.images(4), prompts, direction="both"))
    assert not any("memory" in place for place in cuda.unfused)
    assert len(found) == len(expected) > 3
    for ours, cpu in zip(found, expected, strict=True):
        assert (ours.masks != cpu.masks).mean() < 1e-3


@pytest.mark.parametrize("config", [tiny.HQ, tiny.SECOND_HQ], ids=lambda config: config.name)
def test_a_training_step_is_that_of_the_cpu(config: ModelConfig, tmp_path: Path) -> None:
    run = Run(quick(tmp_path / "run", saved(config, tmp_path), mode="hq"), Held(), None, print)
    batch, task = next(run.stream(run.plan.at(0))), moved(copy.deepcopy(run.task))
    torch.manual_seed(0)
    expected, _ = run.task(batch.to("cpu"))
    with Cuda() as cuda:
        there = batch.to("cuda")
        assert not cuda.waits
        torch.manual_seed(0)
        loss, _ = task(there)
        loss.backward()
    torch.testing.assert_close(plain(loss), expected, rtol=1e-3, atol=1e-4)


def test_other_libraries_interfaces_work_there() -> None:
    with Cuda():
        predictor = SamPredictor(moved(tiny_predictors.model(tiny.HQ)))
        predictor.set_image(tiny_predictors.PICTURE)
        predictor.predict(tiny_predictors.POINTS, tiny_predictors.LABELS, multimask_output=False)
        predictor.predict(box=tiny_predictors.BOX)
        second = SAM2ImagePredictor(on_gpu(tiny.shared(tiny.SECOND_HQ)))
        second.set_image(PICTURE)
        second.predict(np.array([[40, 30]]), np.array([1]), box=np.array([10, 5, 80, 50]))
        video = SAM2VideoPredictor(on_gpu(small.shared()))
        state = video.init_state(small.images(3))
        video.add_new_points_or_box(state, 0, 7, points=[[11, 18]], labels=[1])
        assert len(list(video.propagate_in_video(state))) == 3
        model = moved(SamHQModel(SamHQConfig.from_model_config(tiny.HQ)))
        pixels, points = moved(tiny.pixels(tiny.HQ)), moved(torch.tensor([[[[20.0, 20.0]]]]))
        assert model(pixel_values=pixels, input_points=points).pred_masks.device == DEVICE
