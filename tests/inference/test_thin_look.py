"""The closer look at thin objects: who gets one, and what it finds that the second look cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from tests.inference.test_refine import SIDE, RedFinder, iou, painted

from samhq.config import Defaults
from samhq.errors import ConfigError
from samhq.image.boxes import boxes_from_masks
from samhq.image.picture_source import ArraySource
from samhq.image.windows import whole
from samhq.inference.refine import refine, segment_native
from samhq.inference.segment import Segmenter
from samhq.inference.thin_look import THIN, is_thin, look_closer
from samhq.masks.regions import Piece
from samhq.results.prompt import Prompt

SIZE = (SIDE, SIDE)


def wires() -> np.ndarray:
    """Wires 3 pixels wide, 4 apart, joined at the top: finer than the cells of a mask of the whole picture."""
    mask = np.zeros(SIZE, bool)
    mask[20:23, 20:200] = True
    for x in range(20, 200, 7):
        mask[20:230, x : x + 3] = True
    return mask


def segmenter(thin_zoom: float | None = None, refine_margin: float | None = None) -> Segmenter:
    finder = RedFinder()
    finder.config = finder.config.replace(defaults=Defaults(thin_zoom=thin_zoom, refine_margin=refine_margin))
    return Segmenter(finder)


def test_thin_is_a_matter_of_the_widest_place() -> None:
    assert is_thin(wires())
    disc = np.hypot(*np.mgrid[-50:51, -50:51]) < 40
    assert not is_thin(disc)
    assert not is_thin(wires() | np.pad(disc, ((100, 55), (100, 55))))
    assert not is_thin(np.zeros(SIZE, bool))


@settings(max_examples=40, deadline=None)
@given(length=st.integers(60, 3000), share=st.floats(0.01, 0.5))
def test_a_bar_is_thin_up_to_that_share_of_its_length(length: int, share: float) -> None:
    width = max(1, round(share * length))
    bar = np.ones((width, length), bool)
    if abs(width / length - THIN) > 0.02:
        assert is_thin(bar) == (width / length < THIN)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.3, 1), block=st.integers(1, 6))
def test_thin_agrees_with_the_distance_transform(seed: int, share: float, block: int) -> None:
    random = np.random.default_rng(seed)
    coarse = random.random(random.integers(1, 60, 2)) < share
    mask = np.kron(coarse, np.ones((block, block), bool))
    if mask.any():
        x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
        part = mask[y0 : y1 + 1, x0 : x1 + 1]
        widest = 2 * distance_transform_edt(np.pad(part, 1)).max()
        assert is_thin(mask) == (widest <= THIN * max(part.shape))


def test_what_is_too_fine_for_one_look_appears_in_tiles() -> None:
    truth, box = wires(), [20, 20, 200, 230]
    once = segmenter().segment(painted(truth), box=box)
    plain, closer = (refine(segmenter(zoom), once) for zoom in (None, 2))
    assert iou(once.masks[0], truth) < 0.4
    assert np.array_equal(plain.masks, once.masks), "the object fills the picture"
    assert iou(closer.masks[0], truth) > 0.95


def test_the_weights_choose_and_the_argument_overrules() -> None:
    picture, box = painted(wires()), [20, 20, 200, 230]
    model = segmenter(2, refine_margin=0.5)
    asked = model.segment(picture, box=box)
    once = segmenter().segment(picture, box=box)
    assert np.array_equal(asked.masks, refine(model, once, margin=0.5, tiled=False).masks)
    assert np.array_equal(refine(model, once, thin_zoom=0).masks, refine(segmenter(), once).masks)
    assert np.array_equal(refine(model, once).masks, refine(segmenter(), once, thin_zoom=2).masks)
    [native] = segment_native(model, ArraySource(picture), [Prompt(box=box)])
    assert np.array_equal(native.piece.inside(whole(SIZE)), refine(model, once).masks[0])


def test_a_thick_object_is_left_alone() -> None:
    truth = np.zeros(SIZE, bool)
    truth[60:160, 60:160] = True
    once = segmenter().segment(painted(truth), box=[60, 60, 160, 160])
    assert np.array_equal(refine(segmenter(2), once).masks, refine(segmenter(), once).masks)


def test_a_look_that_would_not_enlarge_is_left_out() -> None:
    """An object as long as the picture: its tiles at zoom 1 are the picture."""
    truth, model = wires(), segmenter(1)
    truth[20:25] = True
    once = model.segment(painted(truth), box=[0, 20, 256, 230], refine=False)
    assert np.array_equal(refine(model, once).masks, once.masks)


def test_only_the_tiles_near_the_object_change() -> None:
    """A second wire elsewhere stays out: each tile is asked for the part of the mask that is there."""
    truth, other = wires(), np.zeros(SIZE, bool)
    other[240:244, 5:250] = True
    model = segmenter(2)
    once = model.segment(painted(truth | other), box=[20, 20, 200, 230], refine=False)
    assert not (refine(model, once).masks[0] & other).any()


def test_nothing_left_is_none() -> None:
    """A mask where nothing is red: the first mask stays."""
    model, picture = segmenter(2).model, np.full((*SIZE, 3), 255, np.uint8)
    assert look_closer(model, ArraySource(picture), Piece.of(wires()), 2, None) is None


@pytest.mark.parametrize("zoom", [0.5, -1, float("nan"), True, "2"])
def test_a_zoom_below_one_is_refused(zoom: object) -> None:
    once = segmenter().segment(painted(wires()), box=[20, 20, 200, 230])
    with pytest.raises(ConfigError, match="thin_zoom"):
        refine(segmenter(), once, thin_zoom=zoom)


def test_large_masks_are_judged_reduced() -> None:
    mask = np.zeros((3000, 4000), bool)
    np.fill_diagonal(mask, True)
    assert is_thin(mask)
    assert not is_thin(np.ones((3000, 4000), bool))
