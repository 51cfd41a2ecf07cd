"""The functions for a self-hosted CVAT: their files, and handlers called as nuclio and CVAT's server call them."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests import tiny

import samhq.integrations.nuclio as module
from samhq.inference.segment import Segmenter
from samhq.integrations.nuclio import NuclioModel, detect, init_context, interact
from samhq.masks import rle
from samhq.results.annotation import Annotation

yaml = pytest.importorskip("yaml")
FILES = Path(__file__).parents[2] / "examples" / "cvat_nuclio"
MODEL = Segmenter(tiny.shared(tiny.HQ))
PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def png(pixels: np.ndarray = PICTURE) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """nuclio's context after `init_context`."""
    for name in ("MODEL", "DEVICE", "CLASSES", "DETECTOR"):
        monkeypatch.delenv(f"SAMHQ_{name}", raising=False)
    monkeypatch.setattr(module, "load", lambda *_, **__: MODEL)
    context = SimpleNamespace(
        logger=SimpleNamespace(info=lambda *_: None), user_data=SimpleNamespace(), Response=SimpleNamespace
    )
    init_context(context)
    return context


def call(handler: Any, context: SimpleNamespace, body: Any) -> Any:
    response = handler(context, SimpleNamespace(body=body))
    assert (response.status_code, response.content_type, response.headers) == (200, "application/json", {})
    return json.loads(response.body)


def test_clicks(context: SimpleNamespace) -> None:
    body = {"image": png(), "pos_points": [[30, 20], [28, 18]], "neg_points": [[5, 5]], "obj_bbox": None}
    answer = call(interact, context, body)
    expected = MODEL.segment(PICTURE, points=[[30, 20], [28, 18], [5, 5]], labels=[1, 1, 0]).masks[0]
    np.testing.assert_array_equal(answer["mask"], expected)
    assert all(len(point) == 2 for point in answer["points"])
    assert (len(answer["points"]) >= 3) == expected.any()


@pytest.mark.parametrize("corners", [[[5, 5], [50, 30]], [[50, 30], [5, 5]]])
@pytest.mark.parametrize("points", [[], [[30, 20]]])
def test_a_box(context: SimpleNamespace, corners: Any, points: Any) -> None:
    # Bytes: what nuclio gives where the content type does not say JSON.
    body = json.dumps({"image": png(), "pos_points": points, "neg_points": [], "obj_bbox": corners}).encode()
    prompt = {"points": points, "labels": [1]} if points else {}
    expected = MODEL.segment(PICTURE, box=[5, 5, 50, 30], **prompt).masks[0]
    np.testing.assert_array_equal(call(interact, context, body)["mask"], expected)


def test_a_second_click_encodes_nothing(context: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []
    encode = MODEL.encode
    monkeypatch.setattr(MODEL, "encode", lambda picture: encoded.append(picture) or encode(picture))
    for _ in range(2):
        call(interact, context, {"image": png(), "pos_points": [[30, 20]], "neg_points": []})
    assert len(encoded) == 1
    for value in range(6):
        call(interact, context, {"image": png(PICTURE // (value + 2)), "pos_points": [[3, 2]], "neg_points": []})
    call(interact, context, {"image": png(), "pos_points": [[30, 20]], "neg_points": []})
    assert len(encoded) == 8  # old pictures made room


def boxes(tmp_path: Path) -> str:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 25], "score": 0.75}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return str(tmp_path / "boxes.json")


def as_server_reads(mask: list[int]) -> np.ndarray:
    """A detector's mask as CVAT's `_call_detector` reads it: the last four numbers are the box."""
    *pixels, x0, y0, x1, y1 = mask
    full = np.zeros((40, 60), bool)
    full[y0 : y1 + 1, x0 : x1 + 1] = np.array(pixels, bool).reshape(y1 - y0 + 1, x1 - x0 + 1)
    return full


def test_everything(context: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((40, 60), bool)
    mask[3:9, 10:30] = True
    mask[5, 12] = False
    found = [Annotation(rle.encode(mask), score=0.9), Annotation(rle.encode(mask), score=0.2)]
    found.append(Annotation(rle.encode(np.zeros((40, 60), bool)), score=1.0))
    monkeypatch.setattr(module, "everything_of", lambda *_: found)
    first, second = call(detect, context, {"image": png()})
    np.testing.assert_array_equal(as_server_reads(first["mask"]), mask)
    assert (first["type"], first["label"], first["confidence"]) == ("mask", "object", "0.9000")
    assert len(first["points"]) % 2 == 0
    assert second["confidence"] == "0.2000"
    assert len(call(detect, context, {"image": png(), "threshold": 0.5})) == 1


def test_classes_by_name(context: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(module, "named_in", lambda *given, **more: asked.append((given[2], more)) or [])
    monkeypatch.setenv("SAMHQ_CLASSES", "cup,cat")
    monkeypatch.setenv("SAMHQ_DETECTOR", "owlv2-base")
    context.user_data.model = NuclioModel(MODEL)
    assert call(detect, context, {"image": png(), "threshold": 0.3}) == []
    assert asked == [("cup,cat", {"detector": "owlv2-base", "least": 0.3})]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        {},
        {"image": 3},
        {"image": "???"},
        {"image": base64.b64encode(b"no picture").decode()},
        {"image": png()},
        {"image": png(), "pos_points": [[1, 2, 3]]},
        {"image": png(), "pos_points": "a"},
        {"image": png(), "pos_points": [[1e400, 1]]},
    ],
)
def test_wrong_use_is_a_sentence(context: SimpleNamespace, body: Any) -> None:
    response = interact(context, SimpleNamespace(body=body))
    assert response.status_code == 400
    assert json.loads(response.body)["error"].startswith("Expected")


@pytest.mark.parametrize("kind", ["interactor", "detector"])
def test_the_files_that_are_deployed(kind: str) -> None:
    content = yaml.safe_load((FILES / kind / "function.yaml").read_text())
    about, spec = content["metadata"]["annotations"], content["spec"]
    assert about["type"] == kind
    assert content["metadata"]["namespace"] == "cvat"
    # What CVAT's LambdaFunction reads of a function.
    labels = json.loads(about.get("spec") or "[]")
    assert [one["name"] for one in labels] == ([] if kind == "interactor" else ["object"])
    if kind == "interactor":
        assert int(about["version"]) >= 2  # older versions get polygons only
        assert int(about["min_pos_points"]) == int(about["min_neg_points"]) == 0
        assert about["startswith_box"] is about["startswith_box_optional"] is True
    assert spec["triggers"]["http"]["attributes"]["maxRequestBodySize"] == 32 << 20
    known = {f"SAMHQ_{name}" for name in ("MODEL", "DEVICE", "CLASSES", "DETECTOR")}
    assert {one["name"] for one in spec["env"]} <= known
    name, _, function = spec["handler"].partition(":")
    loaded = importlib.util.spec_from_file_location(f"{kind}_{name}", FILES / kind / f"{name}.py")
    assert loaded is not None
    assert loaded.loader is not None
    main = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(main)
    assert getattr(main, function) is (interact if kind == "interactor" else detect)
    assert main.init_context is init_context
