"""Labels come back from the files that were written, and from other programs' COCO files."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny
from tests.serve.served import API, CLICK, Client

from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.masks import rle


def bring(client: Client, content: Any, query: str = "") -> Any:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = client.deliver(f"/import{query}", data)
    assert answer.status_code == 200, answer.text
    return answer.json()


def coco(**changes: Any) -> dict[str, Any]:
    annotation = {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[2, 2, 10, 2, 10, 8, 2, 8]], "iscrowd": 0}
    return {
        "images": [{"id": 7, "file_name": "a.png", "height": 40, "width": 60}],
        "annotations": [annotation | {"area": 48, "bbox": [2, 2, 8, 6]}],
        "categories": [{"id": 3, "name": "cup"}],
    } | changes


def test_what_was_exported_comes_back(client: Client) -> None:
    client.do(1, "commit", draft=CLICK)
    client.do(2, "commit", draft={"box": [5, 5, 50, 30]})
    before = [client.state(number)["objects"][0] for number in (1, 2)]
    exported = client.get(f"{API}/export/coco").content
    for number in (1, 2):
        client.do(number, "delete", ids=[before[number - 1]["id"]])
    assert bring(client, exported) == {"objects": 2, "images": 2, "classes": [], "skipped": []}
    for number in (1, 2):
        (one,) = client.state(number)["objects"]
        assert (one["mask"], one["source"], one["class_id"]) == (before[number - 1]["mask"], "import", 1)


def test_what_is_there_already_is_not_there_twice(client: Client) -> None:
    client.do(1, "commit", draft=CLICK)
    client.do(2, "commit", draft={"box": [5, 5, 50, 30]})
    exported = client.get(f"{API}/export/coco").content
    left = {"objects": 0, "images": 0, "classes": []}
    assert bring(client, exported) == left | {
        "skipped": ["a.png: 1 object is there already.", "b.png: 1 object is there already."]
    }
    mug = client.ask("POST", "/classes", {"name": "mug"})["id"]
    (one,) = client.state(1)["objects"]
    client.do(1, "update", ids=[one["id"]], class_id=mug)
    assert bring(client, exported)["objects"] == 1, "the same mask of another class is another object"
    assert [len(client.state(number)["objects"]) for number in (1, 2)] == [2, 1]


def test_polygons_and_new_classes(client: Client) -> None:
    assert bring(client, coco(), "?format=coco")["classes"] == ["cup"]
    (one,) = client.state()["objects"]
    assert (one["bbox"], one["area"]) == ([2, 2, 8, 6], 48)
    assert client.ask("POST", "/images/1/undo")["remove"] == [one["id"]]


def test_what_does_not_fit_is_left_out_with_a_reason(client: Client) -> None:
    other = {"id": 8, "file_name": "other.png", "height": 40, "width": 60}
    wrong = {"id": 2, "image_id": 7, "category_id": 3, "segmentation": {"size": [9, 9], "counts": [81]}}
    empty = {"id": 3, "image_id": 7, "category_id": 3, "segmentation": []}
    known = coco()
    done = bring(
        client, known | {"images": [*known["images"], other], "annotations": [*known["annotations"], wrong, empty]}
    )
    assert done["objects"] == 1
    assert len(done["skipped"]) == 2
    assert "other.png" in done["skipped"][1]


def test_names_of_other_folders_and_systems(client: Client) -> None:
    image = {"id": 7, "file_name": "C:\\photos\\a.png", "height": 40, "width": 60}
    assert bring(client, coco(images=[image]))["images"] == 1


@pytest.mark.parametrize("kind", ["segment", "everything"])
def test_records(client: Client, tmp_path: Path, kind: str) -> None:
    photo, model = tmp_path / "photos" / "a.png", Segmenter(tiny.shared(tiny.HQ))
    if kind == "segment":
        result = model.segment(photo, points=[[30, 20]], multimask=True)
        result.save(tmp_path / "out", "a")
        expected = [result.candidates[0, 0]]
    else:
        found = segment_everything(photo, model, points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0)
        found.save(tmp_path / "out", "a")
        expected = [found.mask(number) for number in range(len(found))]
    done = bring(client, (tmp_path / "out" / "a.json").read_bytes())
    assert done["objects"] == len(expected) > 0
    masks = [rle.decode(one["mask"]) for one in client.state()["objects"]]
    assert all(np.array_equal(*pair) for pair in zip(masks, expected, strict=True))


def test_a_record_may_be_said_to_belong_to_a_picture(client: Client) -> None:
    mask = rle.encode(np.eye(40, 60, dtype=bool))
    record = {
        "image": {"image_id": 1, "width": 60, "height": 40, "file_name": "x.jpg"},
        "annotations": [{"id": 1, "segmentation": mask, "area": 40, "bbox": [0, 0, 40, 40]}],
    }
    assert client.deliver("/import", json.dumps(record).encode()).status_code == 404
    assert bring(client, record, "?image_id=2")["objects"] == 1
    record["image"]["width"] = 61
    record["annotations"] = []
    assert client.deliver("/import?image_id=2", json.dumps(record).encode()).status_code == 422


@pytest.mark.parametrize("format", ["labelstudio", "cvat", "isat", "supervisely"])
@pytest.mark.parametrize("said", [False, True])
def test_files_of_other_tools(client: Client, format: str, said: bool) -> None:
    client.do(1, "commit", draft=CLICK)
    (before,) = client.state()["objects"]
    content = client.get(f"{API}/export/{format}?scope=image&image_id=1").content
    if format != "cvat":
        content = from_archive(content)
    client.do(1, "delete", ids=[before["id"]])
    query = f"?image_id=1&format={format}" if said else "?image_id=1"
    assert bring(client, content, query) == {"objects": 1, "images": 1, "classes": [], "skipped": []}
    (after,) = client.state()["objects"]
    assert (after["mask"], after["source"]) == (before["mask"], "import")


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
@pytest.mark.parametrize("format", ["coco", "yolo", "labelme", "isat", "supervisely", "labelstudio", "cvat", "sa1b"])
def test_every_export_comes_back_as_it_is(client: Client, format: str, shapes: str) -> None:
    """Several files come back as the ZIP that they were downloaded in."""
    cup = client.ask("POST", "/classes", {"name": "cup"})["id"]
    client.do(1, "commit", draft=CLICK, class_id=cup)
    client.do(1, "commit", draft={"points": [[10, 30]], "labels": [1]})
    client.do(2, "commit", draft={"box": [5, 5, 50, 30]}, class_id=cup)
    before = {number: client.state(number)["objects"] for number in (1, 2)}
    content = client.get(f"{API}/export/{format}?shapes={shapes}").content
    for number, objects in before.items():
        client.do(number, "delete", ids=[one["id"] for one in objects])
    done = bring(client, content)
    assert (done["images"], done["classes"], done["skipped"]) == (2, [], [])
    for number, objects in before.items():
        for class_id in (cup, 1):
            expected, found = (union(some, class_id) for some in (objects, client.state(number)["objects"]))
            np.testing.assert_array_equal(found, expected)
    if shapes == "mask":
        assert done["objects"] == 3


def union(objects: list[dict[str, Any]], class_id: int) -> np.ndarray:
    """The pixels of all objects of a class."""
    masks = [rle.decode(one["mask"]) for one in objects if one["class_id"] == class_id]
    return np.any([np.zeros((40, 60), bool), *masks], axis=0)


def test_a_zip_says_what_was_left_out(client: Client) -> None:
    ring = [[2, 2], [10, 2], [10, 8], [2, 8]]
    shapes = [{"label": "cup", "points": ring}, {"label": "cup", "points": ring[:2], "shape_type": "line"}]
    size = {"imageHeight": 40, "imageWidth": 60}
    files = {
        "in/a.json": json.dumps({"shapes": shapes, "imagePath": "../a.png", **size}),
        "in/z.json": json.dumps({"shapes": shapes, "imagePath": "z.png", **size}),
        "in/old.json": json.dumps({"shapes": shapes, "imagePath": "/etc/passwd"}),
        "in/settings.json": "{}",
        "../../out.txt": "no labels",
        "a.png": "a picture",
    }
    done = bring(client, zipped(files))
    assert (done["objects"], done["images"], done["classes"]) == (1, 1, ["cup"])
    assert [sentence[:12] for sentence in done["skipped"]] == [
        "../a.png: sh",
        "z.png: shape",
        "Expected a p",
        "Expected the",
    ]
    assert not any("/tmp" in sentence for sentence in done["skipped"])


def test_yolo_without_a_zip_or_without_classes(client: Client) -> None:
    line = "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n0 0.5 0.5 0.1 0.1\n"
    assert client.deliver("/import?format=yolo", line.encode()).status_code == 422
    files = {"labels/a.txt": line, "labels/b.txt": "0 nothing", "labels/c.txt": line}
    assert client.deliver("/import", zipped(files)).status_code == 422, "there is no data.yaml"
    done = bring(client, zipped(files | {"data.yaml": "train: images\nnames: [cup]\n"}))
    assert (done["objects"], done["classes"]) == (1, ["cup"])
    assert [sentence.split(":")[0] for sentence in done["skipped"]][::2] == ["a.png", "c.txt"]
    assert "line 1 of b.txt" in done["skipped"][1]


def zipped(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def from_archive(content: bytes) -> bytes:
    """The file with the labels of a.png in an export."""
    names = ("/a.json", "/a.png.json", "/labelstudio.json")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = (name for name in archive.namelist() if f"/{name}".endswith(names))
        return archive.read(name)


def test_several_pictures_of_another_tool(client: Client) -> None:
    """A picture that is not in the project, and one of another size, are left out."""
    shape = "<mask label='cup' rle='0, 4' left='3' top='5' width='2' height='2'/>"
    sizes = {"a.png": (60, 40), "b.png": (60, 41), "c.png": (60, 40)}
    images = "".join(f"<image name='{n}' width='{w}' height='{h}'>{shape}</image>" for n, (w, h) in sizes.items())
    done = bring(client, f"<annotations>{images}</annotations>".encode(), "?image_id=2")
    assert (done["objects"], done["images"], done["classes"]) == (1, 1, ["cup"])
    assert client.state(1)["objects"][0]["bbox"] == [3, 5, 2, 2]
    assert len(done["skipped"]) == 2
    assert "41 x 60" in done["skipped"][0]
    assert "c.png" in done["skipped"][1]


def test_isat_names_its_picture_and_supervisely_does_not(client: Client) -> None:
    ring = [[2, 2], [10, 2], [10, 8], [2, 8]]
    isat = {
        "info": {"name": "b.png", "height": 40, "width": 60},
        "objects": [{"category": "cup", "segmentation": ring}],
    }
    assert bring(client, isat, "?image_id=1")["objects"] == 1  # its own name goes before the picture that is open
    assert client.state(2)["objects"][0]["area"] == 48
    box = {"classTitle": "cup", "geometryType": "rectangle", "points": {"exterior": [[1, 1], [2, 2]], "interior": []}}
    supervisely = {"size": {"height": 40, "width": 60}, "objects": [box]}
    assert client.deliver("/import", json.dumps(supervisely).encode()).status_code == 404
    assert bring(client, supervisely, "?image_id=1")["skipped"] == ["object 0 of the picture: a rectangle has no mask."]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"1",
        b"[" * 100_000,
        b'{"images": 1, "annotations": 2}',
        b'{"image": 1, "annotations": []}',
    ],
)
def test_what_is_neither(client: Client, content: bytes) -> None:
    answer = client.deliver("/import", content)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("Expected")
    assert "/tmp" not in answer.json()["error"]["message"]
