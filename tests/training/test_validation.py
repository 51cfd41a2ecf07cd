from __future__ import annotations

import pytest
import torch
from tests import tiny
from tests.training.worlds import Held

from samhq.datasets.drawn.pictures import unseen_scenes
from samhq.evaluation.run import evaluate
from samhq.training.validation import picture_scores, scene_scores


def test_scores_are_those_of_evaluate_and_the_first_mode_has_no_name():
    sam = tiny.shared(tiny.LIGHT)
    scores = picture_scores(sam, Held())
    whole = evaluate(sam, Held(), prompts="box,1p", hq=("add", "off"))
    assert scores["box iou"] == whole.summary("box", "add").all.iou
    assert scores["1p off boundary_iou"] == whole.summary("1p", "off").all.boundary_iou
    plain = picture_scores(tiny.shared(tiny.PLAIN), Held())
    assert "box iou" in plain
    assert not any("off" in name for name in plain)


def test_the_published_way_takes_the_hq_mask_alone():
    sam = tiny.shared(tiny.LIGHT)
    scores = picture_scores(sam, Held(), published=True)
    whole = evaluate(sam, Held(), prompts="box", protocol="published", hq="only")
    assert scores["box iou"] == pytest.approx(whole.summary("box", "only").all.iou)


def test_scenes_are_scored_without_a_trace_on_generators_or_network():
    sam = tiny.shared(tiny.LIGHT)
    state = torch.get_rng_state()
    scenes = unseen_scenes(2, sam.config.side)
    one, two = scene_scores(sam, scenes), scene_scores(sam, scenes)
    assert one == two
    assert torch.equal(torch.get_rng_state(), state)
    assert {"box iou", "box off iou", "1p boundary_iou", "3p off iou"} <= one.keys()
