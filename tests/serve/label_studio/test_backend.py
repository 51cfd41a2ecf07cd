"""Predictions: what a person marked becomes the mask that `segment` gives, in the form of the page's control."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests import tiny
from tests.formats.test_labelstudio import mask_of
from tests.serve.label_studio.studio import running_studio
from tests.serve.served import photograph

from samhq.inference.segment import Segmenter
from samhq.serve.inference import Inference
from samhq.serve.label_studio.backend import Backend
from samhq.serve.label_studio.page import LabellingPage
from samhq.serve.label_studio.pictures import FetchedPictures
from samhq.serve.label_studio.prompts import ContextRegion

SIZE_HW = (40, 60)
MODEL = Segmenter(tiny.shared(tiny.HQ))
DATA = {"image": "/a.png"}


def page(kind: str = "BrushLabels") -> LabellingPage:
    labels = '<Label value="cup"/><Label value="cat"/>'
    return LabellingPage.of(
        f'<View><Image name="image" value="$image"/><{kind} name="tag" toName="image">{labels}</{kind}></View>'
    )


def key_point(x: float = 50, y: float = 50, label: str = "cat", **more: Any) -> ContextRegion:
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [label]}
    return ContextRegion.model_validate({"type": "keypointlabels", "value": value} | more)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    with running_studio() as studio:
        studio.files["/a.png"] = photograph(tmp_path / "a.png", SIZE_HW).read_bytes()
        pictures = FetchedPictures(studio.url)
        backend = Backend(Inference(lambda: MODEL, pictures), pictures)
        backend.inference.start()
        yield backend
        backend.inference.queue.stop()


def predict(backend: Backend, *marks: ContextRegion, kind: str = "BrushLabels") -> dict[str, Any]:
    return asyncio.run(backend.predict(page(kind), DATA, marks))


def picture(backend: Backend) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(backend.pictures.fetch("/a.png").content)))


def test_a_click_gives_the_mask_of_segment(backend: Backend) -> None:
    prediction = predict(backend, key_point(), key_point(10, 10, is_positive=0))
    result = MODEL.segment(picture(backend), points=[[30, 20], [6, 4]], labels=[1, 0])
    (region,) = prediction["result"]
    np.testing.assert_array_equal(mask_of(region), result.masks[0])
    assert region["value"]["brushlabels"] == ["cat"]
    assert (region["from_name"], region["to_name"], region["readonly"]) == ("tag", "image", False)
    assert (region["original_width"], region["original_height"]) == (60, 40)
    assert region["score"] == prediction["score"] == pytest.approx(float(result.scores[0]))
    assert prediction["model_version"] == backend.model_version


@pytest.mark.parametrize("kind", ["BrushLabels", "PolygonLabels", "RectangleLabels"])
def test_a_box_with_every_control(backend: Backend, kind: str) -> None:
    value = {"x": 10, "y": 10, "width": 70, "height": 70, "rectanglelabels": ["CUP"]}
    mark = ContextRegion.model_validate({"type": "rectanglelabels", "value": value})
    regions = predict(backend, mark, kind=kind)["result"]
    mask = MODEL.segment(picture(backend), box=[6, 4, 48, 32]).masks[0]
    assert regions
    assert {one["type"] for one in regions} == {kind.lower()}
    assert {tuple(one["value"][kind.lower()]) for one in regions} == {("cup",)}
    assert len({one["id"] for one in regions}) == len(regions)
    if kind == "RectangleLabels":
        ys, xs = np.nonzero(mask)
        (value,) = (one["value"] for one in regions)
        place = [value["x"] * 0.6, value["y"] * 0.4, value["width"] * 0.6, value["height"] * 0.4]
        np.testing.assert_allclose(place, [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1], atol=1e-9)
        return
    together = np.zeros(SIZE_HW, bool)
    for one in regions:
        together |= mask_of(one)
    # Polygons are simplified by at most a pixel.
    assert (together ^ mask).sum() <= (0 if kind == "BrushLabels" else 0.2 * mask.sum())


def test_a_second_click_encodes_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    predict(backend, key_point())
    monkeypatch.setattr(MODEL, "encode", None)
    assert predict(backend, key_point(20, 20))["result"]


def test_the_rotation_of_the_view_stays(backend: Backend) -> None:
    turned = predict(backend, key_point(image_rotation=90))["result"][0]
    plain = predict(backend, key_point())["result"][0]
    assert (turned["image_rotation"], plain["image_rotation"]) == (90, 0)
    assert turned["value"] == plain["value"]


def test_without_marks_nothing_is_fetched(backend: Backend) -> None:
    assert predict(backend) == {"result": [], "score": 0.0, "model_version": backend.model_version}
    assert predict(backend, ContextRegion(type="ellipselabels"))["result"] == []


def test_everything_without_marks(backend: Backend) -> None:
    backend.prelabel = "everything"
    regions = predict(backend)["result"]
    assert {tuple(one["value"]["brushlabels"]) for one in regions} <= {("cup",)}


def test_the_page_s_labels_without_marks(backend: Backend, tmp_path: Path) -> None:
    boxes = {
        "images": [{"id": 1, "file_name": "picture"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 25], "score": 0.75}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    backend.prelabel, backend.detector = "labels", str(tmp_path / "boxes.json")
    prediction = predict(backend)
    (region,) = prediction["result"]
    assert region["value"]["brushlabels"] == ["cat"]
    assert prediction["score"] == pytest.approx(0.75)
    np.testing.assert_array_equal(mask_of(region), MODEL.segment(picture(backend), box=[5, 5, 30, 30]).masks[0])


@pytest.mark.parametrize(
    ("name", "last"), [(None, "starter"), ("models/mine.safetensors", "mine"), ("sam-hq", "sam-hq")]
)
def test_the_version_names_the_model(name: str | None, last: str) -> None:
    pictures = FetchedPictures("http://localhost")
    version = Backend(Inference(lambda: MODEL, pictures), pictures, name).model_version
    assert version.startswith("samhq-")
    assert version.endswith(f"-{last}")
