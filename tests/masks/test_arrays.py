"""Functions on masks take arrays and tensors alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from samhq.errors import ImageError
from samhq.evaluation.thin import thin_part, thin_radius, thin_score
from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import cutout, overlay
from samhq.masks import rle
from samhq.masks.arrays import one_mask, several_masks
from samhq.masks.clean import drop_specks, fill_holes, smooth, soft_edge
from samhq.masks.finish import Finish
from samhq.masks.polygons import polygons_from_mask
from samhq.masks.regions import Piece

IMAGE = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
#: Every public function of one mask, as what it gives in a form that compares.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "one_mask": one_mask,
    "fill_holes": lambda mask: fill_holes(mask, 9),
    "drop_specks": lambda mask: drop_specks(mask, 9),
    "smooth": lambda mask: smooth(mask, 2.0),
    "soft_edge": lambda mask: soft_edge(IMAGE, mask, 2),
    "Finish.apply": Finish(3, 3, 1.0).apply,
    "Finish.alpha": lambda mask: Finish(soft_edge=2).alpha(IMAGE, mask),
    "polygons": lambda mask: np.concatenate([polygon.exterior for polygon in polygons_from_mask(mask)]),
    "Piece": lambda mask: Piece.of(mask).mask,
    "rle.encode": lambda mask: rle.encode(mask)["counts"],
    "rle.uncompressed": lambda mask: rle.uncompressed(mask)["counts"],
    "boxes": lambda mask: np.asarray(boxes_from_masks(mask)),
    "overlay": lambda mask: overlay(IMAGE, mask),
    "cutout": lambda mask: cutout(IMAGE, mask),
    "thin_score": lambda mask: thin_score(mask, mask),
    "thin_part": lambda mask: thin_part(mask, 2),
    "thin_radius": thin_radius,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_tensor_gives_what_an_array_gives(name: str) -> None:
    mask = np.random.default_rng(0).random((30, 40)) > 0.4
    np.testing.assert_array_equal(FUNCTIONS[name](torch.from_numpy(mask)), FUNCTIONS[name](mask))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wrong", ["floats", "bytes", "a float tensor"])
def test_what_is_no_bool_mask_is_refused(name: str, wrong: str) -> None:
    masks: dict[str, Any] = {
        "floats": np.ones((30, 40)), "bytes": np.ones((30, 40), np.uint8), "a float tensor": torch.ones(30, 40)
    }  # fmt: skip
    with pytest.raises(ImageError, match="bool"):
        FUNCTIONS[name](masks[wrong])


def test_several_masks_have_height_and_width() -> None:
    assert several_masks(torch.ones(2, 3, 4, dtype=torch.bool)).shape == (2, 3, 4)
    with pytest.raises(ImageError, match="height and width"):
        several_masks(np.ones(3, bool))
