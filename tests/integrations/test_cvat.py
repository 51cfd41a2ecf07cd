"""CVAT's functions, checked by cvat-sdk's own validators and codec."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests import tiny

from samhq.errors import ConfigError
from samhq.inference.segment import Segmenter
from samhq.integrations.cvat import CvatDetection, CvatInteraction, create
from samhq.masks import rle
from samhq.results.annotation import Annotation

cvat = pytest.importorskip("cvat_sdk.auto_annotation", reason="needs samhq[cvat]")
driver = pytest.importorskip("cvat_sdk.auto_annotation.driver")
masks = pytest.importorskip("cvat_sdk.masks")
models = pytest.importorskip("cvat_sdk.models")

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
MODEL = Segmenter(tiny.shared(tiny.HQ))


def context(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"frame_name": "a.png", "conf_threshold": None, "conv_mask_to_poly": False} | changes)


def decoded(points: list[float]) -> np.ndarray:
    return masks.decode_mask(points, image_width=60, image_height=40)


@pytest.fixture
def boxes(tmp_path: Path) -> str:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 25], "score": 0.9},
            {"image_id": 1, "category_id": 2, "bbox": [20, 5, 30, 25], "score": 0.5},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return str(tmp_path / "boxes.json")


def accepted(function: CvatDetection, shapes: list[Any], to_polygons: bool) -> list[Any]:
    """The shapes after cvat-sdk has checked them and given them the labels of a task."""
    names = [label.name for label in function.spec.labels]
    kind = "polygon" if to_polygons else "mask"
    labels = [
        SimpleNamespace(id=100 + n, name=name, type=kind, attributes=[], sublabels=[]) for n, name in enumerate(names)
    ]
    logger = logging.getLogger("cvat")
    options = {"allow_unmatched_labels": False, "conv_mask_to_poly": to_polygons}
    mapper = driver._AnnotationMapper(logger, function.spec.labels, labels, **options)
    return mapper.validate_and_remap(shapes, 7)[1]


@pytest.mark.parametrize("to_polygons", [False, True])
def test_named_objects_are_masks_that_cvat_takes(boxes: str, to_polygons: bool) -> None:
    function = CvatDetection(MODEL, "cup, cat", boxes)
    shapes = function.detect(context(conv_mask_to_poly=to_polygons), PICTURE)
    expected = MODEL.segment(np.asarray(PICTURE), boxes=[[5, 5, 30, 30], [20, 5, 50, 30]]).masks
    if not to_polygons:
        assert [np.array_equal(decoded(one.points), mask) for one, mask in zip(shapes, expected, strict=True)] == [
            True
        ] * 2
    checked = accepted(function, shapes, to_polygons)
    assert {one.label_id for one in checked} == {100, 101}
    assert {one.frame for one in checked} == {7}


def test_confidence_is_obeyed(boxes: str) -> None:
    function = CvatDetection(MODEL, "cup, cat", boxes)
    assert [one.label_id for one in function.detect(context(conf_threshold=0.6), PICTURE)] == [0]
    assert function.detect(context(conf_threshold=0.95), PICTURE) == []
    assert function.detect(context(conf_threshold=0.1), PICTURE)[1].label_id == 1


def test_everything_without_classes() -> None:
    function = CvatDetection(MODEL)
    shapes = function.detect(context(conf_threshold=1.0), PICTURE)
    assert [label.name for label in function.spec.labels] == ["object"]
    assert shapes == []


def test_any_mask_survives_cvats_code() -> None:
    function, random = CvatDetection(MODEL), np.random.default_rng(0)
    for _ in range(20):
        mask = random.random((40, 60)) < random.random()
        mask[random.integers(40), random.integers(60)] = True
        (shape,) = function._shapes(Annotation(rle.encode(mask)), False)
        assert np.array_equal(decoded(shape.points), mask)


@pytest.mark.parametrize(
    "asked",
    [
        {"pos_points": [(20.0, 10.0)]},
        {"pos_points": [(20.0, 10.0)], "neg_points": [(50.0, 30.0)]},
        {"bounding_box": ((5.0, 6.0), (50.0, 30.0))},
        {"bounding_box": ((5.0, 6.0), (50.0, 30.0)), "neg_points": [(20.0, 10.0)]},
    ],
)
def test_interaction_gives_the_masks_of_the_library(asked: dict[str, Any]) -> None:
    function = CvatInteraction(MODEL)
    encoded = function.preprocess_image(None, PICTURE)
    prompts = SimpleNamespace(**{"pos_points": [], "neg_points": [], "bounding_box": None} | asked)
    (shape,) = function.detect(None, encoded, prompts)
    points = [*prompts.pos_points, *prompts.neg_points]
    labels = [1] * len(prompts.pos_points) + [0] * len(prompts.neg_points)
    box = None if prompts.bounding_box is None else [value for corner in prompts.bounding_box for value in corner]
    given = {"points": points, "labels": labels} if points else {}
    expected = MODEL.segment(np.asarray(PICTURE), box=box, **given).masks[0]
    mask = decoded(shape.points)
    assert (mask & expected).sum() / (mask | expected).sum() > 0.98  # half precision
    assert isinstance(shape, cvat.InteractionResultShape)
    assert 0 <= float(shape.attributes[0].value) <= 1


def test_what_the_agent_keeps_is_small() -> None:
    encoded = CvatInteraction(MODEL).preprocess_image(None, PICTURE)
    assert encoded.embedding.shared is None
    assert encoded.embedding.features.element_size() == 2


def test_nothing_asked_is_nothing_found() -> None:
    function = CvatInteraction(MODEL)
    prompts = SimpleNamespace(pos_points=[], neg_points=[], bounding_box=None)
    assert function.detect(None, function.preprocess_image(None, PICTURE), prompts) == []


def test_the_factory_of_cvats_command(boxes: str) -> None:
    assert isinstance(create(), CvatInteraction)
    assert isinstance(create(classes="cup", detector=boxes), CvatDetection)
    assert isinstance(create(everything=True), CvatDetection)
    with pytest.raises(ConfigError, match="Leave one out"):
        create(classes="cup", everything=True)
