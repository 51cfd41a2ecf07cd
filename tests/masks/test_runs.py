"""Outlines of runs say the same as the masks that they were made of; small regions go as with OpenCV's labels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samhq.image.boxes import boxes_from_masks
from samhq.masks import rle, runs

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)), fill=st.booleans())
EMPTY, FULL = np.zeros((3, 4), bool), np.ones((3, 4), bool)


def changes(mask: np.ndarray) -> np.ndarray:
    return runs.changes_of_columns(np.ascontiguousarray(mask.T))


@settings(deadline=None)
@given(MASKS)
def test_masks_boxes_areas_and_codes(mask: np.ndarray) -> None:
    outline = changes(mask)
    assert len(outline) % 2 == 0
    assert (np.diff(outline) > 0).all()
    assert np.array_equal(runs.mask_of(outline, mask.shape), mask)
    assert runs.pixels_on(outline) == mask.sum()
    cropped, (x, y) = runs.cropped(outline, mask.shape[0])
    assert np.array_equal(cropped, mask[y : y + len(cropped), x : x + cropped.shape[1]])
    assert cropped.sum() == mask.sum()
    assert list(runs.box(outline, mask.shape[0])) == boxes_from_masks(mask).tolist()
    assert runs.as_counts(outline, mask.shape) == rle.uncompressed(mask)
    assert runs.as_text(outline, mask.shape) == rle.encode(mask)
    assert np.array_equal(runs.changes_of_lengths(rle.run_lengths(rle.encode(mask))), outline)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=12))
def test_lengths_of_runs_however_they_are_cut(lengths: list[int]) -> None:
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    found = runs.changes_of_lengths(np.array(lengths, np.int64))
    assert np.array_equal(found, changes(pixels[:, None]) if len(pixels) else [])


@settings(deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9)), fill=st.booleans()))
def test_pixels_of_several_masks_count_once(masks: np.ndarray) -> None:
    assert runs.area_of_all([changes(mask).astype(np.uint32) for mask in masks]) == masks.any(axis=0).sum()


@settings(deadline=None)
@given(MASKS, st.integers(0, 5), st.integers(0, 5))
def test_columns_of_a_larger_picture(mask: np.ndarray, before: int, after: int) -> None:
    picture = np.pad(mask, ((0, 0), (before, after)))
    assert np.array_equal(runs.changes_of_columns(np.ascontiguousarray(mask.T), before), changes(picture))


@settings(deadline=None)
@given(MASKS)
def test_narrow_integers_do_not_wrap(mask: np.ndarray) -> None:
    """Outlines are kept as uint32: areas and codes must not be counted in it."""
    outline = changes(mask).astype(np.uint32)
    assert runs.pixels_on(outline) == mask.sum()
    assert runs.as_text(outline, mask.shape) == rle.encode(mask)
    assert np.array_equal(runs.mask_of(outline, mask.shape), mask)


@settings(deadline=None, max_examples=300)
@given(MASKS, st.integers(1, 12))
def test_small_regions_go_as_published(mask: np.ndarray, min_area: int) -> None:
    cleaned, changed = runs.without_small_regions(changes(mask), mask.shape, min_area)
    expected, holes = by_labels(mask, min_area, "holes")
    expected, islands = by_labels(expected, min_area, "islands")
    assert changed == (holes or islands)
    result = runs.mask_of(cleaned, mask.shape)
    assert np.array_equal(result, expected)
    assert np.array_equal(cleaned, changes(result))


@pytest.mark.parametrize("mask", [EMPTY, FULL])
def test_nothing_and_everything_stay(mask: np.ndarray) -> None:
    outline = changes(mask)
    cleaned, changed = runs.without_small_regions(outline, mask.shape, 2)
    assert np.array_equal(cleaned, outline)
    assert not changed


def test_a_diagonal_is_one_island() -> None:
    cleaned, changed = runs.without_small_regions(changes(np.eye(5, dtype=bool)), (5, 5), 5)
    assert not changed
    assert runs.pixels_on(cleaned) == 5


def by_labels(mask: np.ndarray, min_area: int, mode: str) -> tuple[np.ndarray, bool]:
    """segment-anything's `remove_small_regions`, in its own words: labels of OpenCV, 8 neighbours."""
    inside = ~mask if mode == "holes" else mask
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    small = [label for label in range(1, count) if sizes[label - 1] < min_area]
    if not small:
        return mask, False
    if mode == "holes":
        return mask | np.isin(labels, small), True
    large = [label for label in range(1, count) if label not in small] or [int(sizes.argmax()) + 1]
    return np.isin(labels, large), True


@settings(deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda hw: st.tuples(*[hnp.arrays(bool, hw)] * 2)))
@pytest.mark.parametrize("keep", [np.logical_or, np.logical_and, np.logical_xor, np.greater])
def test_two_masks_combined(keep: np.ufunc, both: tuple[np.ndarray, np.ndarray]) -> None:
    found = runs.combined(changes(both[0]), changes(both[1]), keep)
    assert np.array_equal(runs.mask_of(found, both[0].shape), keep(*both))
