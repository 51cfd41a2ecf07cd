"""Scribble, straight strokes, overlaps, classes by number, and how masks are shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from tests.browser.labelling import Labelling, mask_of

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
#: Which of two objects get the pixels that both have.
OWNERS = {"keep": [True, True], "newest": [False, True], "oldest": [True, False]}


def paint(page: Labelling, *places: tuple[float, float]) -> None:
    """Accepts a brush stroke as an object."""
    count = page.count()
    page.press("b")
    page.drag(*places)
    page.press("Enter")
    page.until(lambda: page.count() == count + 1)


def test_a_scribble_is_points_along_its_line(label: Open) -> None:
    page = label()
    page.press("s")
    draft = page.drag((220.0, 190.0), (300.0, 190.0), (380.0, 190.0))["draft"]
    points = np.array(draft["points"])
    assert 2 <= len(points) <= 6
    assert set(draft["labels"]) == {1}
    assert np.allclose(points[:, 1], 190, atol=1)
    assert points[:, 0].min() < 240
    assert points[:, 0].max() > 360
    page.until(lambda: page.state()["candidates"] is not None)


def test_shift_draws_a_straight_stroke_from_the_last_one(label: Open) -> None:
    page = label()
    page.press("b")
    page.drag((100, 100), (101, 100))
    page.page.keyboard.down("Shift")
    page.drag((300, 100), (301, 100))
    page.page.keyboard.up("Shift")
    page.press("Enter")
    page.until(lambda: page.count() == 1)
    assert mask_of(page.objects()[0]["mask"])[100, 100:300].all()


@pytest.mark.parametrize("policy", OWNERS)
def test_overlaps_go_to_both_the_newest_or_the_oldest(label: Open, policy: str) -> None:
    page = label()
    page.page.get_by_label("Pixels that two objects share").select_option(policy)
    paint(page, (100, 100), (200, 100))
    paint(page, (150, 60), (150, 140))
    assert [bool(mask_of(one["mask"])[100, 150]) for one in page.objects()] == OWNERS[policy]
    assert [bool(mask_of(one["mask"])[100, 110]) for one in page.objects()] == [True, False]


def test_numbers_give_the_selected_objects_a_class_and_the_next_one_keeps_its_own(label: Open) -> None:
    page = label()
    for name in ("first", "second"):
        page.server.ask("/classes", {"name": f"{name} of numbers"})
    page.page.reload()
    page.opened()
    rows = page.server.ask("/classes")["classes"]
    paint(page, (100, 100), (200, 100))
    page.press("Control+a")
    page.press("Shift+Digit2")
    page.until(lambda: page.objects()[0]["class_id"] == rows[1]["id"])
    page.press("n")
    page.press("Shift+Digit1")
    assert page.objects()[0]["class_id"] == rows[1]["id"]
    paint(page, (300, 300), (350, 300))
    assert page.objects()[1]["class_id"] == rows[0]["id"]


def test_masks_are_outlined_and_hidden_while_a_key_is_held(label: Open) -> None:
    page = label()
    paint(page, (100, 100), (200, 100))
    keyboard = page.page.keyboard

    def filled() -> float:
        """The share of the stroke's middle in which the picture is covered."""
        page.page.evaluate("new Promise(requestAnimationFrame)")
        x, y = page.on_screen(150, 100)
        alpha = """([x, y]) => {
          const canvas = document.querySelector("[data-layer=labels]"), box = canvas.getBoundingClientRect();
          const ratio = canvas.width / box.width;
          return canvas.getContext("2d").getImageData((x - box.x) * ratio, (y - box.y) * ratio, 1, 1).data[3] / 255;
        }"""
        return page.page.evaluate(alpha, [x, y])

    page.until(lambda: filled() > 0.3)
    for key in ("o", "x"):
        keyboard.down(key)
        page.until(lambda: filled() == 0)
        keyboard.up(key)
        page.until(lambda: filled() > 0.3)


def test_the_small_map_shows_the_part_that_is_in_sight(label: Open, picture: Image.Image) -> None:
    page = label()
    small = page.page.locator(".minimap")
    assert not small.is_visible()
    page.page.mouse.move(*page.on_screen(300, 200))
    page.zoom(12)
    page.until(small.is_visible)
    box = small.bounding_box()
    assert box is not None
    page.page.mouse.click(box["x"] + box["width"] / 6, box["y"] + box["height"] / 2)
    view, stage = page.view(), page.state()["stage"]
    assert (stage["width"] / 2 - view["x"]) / view["scale"] == pytest.approx(picture.width / 6, abs=8)
    page.press("f")
    page.until(lambda: not small.is_visible())


def test_the_dialog_of_classes_counts_what_was_accepted(label: Open) -> None:
    page = label()
    page.press("c")
    page.page.keyboard.type("counted")
    page.page.keyboard.press("Enter")
    page.until(lambda: page.page.locator("#class").input_value() == "counted")
    paint(page, (100.0, 100.0), (200.0, 100.0))
    page.page.get_by_role("button", name="Edit the classes").click()
    row = page.page.locator(".class-rows li").last
    row.get_by_text("1 object").wait_for()
    row.get_by_role("button", name="Remove counted").click()
    row.get_by_label("Class that the objects of counted get").select_option(label="object")
    page.page.get_by_role("button", name="Remove counted").wait_for(state="detached")
    names = {row["id"]: row["name"] for row in page.server.ask("/classes")["classes"]}
    assert [names[each["class_id"]] for each in page.objects()] == ["object"]
    assert [names[each["class_id"]] for each in page.state()["objects"]] == ["object"]
