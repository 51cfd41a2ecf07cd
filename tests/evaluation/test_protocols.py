from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from tests import tiny
from tests.datasets.layouts import disc, photo

from samhq.config import Defaults, model_config
from samhq.encoder_config import PIXEL_MEAN, PIXEL_STD
from samhq.errors import ConfigError
from samhq.evaluation.prompt_kinds import PromptKind, make_prompts
from samhq.evaluation.protocols import check_protocol, default_hq, protocol_view
from samhq.image.transform import SquareForm
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt


@pytest.mark.parametrize("size", [(40, 56), (90, 30), (64, 64)])
def test_exact_is_what_a_user_gets(hq: Sam, size: tuple[int, int]) -> None:
    image, masks = photo(*size), np.stack([disc(*size), disc(*size, centre=(15, 12), radius=5)])
    view = protocol_view(image, SquareForm(hq.config.side))
    rngs = [np.random.default_rng(k) for k in range(2)]
    with torch.no_grad():
        prompts = make_prompts(PromptKind(True, 3, 1), view.prompt_masks(masks), rngs, view.scale_xy)
        ours = view.back(hq.decode(hq.encode(view.pixels), prompts, hq="add").logits)
    assert prompts.points is not None
    assert prompts.labels is not None
    assert prompts.boxes is not None
    # Points and boxes on the picture itself, the way they would be given by hand.
    scale = np.array(view.scale_xy, np.float32)
    points, boxes = prompts.points.numpy() / scale, prompts.boxes.numpy() / np.tile(scale, 2)
    theirs = Segmenter(hq).segment(
        image,
        prompts=[Prompt(p, lab, b) for p, lab, b in zip(points, prompts.labels.numpy(), boxes, strict=True)],
        hq="add",
    )
    assert ours.shape == (2, *size)
    assert np.array_equal(ours, theirs.masks)


def test_published_is_the_training_scripts_validation(hq: Sam) -> None:
    """Written down once more from its description: squash, tight box, HQ logits, stretch."""
    image, mask = photo(90, 30), disc(90, 30, centre=(50, 12), radius=10)
    side = hq.config.side
    view = protocol_view(image, SquareForm(side), "published")
    prompts = make_prompts(PromptKind(True), view.prompt_masks(mask[None]), [np.random.default_rng(0)], view.scale_xy)
    pixels = functional.interpolate(torch.tensor(image).permute(2, 0, 1)[None].float(), (side, side), mode="bilinear")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    assert torch.allclose(view.pixels, (pixels.byte().float() - mean) / std)
    label = functional.interpolate(torch.tensor(mask)[None, None].float() * 255, (side, side), mode="bilinear")[0, 0]
    rows, columns = torch.where(label > 128)
    assert prompts.boxes is not None
    assert prompts.boxes.tolist() == [[columns.min(), rows.min(), columns.max(), rows.max()]]
    with torch.no_grad():
        logits = hq.decode(hq.encode(view.pixels), prompts, hq="only").logits
    assert np.array_equal(view.back(logits), functional.interpolate(logits, (90, 30), mode="bilinear")[0].numpy() > 0)


def test_the_hq_mode_of_the_weights_is_the_users_default() -> None:
    config = model_config("sam_hq_vit_b").replace(defaults=Defaults(hq="off"))
    assert (default_hq(config, "exact"), default_hq(config, "published")) == ("off", "only")


def test_other_protocols_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'exact'"):
        check_protocol("exac")


def test_what_squashing_makes_vanish_is_an_empty_mask() -> None:
    line = np.zeros((1, 40, 4000), bool)
    line[0, :, 77] = True
    assert protocol_view(photo(40, 4000), SquareForm(64)).prompt_masks(line).any()
    assert not protocol_view(photo(40, 4000), SquareForm(64), "published").prompt_masks(line).any()


def test_pictures_are_left_as_they_are() -> None:
    image = photo()
    before = image.copy()
    for protocol in ("exact", "published"):
        protocol_view(image, SquareForm(tiny.HQ.side), protocol)
    assert np.array_equal(image, before)
