"""Whole-image masks are those of the published steps written out plainly, in the same order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from tests.inference.test_segment import picture
from tests.results.test_proposals import same

from samhq.errors import ConfigError
from samhq.image.crops import crop_boxes
from samhq.image.frame import Frame
from samhq.image.transform import SquareForm, to_pixels
from samhq.inference import automatic
from samhq.inference.automatic import propose
from samhq.masks import runs
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.filters import near_crop_edge, nms
from samhq.results.proposals import keep
from samhq.types import Prompts

LOOSE = AutomaticConfig(points_per_side=5, pred_iou_thresh=0.0, stability_score_thresh=0.01, box_nms_thresh=1.0)
RUNS = {
    "loose": LOOSE,
    "iou": LOOSE.replace(pred_iou_thresh=0.5),
    "stable": LOOSE.replace(stability_score_thresh=0.4, stability_score_offset=0.3),
    "nms": LOOSE.replace(box_nms_thresh=0.8),
    "all": LOOSE.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0),
    "crops": LOOSE.replace(points_per_side=4, crop_n_layers=1, crop_nms_thresh=0.95),
    "fewer points in crops": LOOSE.replace(crop_n_layers=2, crop_n_points_downscale_factor=2, crop_nms_thresh=1.0),
    "one mask": LOOSE.replace(candidates="single"),
    "level": LOOSE.replace(mask_threshold=1.0),
    "own points": LOOSE.replace(points_per_side=None, point_grids=[np.array([[0.2, 0.7], [0.9, 0.1]])]),
}


@torch.inference_mode()
def plainly(sam: Sam, image: np.ndarray, config: AutomaticConfig) -> list[dict[str, Any]]:
    """The published algorithm with full-size logits of everything."""
    size_hw = image.shape[:2]
    found: list[dict[str, Any]] = []
    for crop, layer in crop_boxes(size_hw, config.crop_n_layers, config.crop_overlap_ratio):
        rows = []
        x0, y0, x1, y1 = crop
        frame = Frame.fit((y1 - y0, x1 - x0), sam.config.side, squash=sam.config.second)
        points = config.grid(layer) * [x1 - x0, y1 - y0]
        places = torch.from_numpy(frame.points_to_model(points))[:, None]
        prompts = Prompts(torch.zeros(len(points), dtype=torch.int64), places, torch.ones(len(points), 1).long())
        candidates = config.candidates or ("best" if sam.config.has_hq_map else "all")
        pixels, _ = to_pixels(image[y0:y1, x0:x1], SquareForm.for_model(sam.config))
        embedding = sam.encode(pixels)
        low = sam.decode(embedding, prompts, candidates=candidates)
        logits = frame.logits_to_image(low.logits)
        for p, point in enumerate(points):
            for k in range(logits.shape[1]):
                one, iou = logits[p, k], low.iou[p, k].item()
                above = (one > config.mask_threshold + config.stability_score_offset).sum().item()
                below = (one > config.mask_threshold - config.stability_score_offset).sum().item()
                stability = above / below if below else 0.0
                if config.pred_iou_thresh > 0 and not iou > config.pred_iou_thresh:
                    continue
                if config.stability_score_thresh > 0 and not stability >= config.stability_score_thresh:
                    continue
                mask = np.zeros(size_hw, bool)
                mask[y0:y1, x0:x1] = one > config.mask_threshold
                ys, xs = mask.nonzero()
                box = [xs.min(), ys.min(), xs.max(), ys.max()] if len(xs) else [x0, y0, x0, y0]
                if near_crop_edge(np.array([box]), crop, size_hw)[0]:
                    continue
                place = (point + np.array([x0, y0])).tolist()
                rows.append(
                    {"mask": mask, "box": box, "iou": iou, "stability": stability, "crop": crop, "point": place}
                )
        found += suppressed(rows, [row["iou"] for row in rows], config.box_nms_thresh)
    if config.crop_n_layers:
        sizes = [1 / ((x1 - x0) * (y1 - y0)) for x0, y0, x1, y1 in (row["crop"] for row in found)]
        found = suppressed(found, sizes, config.crop_nms_thresh)
    return found


def suppressed(rows: list[dict[str, Any]], scores: list[float], threshold: float) -> list[dict[str, Any]]:
    boxes = np.array([row["box"] for row in rows]).reshape(-1, 4)
    return [rows[row] for row in nms(boxes, np.array(scores), threshold)]


@pytest.mark.parametrize("name", RUNS)
def test_the_same_masks_in_the_same_order(any_sam: Sam, name: str) -> None:
    config, image = RUNS[name], picture(90, 120)
    kept = keep(propose(any_sam, image, config), config)
    expected = plainly(any_sam, image, config)
    assert len(kept) == len(expected)
    assert len(kept) > 0 or name in ("iou", "stable", "level")
    for row, one in enumerate(expected):
        mask = runs.mask_of(kept.changes[row], kept.size_hw)
        assert (mask != one["mask"]).sum() <= 2
        assert kept.boxes[row].tolist() == pytest.approx(one["box"], abs=1)
        assert kept.iou[row] == pytest.approx(one["iou"], abs=1e-5)
        assert kept.stability[row] == pytest.approx(one["stability"], abs=2e-3)
        assert kept.points[row].tolist() == one["point"]
        assert kept.crops[kept.crop[row]] == one["crop"]


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 40), (3, 2), (17, 200)], ids=str)
def test_any_picture(hq: Sam, size_hw: tuple[int, int]) -> None:
    config = LOOSE.replace(points_per_side=2, crop_n_layers=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    kept = keep(propose(hq, picture(*size_hw), config), config)
    assert all(runs.mask_of(changes, size_hw).shape == size_hw for changes in kept.changes)


@pytest.mark.parametrize("crops", [0, 1])
def test_nothing_found_is_nothing(any_sam: Sam, crops: int) -> None:
    config = AutomaticConfig(points_per_side=3, pred_iou_thresh=100.0, crop_n_layers=crops, min_mask_region_area=9)
    assert len(keep(propose(any_sam, picture(), config), config)) == 0


def test_batches_do_not_matter(hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    once = propose(hq, picture(), LOOSE)
    assert same(once, propose(hq, picture(), LOOSE.replace(points_per_batch=2)))
    monkeypatch.setattr(automatic, "_CPU_TOKENS", 3 * hq.config.grid**2)
    assert same(once, propose(hq, picture(), LOOSE))


@pytest.mark.parametrize(("tokens_of", "points"), [(3, 3), (0.5, 1), (1000, 7)])
def test_a_cpu_decodes_as_many_points_as_their_image_tokens_allow(
    hq: Sam, monkeypatch: pytest.MonkeyPatch, tokens_of: float, points: int
) -> None:
    """At least one point, and never more than points_per_batch."""
    monkeypatch.setattr(automatic, "_CPU_TOKENS", int(tokens_of * hq.config.grid**2))
    heard: list[int] = []
    propose(hq, picture(), LOOSE.replace(points_per_batch=7), watch=lambda done, total: heard.append(done))
    assert heard[0] == points


def test_the_bar_hears_of_every_point(hq: Sam) -> None:
    heard: list[tuple[int, int]] = []
    config = LOOSE.replace(points_per_batch=7, crop_n_layers=1, crop_n_points_downscale_factor=2)
    propose(hq, picture(), config, watch=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (25 + 4 * 4, 25 + 4 * 4)
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})
    assert max(after[0] - before[0] for before, after in pairwise(heard)) <= 7


def test_what_fails_by_score_is_never_painted(hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[int] = []
    paint = MaskDecoder.paint

    def counted(self: MaskDecoder, attended: Any, *rest: Any) -> torch.Tensor:
        painted.append(len(attended.iou))
        return paint(self, attended, *rest)

    monkeypatch.setattr(MaskDecoder, "paint", counted)
    every = propose(hq, picture(), LOOSE.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0))
    threshold = float(np.median(every.iou))
    painted.clear()
    some = propose(hq, picture(), LOOSE.replace(pred_iou_thresh=threshold, stability_score_thresh=0.0))
    assert sum(painted) == len(some) == (every.iou > np.float32(threshold)).sum()


def test_an_embedding_spares_the_encoder(hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture()
    with torch.inference_mode():
        embedding = hq.encode(to_pixels(image, SquareForm.for_model(hq.config))[0])
    expected = propose(hq, image, LOOSE)
    monkeypatch.setattr(Sam, "encode", None)
    assert same(propose(hq, image, LOOSE, embedding=embedding), expected)


def test_what_was_reached_is_known_also_where_nothing_is_kept(hq: Sam) -> None:
    config = AutomaticConfig(points_per_side=4, crop_n_layers=1)
    everything = propose(hq, picture(), config, keep_all=True)
    strict = propose(hq, picture(), config.replace(pred_iou_thresh=9.0))
    assert strict.best.iou == everything.best.iou >= everything.iou.max()
    assert strict.best.stability is None
    assert everything.best.stability >= everything.stability.max()


def test_three_masks_a_point_for_hq_models(hq: Sam) -> None:
    """Each of SAM's three plus the HQ logits; the best of them is the published one."""
    free = LOOSE.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0)
    one, three = propose(hq, picture(), free), propose(hq, picture(), free.replace(candidates="all"))
    assert len(three) == 3 * len(one)
    for row in range(len(one)):
        best = 3 * row + int(three.iou[3 * row : 3 * row + 3].argmax())
        assert np.array_equal(one.changes[row], three.changes[best])
    alone = propose(hq, picture(), free.replace(candidates="all", hq="only"))
    assert len(alone) == len(one)


def test_hq_of_a_plain_model_is_refused(plain: Sam) -> None:
    with pytest.raises(ConfigError, match="HQ heads"):
        propose(plain, picture(), LOOSE.replace(hq="add"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_finds_nearly_the_same(dtype: torch.dtype) -> None:
    halved = tiny.model(tiny.HQ).to(dtype)
    config = LOOSE.replace(pred_iou_thresh=0.1)
    ours, exact = propose(halved, picture(), config), propose(tiny.shared(tiny.HQ), picture(), config)
    assert len(ours) == len(exact)
    assert np.allclose(ours.iou, exact.iou, atol=0.05)
    assert np.median(np.abs(ours.stability - exact.stability)) < 0.05
