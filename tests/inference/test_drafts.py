"""Drafts: what SAM's part of a mask decides before the HQ part is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests import tiny
from tests.inference.test_segment import picture

from samhq.errors import ConfigError
from samhq.image.frame import Frame
from samhq.inference.automatic import propose
from samhq.inference.drafts import Drafts
from samhq.inference.everything import segment_everything
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.proposals import Proposals, keep

SIDE, GRID = 64, 16
CONFIG = AutomaticConfig(points_per_side=8, pred_iou_thresh=0.0, stability_score_thresh=0.6, draft_first=True)


def disc(radius: float, sharpness: float = 9.0) -> torch.Tensor:
    """Logits [G,G] of a disc in the middle; a low `sharpness` makes an unstable mask."""
    across = torch.arange(GRID) - (GRID - 1) / 2
    return sharpness * (radius - (across[:, None] ** 2 + across**2).sqrt())


def drafts(config: AutomaticConfig = CONFIG) -> Drafts:
    return Drafts(Frame.fit((SIDE, SIDE), SIDE), (0, 0, SIDE, SIDE), config)


def test_an_unstable_draft_is_dropped() -> None:
    logits = torch.stack([disc(5), disc(5, sharpness=0.3)])
    assert drafts().promising(logits, torch.tensor([0.5, 0.5])).tolist() == [True, False]


def test_a_copy_of_a_better_mask_is_dropped_and_a_better_copy_is_not() -> None:
    known, logits = drafts(), torch.stack([disc(5), disc(5), disc(3)])
    scale = SIDE // GRID
    known.add((3 * scale, 3 * scale, 13 * scale, 13 * scale), 0.7)
    assert known.promising(logits, torch.tensor([0.5, 0.9, 0.5])).tolist() == [False, True, True]


def test_an_empty_draft_is_kept_where_no_stability_is_asked() -> None:
    free = drafts(CONFIG.replace(stability_score_thresh=0.0))
    free.add((0, 0, SIDE, SIDE), 0.9)
    assert free.promising(-torch.ones(1, GRID, GRID), torch.tensor([0.1])).tolist() == [True]


def test_padding_of_the_square_does_not_count() -> None:
    """In a wide picture half of the square is padding: a mask there has no pixel of the picture."""
    logits = torch.cat([torch.full((GRID // 2, GRID), -9.0), torch.full((GRID // 2, GRID), 9.0)])[None]
    wide = Drafts(Frame.fit((SIDE // 2, SIDE), SIDE), (0, 0, SIDE, SIDE // 2), CONFIG)
    assert not wide.promising(logits, torch.tensor([0.5]))[0]


def rows(proposals: Proposals) -> set[tuple[float, ...]]:
    return set(map(tuple, np.column_stack([proposals.points, proposals.boxes, proposals.stability]).tolist()))


@pytest.mark.parametrize("candidates", ["best", "single"])
@pytest.mark.parametrize("mode", ["add", "only"])
def test_the_masks_of_a_run_with_drafts_are_masks_of_the_exact_run(mode: str, candidates: str) -> None:
    sam = tiny.shared(tiny.HQ)
    config = CONFIG.replace(stability_score_thresh=0.3, hq=mode, candidates=candidates)
    exact = propose(sam, picture(), config.replace(draft_first=False))
    drafted = propose(sam, picture(), config)
    assert 0 < len(drafted) <= len(exact)
    assert rows(drafted) <= rows(exact)


def test_hq_masks_are_computed_for_promising_drafts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[int] = []
    detailed = MaskDecoderHQ.detailed

    def counted(self: MaskDecoderHQ, weights: torch.Tensor, upscaled: torch.Tensor) -> torch.Tensor:
        painted.append(len(weights))
        return detailed(self, weights, upscaled)

    monkeypatch.setattr(MaskDecoderHQ, "detailed", counted)
    config = CONFIG.replace(stability_score_thresh=0.3, box_nms_thresh=0.2)
    drafted = propose(tiny.shared(tiny.HQ), picture(), config)
    assert len(drafted) <= sum(painted) < 64


@pytest.mark.parametrize("config", [tiny.HQ, tiny.PLAIN], ids=lambda one: one.name)
def test_several_masks_a_point_and_plain_models_stay_exact(config: object) -> None:
    sam = tiny.shared(config)  # type: ignore[arg-type]
    loose = CONFIG.replace(stability_score_thresh=0.3, candidates="all")
    assert rows(propose(sam, picture(), loose)) == rows(propose(sam, picture(), loose.replace(draft_first=False)))


def test_keep_all_switches_drafts_off() -> None:
    sam = tiny.shared(tiny.HQ)
    every = segment_everything(picture(), sam, config=CONFIG, keep_all=True)
    assert len(every.proposals) == 64
    assert not every.ran.draft_first
    assert rows(every.kept) == rows(keep(every.proposals, CONFIG))


def test_a_run_with_drafts_refuses_thresholds_that_need_what_it_dropped() -> None:
    found = segment_everything(picture(), tiny.shared(tiny.HQ), config=CONFIG.replace(stability_score_thresh=0.3))
    for lost in ({"stability_score_thresh": 0.6}, {"box_nms_thresh": 0.9}):
        with pytest.raises(ConfigError, match="keep_all=True"):
            found.filter(**lost)
    stricter = found.filter(pred_iou_thresh=float(np.median(found.scores)), box_nms_thresh=0.5)
    assert len(stricter) < len(found)
