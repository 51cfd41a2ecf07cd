"""Thousands of objects, large pictures, and the brush."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from tests.browser.labelling import Labelling, mask_of

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
MANY = 2000
FRAMES = 60
#: Moves the picture with the middle button, a step a frame.
PAN = """async (frames) => {
  const stage = document.querySelector("[data-stage]"), box = stage.getBoundingClientRect();
  const send = (type, x, y, buttons) => stage.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, pointerType: "mouse", button: type === "pointermove" ? -1 : 1, buttons,
    clientX: box.x + x, clientY: box.y + y, bubbles: true,
  }));
  stage.setPointerCapture = () => undefined;
  send("pointerdown", 300, 300, 4);
  for (let i = 0; i < frames; i++) {
    send("pointermove", 300 + 2 * i, 300 + i, 4);
    await new Promise(requestAnimationFrame);
  }
  send("pointerup", 420, 360, 0);
}"""


def squares(page: Labelling, count: int) -> dict[str, object]:
    """A COCO file of many small masks on the page's picture."""
    width, height = page.row["width"], page.row["height"]
    columns = int(np.ceil(np.sqrt(count * width / height)))
    step = width // columns
    annotations = []
    for i in range(count):
        x, y = (i % columns) * step, (i // columns) * step
        mask = np.zeros((height, width), np.uint8, order="F")
        mask[y : y + step - 2, x : x + step - 2 - i % 3] = 1
        rle = coco_mask.encode(mask)
        annotations.append(
            {
                "id": i + 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                "bbox": coco_mask.toBbox(rle).tolist(),
                "area": int(mask.sum()),
                "iscrowd": 0,
            }
        )
    image = {"id": 1, "file_name": page.row["name"], "width": width, "height": height}
    return {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}


def test_two_thousand_objects_are_one_layer(label: Open, capsys: pytest.CaptureFixture[str]) -> None:
    page = label()
    before = page.page.evaluate("document.querySelectorAll('*').length")
    answer = page.server.ask("/import?format=coco", json.dumps(squares(page, MANY)).encode())
    assert answer["objects"] == MANY
    page.page.reload()
    page.opened()
    page.until(lambda: page.count() == MANY)
    assert page.page.evaluate("document.querySelectorAll('*').length") < before + 600
    before = page.view()
    spent = page.work_ms(lambda: page.page.evaluate(PAN, FRAMES)) / FRAMES
    assert page.view() == pytest.approx({"scale": before["scale"], "x": before["x"] + 118, "y": before["y"] + 59})
    with capsys.disabled():
        print(f"\n{MANY} objects: the page works {spent:.1f} ms a frame while the picture is moved")
    page.press("v")
    target = page.state()["objects"][1234]
    x, y, w, h = target["bbox"]
    page.page.mouse.click(*page.on_screen(x + w / 2, y + h / 2))
    assert page.state()["selection"] == [target["id"]]
    page.press("Delete")
    page.until(lambda: page.count() == MANY - 1)
    page.press("Control+z")
    page.until(lambda: page.count() == MANY)
    assert page.errors == []


def test_a_picture_of_24_megapixels_is_labelled_like_any_other(
    label: Open, picture: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    page = label(picture.resize((6000, 4000)))
    kept = []
    for x, y in np.random.default_rng(0).uniform((300, 300), (5700, 3700), (16, 2)):
        times = page.click(x, y)["times"]
        kept.append([times["decode"], times["way"], times["paint"], times["way"] + times["paint"]])
        page.press("Escape")
    with capsys.disabled():
        print(
            "\n24 MP, in the median of 16 clicks: decoding {:.1f} ms, way {:.1f}, painting {:.1f}; ".format(
                *np.median(kept, axis=0)
            ),
            end="",
        )
        print(f"beyond decoding {np.median(kept, axis=0)[3]:.1f} ms, at least {np.min(kept, axis=0)[3]:.1f}")
    page.click(3000, 1900)
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    assert mask_of(page.objects()[0]["mask"]).shape == (4000, 6000)
    assert page.errors == []


def test_brush_and_eraser_change_the_mask_that_is_stored(label: Open) -> None:
    page = label()
    page.press("b")
    page.drag((100, 100), (200, 100))
    page.press("e")
    page.drag((150, 60), (150, 140))
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    mask = mask_of(page.objects()[0]["mask"])
    assert [bool(mask[at]) for at in ((100, 110), (100, 150), (100, 190), (150, 110))] == [True, False, True, False]
    assert page.objects()[0]["source"] == "brush"


def test_a_stroke_goes_on_from_the_mask_of_a_prompt_and_an_object_can_be_mended(label: Open) -> None:
    page = label()
    page.click(300, 190)
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    before = mask_of(page.objects()[0]["mask"])
    page.press("v")
    page.click(300, 190)
    page.page.get_by_role("heading", name="Selected object").wait_for()
    page.press("b")
    page.drag((20, 20), (50, 20))
    page.until(lambda: (page.settle()["draft"] or {}).get("object_id") is not None)
    page.press("Enter")
    page.until(lambda: page.state()["draft"] is None)
    page.settle()
    (stored,) = page.objects()
    after = mask_of(stored["mask"])
    assert (after & before).sum() == before.sum()
    assert after[20, 35] > before[20, 35]


def test_a_stroke_after_accepting_is_another_object(label: Open) -> None:
    page = label()
    page.click(300, 190)
    page.press("Enter")
    page.until(lambda: page.count() == 1)
    page.press("b")
    page.drag((20, 20), (50, 20))
    page.press("Enter")
    page.until(lambda: page.count() == 2)
    assert not mask_of(page.objects()[0]["mask"])[20, 35]


def test_holes_are_filled_and_specks_dropped(label: Open) -> None:
    page = label()
    page.press("b")
    page.drag((100, 100), (180, 100))
    page.press("e")
    for _ in range(12):
        page.page.keyboard.press("[")
    page.drag((140, 100), (141, 100))
    holed = mask_of(page.settle()["draft"]["edited"])
    filled = mask_of(page.press("Shift+F")["draft"]["edited"])
    assert filled.sum() > holed.sum()
    assert filled[100, 140]
