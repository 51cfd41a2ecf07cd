"""Projects that we write are read by Supervisely's own package, and files that it writes are read by us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samhq.formats.supervisely import open_supervisely, read_supervisely
from samhq.masks import rle
from tests.parity.vendors import answer_of, vendor_python
from tests.results.drawn import nested, picture, scene

pytestmark = pytest.mark.slow

#: Opens the project, says what is in it, and writes each label again, as a bitmap and as a polygon.
_READ = """
import json, sys
import numpy as np
import supervisely as sly
folder = json.load(sys.stdin)
project = sly.Project(folder, sly.OpenMode.READ)
found = {}
for dataset in project:
    for name in dataset:
        annotation = dataset.get_ann(name, project.meta)
        objects = []
        for label in annotation.labels:
            canvas = np.zeros(annotation.img_size, np.uint8)
            label.geometry.draw(canvas, 1)
            score = label.tags.get("confidence")
            again = sly.Label(sly.Bitmap(canvas.astype(bool)), label.obj_class.clone(geometry_type=sly.Bitmap))
            objects.append({
                "name": label.obj_class.name,
                "shape": label.geometry.geometry_name(),
                "score": None if score is None else score.value,
                "mask": canvas.tolist(),
                "again": again.to_json(),
            })
        found[name] = {"objects": objects, "image": list(sly.image.read(dataset.get_img_path(name)).shape)}
print(json.dumps({"classes": [one.name for one in project.meta.obj_classes], "found": found}))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return vendor_python("supervisely==6.74.51")


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_supervisely_reads_a_project(python: Path, shapes: Any, tmp_path: Path) -> None:
    rings = picture(nested(30, 41, 2), file_name="rings.png", image=np.zeros((30, 41, 3), np.uint8))
    with open_supervisely(tmp_path / "project", shapes=shapes, labels=["dog"]) as add:
        add(scene())
        add(rings)
    answer = answer_of(python, _READ, str(tmp_path / "project"))
    assert answer["classes"] == ["dog", "wheel", "pair & <co>", "object"]
    assert answer["found"]["cat.png"]["image"] == [40, 60, 3]
    kind = "bitmap" if shapes == "mask" else "polygon"
    for name, before in (("cat.png", scene()), ("rings.png", rings)):
        objects = answer["found"][name]["objects"]
        assert {one["shape"] for one in objects} == {kind}
        for label in {item.label for _, item in before.objects}:
            ours = np.any([item.mask for _, item in before.objects if item.label == label], axis=0)
            theirs = np.any([one["mask"] for one in objects if one["name"] == label], axis=0)
            np.testing.assert_array_equal(theirs, ours)
        scores = {item.confidence for _, item in before.objects}
        assert {one["score"] for one in objects} == scores


def test_we_read_what_supervisely_writes(python: Path, tmp_path: Path) -> None:
    with open_supervisely(tmp_path / "project") as add:
        add(scene())
    objects = answer_of(python, _READ, str(tmp_path / "project"))["found"]["cat.png"]["objects"]
    size = {"height": 40, "width": 60}
    record = {"description": "", "tags": [], "size": size, "objects": [one["again"] for one in objects]}
    (tmp_path / "cat.png.json").write_text(json.dumps(record))
    read, skipped = read_supervisely(tmp_path / "cat.png.json")
    assert not skipped
    assert [one.code["counts"] for one in read.annotations] == [
        rle.encode(np.array(one["mask"], bool))["counts"] for one in objects
    ]
