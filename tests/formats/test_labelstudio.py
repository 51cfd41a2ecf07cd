"""Label Studio's tasks: brushes unpacked by a reader of the published bit stream, and polygons in percent."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from tests.results.drawn import annotation, filled, masks, picture, scene

from samhq.formats.labelstudio import brush_code, labelstudio_task, open_labelstudio


def unpacked(code: list[int]) -> np.ndarray:
    """All values of a brush, read bit by bit as rle-pack's `decode` is specified."""
    bits = "".join(f"{byte:08b}" for byte in code)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated = take(1)
        length = take(sizes[take(2)]) + 1
        values += [take(word)] * length if repeated else [take(word) for _ in range(length)]
    assert len(values) == total
    assert len(bits) - place < 8
    return np.array(values, np.uint8)


def mask_of(region: dict) -> np.ndarray:
    size_hw = region["original_height"], region["original_width"]
    value = region["value"]
    if region["type"] == "polygonlabels":
        return filled([np.array(value["points"]) / 100 * size_hw[::-1]], size_hw)
    assert value["format"] == "rle"
    rgba = unpacked(value["rle"]).reshape(*size_hw, 4)
    assert (rgba == rgba[..., :1]).all()
    assert set(np.unique(rgba)) <= {0, 255}
    return rgba[..., 3] > 0


@settings(deadline=None, max_examples=40)
@given(masks)
@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_masks_come_back(shapes, mask):
    regions = labelstudio_task(picture(mask), shapes)["predictions"][0]["result"]
    together = np.zeros_like(mask)
    for region in regions:
        together ^= mask_of(region)
    np.testing.assert_array_equal(together, mask)
    assert len({region["id"] for region in regions}) == len(regions)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (64, 64), (128, 128), (128, 129), (300, 301)])
def test_runs_of_every_length_are_written(shape):
    """4 x 64 x 64 values are a quarter of what one run can say, 4 x 128 x 128 exactly that."""
    full = np.ones(shape, bool)
    assert unpacked(brush_code(annotation(full)).tolist()).tolist() == [255] * (4 * full.size)
    full.flat[-1] = False
    assert unpacked(brush_code(annotation(full)).tolist()).tolist() == [255] * (4 * full.size - 4) + [0] * 4


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_tasks_and_the_page_name_each_other(tmp_path, shapes):
    with open_labelstudio(tmp_path / "ls.json", shapes=shapes, image_url="https://x/") as add:
        add(scene())
        add(scene("dog.jpg"))
    tasks = json.loads((tmp_path / "ls.json").read_text())
    assert [task["data"]["image"] for task in tasks] == ["https://x/cat.jpg", "https://x/dog.jpg"]
    page = ElementTree.fromstring((tmp_path / "ls.xml").read_text())
    image, tag = page.find("Image"), page.find("BrushLabels" if shapes == "mask" else "PolygonLabels")
    assert image is not None
    assert tag is not None
    assert image.get("value") == "$image"
    labels = [label.get("value") for label in tag.iter("Label")]
    assert labels == ["wheel", "pair & <co>"]
    prediction = tasks[0]["predictions"][0]
    assert prediction["model_version"] == "test"
    assert prediction["score"] == pytest.approx(0.85)
    for region in prediction["result"]:
        assert region["from_name"] == tag.get("name")
        assert region["to_name"] == tag.get("toName") == image.get("name")
        assert region["type"] == tag.tag.lower()
        assert region["value"][region["type"]][0] in labels


def test_no_pictures_are_no_tasks(tmp_path):
    with open_labelstudio(tmp_path / "ls.json"):
        pass
    assert json.loads((tmp_path / "ls.json").read_text()) == []
    assert "object" in (tmp_path / "ls.xml").read_text()
