from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from samhq.errors import ImageError
from samhq.masks.rle import area, decode, decode_window, encode, run_lengths, uncompressed
from samhq.masks.runs import compressed_code

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
sparse = st.tuples(st.integers(1, 300), st.integers(1, 300), st.integers(0, 99)).map(
    lambda t: np.random.default_rng(t[2]).random(t[:2]) < 0.002
)


@settings(deadline=None)
@given(masks | sparse)
def test_strings_are_those_of_pycocotools(mask):
    rle = encode(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert rle == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    for code in (rle, theirs):
        np.testing.assert_array_equal(decode(code), mask)
        assert area(code) == mask.sum() == coco.area(theirs)
    assert decode(rle).dtype == bool


@settings(deadline=None)
@given(masks | sparse, st.data())
def test_a_window_is_cut_from_the_mask(mask, data):
    height, width = mask.shape
    x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    w, h = data.draw(st.integers(0, width - x)), data.draw(st.integers(0, height - y))
    for code in (encode(mask), uncompressed(mask)):
        np.testing.assert_array_equal(decode_window(code, (x, y, w, h)), mask[y : y + h, x : x + w])
        assert run_lengths(code).tolist() == uncompressed(mask)["counts"]


@settings(deadline=None)
@given(masks | sparse)
def test_uncompressed_counts_mean_the_same_to_pycocotools(mask):
    rle = uncompressed(mask)
    assert all(type(n) is int for n in rle["counts"])
    theirs = coco.frPyObjects(rle, *mask.shape)
    np.testing.assert_array_equal(coco.decode(theirs), mask)
    np.testing.assert_array_equal(decode(rle), mask)
    assert area(rle) == mask.sum()
    assert sum(rle["counts"][::2]) == (~mask).sum()


def test_stacks():
    stack = np.random.default_rng(0).random((3, 7, 5)) < 0.5
    rles = encode(stack)
    assert [r == encode(m) for r, m in zip(rles, stack, strict=True)] == [True] * 3
    np.testing.assert_array_equal(decode(rles), stack)
    assert encode(torch.from_numpy(stack)) == rles
    assert encode(np.zeros((0, 7, 5), bool)) == []


def test_transposed_and_sliced_masks():
    mask = np.random.default_rng(0).random((12, 30)) < 0.5
    np.testing.assert_array_equal(decode(encode(mask.T)), mask.T)
    np.testing.assert_array_equal(decode(encode(mask[::2, 3::4])), mask[::2, 3::4])


def test_large_runs():
    mask = np.zeros((3000, 2000), bool)
    mask[-1, -1] = True
    np.testing.assert_array_equal(decode(encode(mask)), mask)


@pytest.mark.parametrize("mask", [np.zeros((2, 2)), np.zeros(4, bool), np.zeros((1, 1, 2, 2), bool), "mask"])
def test_only_bool_masks_are_encoded(mask):
    for make in (encode, uncompressed):
        with pytest.raises(ImageError, match=r"Expected .* got .*\. [A-Z`]"):
            make(mask)


@pytest.mark.parametrize(
    "rle",
    [
        {},
        {"size": [2, 2]},
        [[1, 2, 3, 4]],
        [],
        {"size": [2], "counts": [4]},
        {"size": [2, -2], "counts": []},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [1.5, 2.5]},
        {"size": [2, 2], "counts": "2"},
        {"size": [2, 2], "counts": "2\n"},
        {"size": [2, 2], "counts": "2é"},
        {"size": [2, 2], "counts": "RRRRRRRRRRRRRR0"},
        {"size": [2, 2], "counts": b"oooooooooo"},
        {"size": [2, 2], "counts": None},
        {"size": [2, 2], "counts": [2**63, 2**63, 4]},
        [{"size": [2, 2], "counts": [4]}, {"size": [1, 2], "counts": [2]}],
    ],
)
def test_damaged_codes_are_refused(rle):
    with pytest.raises(ImageError, match=r"(?s)Expected .* got .*\. [A-Z`]"):
        decode(rle)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=12) | st.binary(max_size=12) | st.lists(st.integers(-3, 9), max_size=6))
def test_any_counts_decode_or_are_refused(counts):
    with contextlib.suppress(ImageError):
        assert decode({"size": [3, 4], "counts": counts}).shape == (3, 4)


@settings(deadline=None)
@given(masks | sparse, st.lists(st.integers(0, 60), max_size=5))
def test_codes_are_compressed_without_unpacking(mask, places):
    code = uncompressed(mask)
    counts = code["counts"]
    for place in places:  # runs of length 0, which mean nothing, as other programs write them
        counts[place % (len(counts) + 1) : place % (len(counts) + 1)] = [0, 0]
    for given_code in (code, encode(mask)):
        assert compressed_code(given_code) == encode(mask)


@contextlib.contextmanager
def little_memory():
    """A block that takes less than a megabyte."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


LARGE = {"size": [65535, 65535], "counts": [65535 * 65535 - 9, 9]}


@pytest.mark.parametrize(
    "size", [[1, 4_400_000_000], [1, 10**10], [10**5, 10**5], [65536, 65536], [2**32, 1], [3 * 10**9, 3 * 10**9]]
)
@pytest.mark.parametrize("read", [decode, area, run_lengths, compressed_code])
def test_more_pixels_than_coco_can_count_are_refused(read, size):
    with little_memory(), pytest.raises(ImageError, match=r"less than 2\^32 pixels"):
        read({"size": size, "counts": [size[0] * size[1]]})


def test_another_size_than_the_pictures_is_refused_before_it_is_unpacked():
    for code in (LARGE, compressed_code(LARGE), [LARGE], [compressed_code(LARGE)] * 3):
        with little_memory(), pytest.raises(ImageError, match="another size"):
            decode(code, (10, 10))
    with pytest.raises(ImageError, match="another size"):
        decode(encode(np.ones((3, 4), bool)), (4, 3))
    assert decode(encode(np.ones((3, 4), bool)), (3, 4)).all()


def test_large_codes_cost_their_runs_alone():
    with little_memory():
        assert area(LARGE) == 9
        code = compressed_code(LARGE)
        assert area(code) == 9
        assert len(code["counts"]) < 20


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (4, 0), (2, 0, 3), (0, 0, 0)])
def test_masks_without_pixels_have_codes(shape):
    codes = encode(np.zeros(shape, bool))
    codes = codes if isinstance(codes, list) else [codes]
    assert [decode(code).shape for code in codes] == [shape[-2:]] * len(codes)


def test_large_masks_are_encoded_as_small_ones():
    """Above 256 rows a mask is transposed in parts."""
    mask = np.random.default_rng(3).random((700, 90)) > 0.5
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert encode(mask)["counts"] == expected
