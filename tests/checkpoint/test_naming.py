from __future__ import annotations

import pytest

from samhq.checkpoint.naming import POSITIONAL, POSITIONAL_COPY, some_names, to_original, to_transformers
from samhq.errors import CheckpointError

PAIRS = {
    "original_sam_vit_b": "hf_sam_b",
    "original_sam_vit_l": "hf_sam_l",
    "original_sam_vit_h": "hf_sam_h",
    "original_hq_vit_b": "hf_samhq_b",
    "original_hq_vit_l": "hf_samhq_l",
    "original_hq_vit_h": "hf_samhq_h",
    **{f"original_sam2_1_hiera_{size}": f"hf_sam2_1_video_{size}" for size in ("t", "s", "b+", "l")},
}


def without_copy(state):
    return {key: shape for key, shape in state.items() if key != POSITIONAL_COPY}


@pytest.mark.parametrize(("original", "transformers"), PAIRS.items())
def test_the_published_lists_turn_into_each_other(keys, original, transformers):
    theirs = keys(transformers)
    assert to_transformers(keys(original)) == (theirs if "sam2" in original else without_copy(theirs))
    assert to_original(keys(transformers)) == keys(original)


@pytest.mark.parametrize("name", [*PAIRS, "hf_slimsam_50", "hf_slimsam_77"])
def test_renaming_is_a_bijection(keys, name):
    original = keys(name) if name in PAIRS else to_original(keys(name))
    there = to_transformers(original)
    # SAM 2's four point embeddings become one tensor, and its positional matrix is written twice.
    assert len(there) == len(original) - 2 * ("sam2" in name)
    back = to_original(there)
    assert back == original
    assert list(back) == list(original) or "sam2" in name


@pytest.mark.parametrize("absent", [POSITIONAL, POSITIONAL_COPY])
def test_either_positional_key_will_do(keys, absent):
    state = keys("hf_samhq_b")
    whole = to_original(state)
    del state[absent]
    assert to_original(state) == whole


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_iou_heads_of_any_depth(depth):
    head = "mask_decoder.iou_prediction_head"
    state = {f"{head}.layers.{i}.weight": i for i in range(depth)}
    there = to_transformers(state)
    assert there[f"{head}.proj_in.weight"] == 0
    assert there[f"{head}.proj_out.weight"] == depth - 1
    assert to_original(there) == state


@pytest.mark.parametrize("name", ["mobile_sam", "original_hq_tiny"])
def test_tiny_vit_has_no_transformers_names(keys, name):
    with pytest.raises(CheckpointError, match="TinyViT"):
        to_transformers(keys(name))


def test_unknown_names_are_listed_or_kept():
    with pytest.raises(CheckpointError, match="optimizer_step"):
        to_original({"optimizer_step": 1})
    assert to_original({"optimizer_step": 1}, strict=False) == {"optimizer_step": 1}


def test_mixed_layouts_are_refused_not_merged():
    mixed = {f"mask_decoder.transformer.layers.0.{norm}1.weight": 1 for norm in ("norm", "layer_norm")}
    with pytest.raises(CheckpointError, match="mixes two layouts"):
        to_transformers(mixed)


def test_a_sample_shows_five():
    assert some_names(map(str, range(9))) == "0, 1, 2, 3, 4 and 4 more"
