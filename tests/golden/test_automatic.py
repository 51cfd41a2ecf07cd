"""Whole-image masks are those of segment_anything_hq 0.3, in its order, crops and cleaning included.

A stored record has the CRC of its mask's COCO code. Rounding moves single pixels of some masks across zero: theirs are
compared by area and box.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Any

import numpy as np
import pytest

from samhq.compat.segment_anything.automatic import SamAutomaticMaskGenerator
from samhq.config import MODELS
from samhq.model.build import build
from samhq.model.sam import Sam
from tests import tiny
from tests.golden import deterministic
from tests.golden.test_golden import DATA

BORDER_PIXELS = 4  #: that may fall on the other side of zero in one mask
EXACT = 0.75  #: of the masks, at least, agree in every pixel
FILES = {"hq_vit_tiny": "sam_hq_vit_tiny", "sam_vit_tiny": "mobile_sam"}
RUNS = {"amg_clean": False, "amg_crops": True, "amg_all": True, "amg_filtered": True}  #: and whether it takes long


@cache
def model(file: str) -> tuple[Sam, np.ndarray, dict[str, Any]]:
    """A model with the stored weights, its picture, and what is stored of it."""
    stored = json.loads((DATA / f"{file}.json").read_text())
    sam = build(MODELS[FILES[file]])
    tiny.fill(sam, stored["salt"])
    return sam.eval(), deterministic.image(*stored["image"]), stored


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("run", [pytest.param(run, marks=[pytest.mark.slow] * slow) for run, slow in RUNS.items()])
def test_records(file: str, run: str) -> None:
    sam, picture, stored = model(file)
    generator = SamAutomaticMaskGenerator(sam, **stored[run]["args"], output_mode="coco_rle")
    records, expected = generator.generate(picture), stored[run]["records"]
    assert len(records) == len(expected)
    exact = [compare(ours, theirs) for ours, theirs in zip(records, expected, strict=True)]
    assert sum(exact) >= EXACT * len(exact)


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether the masks are equal; everything else must be."""
    assert ours["point_coords"] == theirs["point_coords"]
    assert ours["crop_box"] == theirs["crop_box"]
    assert ours["segmentation"]["size"] == theirs["rle_size"]
    assert ours["predicted_iou"] == pytest.approx(theirs["predicted_iou"], abs=2e-5)
    assert ours["stability_score"] == pytest.approx(theirs["stability_score"], abs=2e-4)
    assert abs(ours["area"] - theirs["area"]) <= BORDER_PIXELS
    assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=2)
    return zlib.crc32(ours["segmentation"]["counts"].encode()) == theirs["rle_counts_crc32"]
