"""Objects without prompts are those that the library finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests import tiny

from samhq.inference.segment import Segmenter
from samhq.integrations.finding import everything_of, named_in
from samhq.masks import rle

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
MODEL = Segmenter(tiny.shared(tiny.HQ))


@pytest.fixture
def boxes(tmp_path: Path) -> str:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 25], "score": 0.5}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return str(tmp_path / "boxes.json")


def test_named(boxes: str) -> None:
    (one,) = named_in(MODEL, PICTURE, "cup", name="a.png", detector=boxes)
    expected = MODEL.segment(PICTURE, box=[5, 5, 30, 30], multimask=False)
    assert one.code["counts"] == rle.encode(expected.masks[0])["counts"]
    assert (one.label, one.confidence) == ("cup", 0.5)
    assert named_in(MODEL, PICTURE, "cup", name="a.png", detector=boxes, least=0.6) == []


def test_everything_has_the_label_of_no_class() -> None:
    assert {one.label for one in everything_of(MODEL, PICTURE)} <= {"object"}
