"""The page for people who use a keyboard, a screen reader, a finger, large text or their own colours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.browser.labelling import Labelling

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
}
DIALOGS = ["Keys and help", "Export", "Import labels or add pictures", "Edit the classes", "All pictures"]


def faults(page: Labelling, axe: str) -> list[str]:
    """What axe-core calls serious or critical."""
    page.page.evaluate(axe)
    found = page.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['nodes'][0]['html']} ({each['nodes'][0]['failureSummary']})"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(label: Open, axe: str, look: str) -> None:
    page = label(**LOOKS[look])
    assert faults(page, axe) == []
    page.page.locator("[data-stage]").focus()
    page.press("Space")
    page.press("Space")
    page.until(lambda: page.state()["candidates"] is not None)
    assert faults(page, axe) == []
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    assert faults(page, axe) == []


@pytest.mark.parametrize("dialog", DIALOGS)
def test_axe_finds_nothing_serious_in_dialogs(label: Open, axe: str, dialog: str) -> None:
    page = label()
    page.page.get_by_title(dialog).first.click()
    page.page.locator("dialog[open]").wait_for()
    assert faults(page, axe) == []
    page.page.keyboard.press("Escape")
    page.until(lambda: page.page.locator("dialog").count() == 0)


def test_an_object_is_labelled_by_keyboard_alone(label: Open) -> None:
    page = label()
    keyboard = page.page.keyboard
    for _ in range(40):
        keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.hasAttribute('data-stage')"):
            break
    else:
        pytest.fail("Tab never reaches the picture")
    page.press("ArrowLeft")
    start = page.state()["cursor"]
    page.press("ArrowLeft")
    page.press("Shift+ArrowUp")
    page.press("Control+ArrowDown")
    assert np.allclose(page.state()["cursor"], [start[0] - 12, start[1] - 9])
    assert page.press("Space")["draft"]["labels"] == [1]
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    assert page.press("Backspace")["draft"]["labels"] == [1, 0]
    page.press("c")
    keyboard.type("cup")
    keyboard.press("Enter")
    page.until(lambda: page.page.locator("#class").input_value() == "cup")
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    (stored,) = page.objects()
    names = {row["id"]: row["name"] for row in page.server.ask("/classes")["classes"]}
    assert names[stored["class_id"]] == "cup"
    page.until(lambda: "accepted, cup" in page.page.locator("[aria-live]").inner_text())
    assert page.errors == []


def test_a_box_is_drawn_by_keyboard(label: Open) -> None:
    page = label()
    page.page.locator("[data-stage]").focus()
    for keys in ("r", "Space", "Space", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "Space"):
        page.press(keys)
    x0, y0, x1, y1 = page.settle()["draft"]["box"]
    assert (x1 - x0, y1 - y0) == (24, 36)


def test_the_list_of_objects_works_by_keyboard(label: Open) -> None:
    page = label()
    for place in ((300, 190), (60, 60)):
        page.click(*place)
        page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 2)
    first, second = (each["id"] for each in page.state()["objects"])
    page.page.get_by_role("listbox", name="Objects").focus()
    page.press("Home")
    assert page.state()["selection"] == [second]
    page.press("ArrowDown")
    assert page.state()["selection"] == [first]
    page.press("i")
    assert [each["hidden"] for each in page.state()["objects"]] == [True, False]
    page.press("l")
    page.press("Delete")
    assert "Unlock with L" in page.state()["status"]["text"]
    page.press("l")
    page.press("Delete")
    assert [each["id"] for each in page.objects()] == [second]


def test_a_tap_adds_a_long_press_subtracts_and_a_finger_moves_the_picture(label: Open) -> None:
    page = label(**PHONE)
    page.page.touchscreen.tap(*page.on_screen(300, 190))
    draft = page.settle()["draft"]
    assert np.allclose(draft["points"], [[300, 190]], atol=2.5)
    touch = page.page.context.new_cdp_session(page.page)

    def finger(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    finger("touchStart", page.on_screen(60, 60))
    time.sleep(0.8)
    finger("touchEnd")
    page.until(lambda: len((page.state()["draft"] or {"labels": []})["labels"]) == 2)
    assert page.settle()["draft"]["labels"] == [1, 0]
    before = page.state()["view"]
    x, y = page.on_screen(480, 330)
    finger("touchStart", (x, y))
    for step in range(1, 6):
        finger("touchMove", (x - 8 * step, y + 6 * step))
    finger("touchEnd")
    moved = page.state()["view"]
    assert moved["x"] < before["x"] - 20
    assert moved["y"] > before["y"] + 15
    finger("touchStart", (150, 300), (250, 300))
    finger("touchMove", (100, 300), (300, 300))
    finger("touchEnd")
    assert page.state()["view"]["scale"] == pytest.approx(2 * moved["scale"], rel=0.05)
    assert len(page.settle()["draft"]["points"]) == 2


def test_nothing_is_wider_than_a_phone(label: Open) -> None:
    page = label(**PHONE)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    page.page.get_by_role("button", name="Objects and masks").click()
    assert page.page.locator(".objects").is_visible()


@pytest.mark.parametrize("width", [701, 820, 1024, 1280])
def test_every_button_of_the_header_is_in_sight(label: Open, width: int) -> None:
    page = label(viewport={"width": width, "height": 700})
    buttons = page.page.locator(".header").get_by_role("button").all()
    assert len(buttons) >= 10
    for button in buttons:
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert min(box["width"], box["height"]) >= 24


def test_at_twice_the_size_every_control_is_still_there(label: Open) -> None:
    page = label(viewport={"width": 640, "height": 400})
    for name in ("Points", "Box", "Brush", "Export", "Clear"):
        control = page.page.get_by_role("button", name=name, exact=True).first
        control.scroll_into_view_if_needed()
        assert control.is_visible(), name
    name = page.page.locator(".picture-name .ellipsis").bounding_box()
    assert name is not None
    assert name["width"] >= 60, "the picture's name has no room"
