"""Label Studio's tasks: brushes unpacked by a reader of the published bit stream, and polygons in percent."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from tests.results.drawn import annotation, filled, masks, picture, scene

from samhq.errors import ImageError
from samhq.formats.labelstudio import (
    brush_code,
    labelstudio_task,
    open_labelstudio,
    read_labelstudio,
    region,
    region_values,
)


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
    for one in regions:
        together ^= mask_of(one)
    np.testing.assert_array_equal(together, mask)
    assert len({one["id"] for one in regions}) == len(regions)


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
    for one in prediction["result"]:
        assert one["from_name"] == tag.get("name")
        assert one["to_name"] == tag.get("toName") == image.get("name")
        assert one["type"] == tag.tag.lower()
        assert one["value"][one["type"]][0] in labels


def test_no_pictures_are_no_tasks(tmp_path):
    with open_labelstudio(tmp_path / "ls.json"):
        pass
    assert json.loads((tmp_path / "ls.json").read_text()) == []
    assert "object" in (tmp_path / "ls.xml").read_text()


def read(tmp_path, tasks):
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    return list(read_labelstudio(tmp_path / "export.json"))


def exported(*regions, image="/data/upload/1/ea232e1e-cat.jpg", **more):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(regions)}]} | more


def brush(mask, label="cup", **more):
    (value,) = region_values(annotation(mask, label))
    return region(annotation(mask, label), "a", value) | more


@settings(deadline=None, max_examples=40)
@given(masks)
@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_our_tasks_are_read(tmp_path_factory, shapes, mask):
    found = read(tmp_path_factory.mktemp("ls"), [labelstudio_task(picture(mask), shapes)])
    assert len(found) == mask.any()
    for back, skipped in found:
        assert (back.file_name, back.size_hw, skipped) == ("cat.jpg", mask.shape, [])
        np.testing.assert_array_equal(np.any([one.mask for one in back.annotations], axis=0), mask)


def test_a_scene_comes_back(tmp_path):
    with open_labelstudio(tmp_path / "ls.json") as add:
        add(scene())
        add(scene("dog.jpg"))
    for (back, _), name in zip(read_labelstudio(tmp_path / "ls.json"), ("cat.jpg", "dog.jpg"), strict=True):
        assert back.file_name == name
        for one, (_, other) in zip(back.annotations, scene().objects, strict=True):
            assert (one.label, one.score) == (other.label, other.confidence)
            np.testing.assert_array_equal(one.mask, other.mask)


def test_a_brush_with_single_values(tmp_path):
    """Label Studio's own brushes hold runs of single values at soft edges; alpha above 0 is on the object."""
    head = f"{4 * 3:032b}" + f"{7:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16))
    single = "0" + "01" + f"{7:04b}" + "".join(f"{value:08b}" for value in (9, 9, 9, 0, 1, 2, 3, 40))
    run = "1" + "00" + f"{3:03b}" + f"{255:08b}"
    bits = head + single + run
    code = [int(bits.ljust(-(-len(bits) // 8) * 8, "0")[start : start + 8], 2) for start in range(0, len(bits), 8)]
    one = {"type": "brushlabels", "original_width": 3, "original_height": 1, "value": {"format": "rle", "rle": code}}
    ((back, _),) = read(tmp_path, [exported(one)])
    assert back.annotations[0].mask.tolist() == [[False, True, True]]
    assert back.annotations[0].label == "object"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/upload/1/ea232e1e-cat.jpg", "cat.jpg"),
        ("/data/local-files/?d=photos/a%20cat.jpg", "photos/a cat.jpg"),
        ("https://example.org/x/ea232e1e-cat.jpg?v=1", "ea232e1e-cat.jpg"),
        ("s3://bucket/cat.jpg", "cat.jpg"),
    ],
)
def test_names_of_pictures(tmp_path, image, name):
    ((back, _),) = read(tmp_path, [exported(brush(np.ones((2, 3), bool)), image=image)])
    assert back.file_name == name


def test_which_regions_count(tmp_path):
    on, off = np.ones((2, 3), bool), np.eye(2, 3, dtype=bool)
    cancelled = {"was_cancelled": True, "result": [brush(off, "no")]}
    labelled = exported(brush(on), annotations=[cancelled, {"result": [brush(on)]}, {"result": [brush(off)]}])
    predicted = exported(annotations=[cancelled], predictions=[{"result": [brush(off, "dog", score=0.5)]}])
    box = {"type": "rectanglelabels", "original_width": 3, "original_height": 2, "value": {"x": 1, "width": 3}}
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    found = read(tmp_path, [labelled, predicted, exported(choice), exported(box, choice), exported()])
    assert [[(one.label, one.score, one.area) for one in back.annotations] for back, _ in found] == [
        [("cup", None, 6)],
        [("dog", 0.5, 2)],
        [],
    ]
    assert found[2][1] == ["cat.jpg: a rectanglelabels has no mask."]


@pytest.mark.parametrize(
    "tasks",
    [
        {},
        [1],
        [{}],
        [exported({"original_width": 0, "original_height": 2, "value": {"rle": [1]}})],
        [exported(brush(np.ones((2, 3), bool), original_width=4))],
        [exported(brush(np.ones((2, 3), bool), original_width=None))],
        [exported({"original_width": 3, "value": {"rle": [1]}})],
        [exported(brush(np.ones((2, 3), bool), original_width=1 << 20, original_height=1 << 20))],
        [exported(brush(np.ones((2, 3), bool)) | {"value": {"rle": [0, 0, 0, 24, 57]}})],
        [exported(brush(np.ones((2, 3), bool)) | {"value": {"rle": [0, 0, 0, 300]}})],
        [exported(brush(np.ones((2, 3), bool)) | {"value": {"rle": "abc"}})],
        [exported(brush(np.ones((2, 3), bool)), data={"n": 1})],
        [exported({"type": "polygonlabels", "original_width": 3, "original_height": 2, "value": {"points": [[1]]}})],
    ],
)
def test_other_files_are_refused(tmp_path, tasks):
    with pytest.raises(ImageError, match="Expected"):
        read(tmp_path, tasks)
