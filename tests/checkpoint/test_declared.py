from __future__ import annotations

import pytest

from samhq.checkpoint import declared
from samhq.config import MODELS, Defaults
from samhq.errors import CheckpointError


@pytest.mark.parametrize("name", MODELS)
def test_a_header_gives_the_config_back(name):
    row = MODELS[name].replace(side=512)
    fields = declared.from_metadata(declared.to_metadata(row))
    assert declared.with_fields(fields, row.replace(name="?", side=1024, hq=not row.hq)) == row


def test_published_numbers_give_the_published_row():
    row = MODELS["slimsam_77"]
    assert declared.with_published_name(row.replace(name="x", family="y")) == row
    assert declared.with_published_name(row.replace(side=512)).name == "custom"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("sam2_hiera_tiny", "sam2_hiera_tiny"),
        ("sam2.1_hiera_large", "sam2_hiera_large"),
        ("sam2.1_hq_hiera_large",) * 2,
    ],
)
def test_a_sam2_for_pictures_only_has_the_name_of_its_size(name, known):
    row = declared.with_published_name(MODELS[name].replace(name="x", memory=None))
    assert row == MODELS[known].replace(memory=None)
    assert declared.with_published_name(row.replace(side=512)).name == "custom"


@pytest.mark.parametrize("name", ["sam_vit_b", "sam_hq_vit_b", "mobile_sam", "sam_hq_vit_tiny"])
def test_a_model_of_another_side_is_of_the_same_family(name):
    assert declared.with_published_name(MODELS[name].replace(side=512)).family == MODELS[name].family


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "[" * 100_000])
def test_a_damaged_header_is_an_error(text):
    with pytest.raises(CheckpointError, match="samhq"):
        declared.from_metadata({"samhq": text})


@pytest.mark.parametrize(
    "fields",
    [{"side": "1024"}, {"side": 1000}, {"hq": 1}, {"encoder.heads": 0}, {"encoder.patch": 0}, {"encoder.dim": -768},
     {"encoder.global_blocks": [99]}, {"encoder.norm_eps": True}, {"decoder": 5, "decoder.downsample": 0}],
)  # fmt: skip
def test_impossible_fields_are_errors(fields):
    with pytest.raises(CheckpointError):
        declared.with_fields(fields, MODELS["sam_vit_b"])


BROUGHT = Defaults(pred_iou_thresh=0.5, hq="only", refine_margin=0.5, click_mask="single")


def test_default_settings_travel_with_the_weights():
    row = MODELS["sam_hq_vit_tiny"].replace(defaults=BROUGHT)
    fields = declared.from_metadata(declared.to_metadata(row))
    read = declared.with_fields(fields, MODELS["sam_hq_vit_tiny"])
    assert read.defaults == declared.with_published_name(read).defaults == BROUGHT
    assert "defaults" not in declared.to_metadata(MODELS["sam_hq_vit_tiny"])["samhq"]


@pytest.mark.parametrize(
    "fields", [{"hq": "both"}, {"pred_iou_thresh": "0.5"}, {"refine_margin": "wide"}, {"hq": 3}, {"click_mask": "all"}]
)
def test_default_settings_that_mean_nothing_are_errors(fields):
    with pytest.raises(CheckpointError, match=next(iter(fields))):
        declared.with_fields({f"defaults.{name}": value for name, value in fields.items()}, MODELS["sam_vit_b"])
