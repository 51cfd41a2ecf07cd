"""Prompts on the page: clicks, boxes, candidates, previews, everything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from tests.browser.labelling import Labelling, mask_of, near

from samhq.inference.segment import load

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
#: On the cup of the picture, on its saucer, and beside both.
CUP, SAUCER, TABLE = (300.0, 190.0), (180.0, 290.0), (40.0, 40.0)
CUP_BOX = (150.0, 60.0, 470.0, 330.0)

#: Moves the mouse over places faster than anything can be decoded.
MOVES = """(places) => {
  const stage = document.querySelector("[data-stage]");
  for (const [clientX, clientY] of places) {
    const about = {pointerId: 1, pointerType: "mouse", clientX, clientY, bubbles: true};
    stage.dispatchEvent(new PointerEvent("pointermove", about));
  }
}"""


def test_left_adds_right_and_alt_subtract_a_click_on_a_point_removes_and_a_drag_moves_it(label: Open) -> None:
    page = label()
    page.click(*CUP)
    page.click(*SAUCER, button="right")
    draft = page.click(*TABLE, key="Alt")["draft"]
    assert near(draft["points"], CUP, SAUCER, TABLE)
    assert draft["labels"] == [1, 0, 0]
    draft = page.click(*TABLE)["draft"]
    assert near(draft["points"], CUP, SAUCER)
    draft = page.drag(SAUCER, (150, 320))["draft"]
    assert near(draft["points"], CUP, (150, 320))
    page.press("q")
    assert page.click(*TABLE)["draft"]["labels"] == [1, 0, 0]
    assert page.errors == []


def test_an_accepted_box_is_the_mask_that_the_library_gives(label: Open) -> None:
    page = label()
    page.press("r")
    draft = page.drag(CUP_BOX[:2], (300, 200), CUP_BOX[2:])["draft"]
    assert np.allclose(draft["box"], CUP_BOX, atol=1.0)
    page.until(lambda: page.state()["refined"] is not None)
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    (stored,) = page.objects()
    picture = np.asarray(page.server.pixels(page.row))
    expected = load(device="cpu").segment(picture, box=draft["box"])
    found, wanted = mask_of(stored["mask"]), expected.masks[0]
    assert (found & wanted).sum() / (found | wanted).sum() >= 0.999
    assert page.state()["draft"] is None


def test_box_and_points_are_one_prompt_and_handles_move_sides(label: Open) -> None:
    page = label()
    page.page.keyboard.down("Shift")
    page.drag(CUP_BOX[:2], CUP_BOX[2:])
    page.page.keyboard.up("Shift")
    draft = page.click(*SAUCER, button="right")["draft"]
    assert draft["box"] is not None
    assert near(draft["points"], SAUCER)
    draft = page.drag((CUP_BOX[2], 195), (500, 195))["draft"]
    assert np.allclose(draft["box"], (*CUP_BOX[:2], 500, CUP_BOX[3]), atol=1.0)
    assert near(draft["points"], SAUCER)


def test_a_drag_with_the_point_tool_draws_a_box_and_a_shaky_click_is_a_click(label: Open) -> None:
    page = label()
    draft = page.drag(CUP_BOX[:2], CUP_BOX[2:])["draft"]
    assert np.allclose(draft["box"], CUP_BOX, atol=1.0)
    assert draft["points"] == []
    x, y = page.on_screen(*SAUCER)
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 7, y, steps=3)
    page.page.mouse.up()
    draft = page.settle()["draft"]
    assert np.allclose(draft["box"], CUP_BOX, atol=1.0)
    assert near(draft["points"], SAUCER)


def test_keys_and_tab_choose_candidates_and_h_turns_hq(label: Open) -> None:
    page = label()
    candidates = page.click(*CUP)["candidates"]
    assert [each["name"] for each in candidates] == ["HQ", "1", "2", "3"]
    shown = page.page.locator(".candidate").all_inner_texts()
    assert all(f"{each['iou']:.2f}" in text for each, text in zip(candidates, shown, strict=True))
    assert page.press("3")["draft"]["candidate"] == "2"
    assert page.press("Tab")["draft"]["candidate"] == "3"
    assert page.page.evaluate("document.activeElement.hasAttribute('data-stage')")
    page.press("Tab")
    assert not page.page.evaluate("document.activeElement.hasAttribute('data-stage')"), "Tab stays on the stage"
    page.page.locator("[data-stage]").focus()
    assert page.press("h")["draft"]["hq"] == "only"
    assert page.press("h")["candidates"][0]["name"] != "HQ"


def test_previews_follow_the_mouse_and_the_last_place_wins(label: Open) -> None:
    page = label()
    page.page.get_by_label("Previews under the mouse").select_option("always")
    begun = len(page.requests)
    places = [(100.0 + 4 * step, 150.0 + step) for step in range(100)]
    page.page.evaluate(MOVES, [page.on_screen(*place) for place in places])
    page.until(lambda: page.state()["preview"] is not None and near([page.state()["preview"]], places[-1]))
    decodes = [url for url in page.requests[begun:] if url.endswith("/decode")]
    assert 1 <= len(decodes) <= 3, "one is on its way; of the places that come meanwhile only the last counts"
    assert page.state()["draft"] is None


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_places_of_the_picture_are_the_same_at_any_zoom_and_density(
    label: Open, picture: Image.Image, ratio: int
) -> None:
    page = label(picture.resize((2400, 1600)), device_scale_factor=ratio)
    place = (1200.0, 760.0)
    page.page.mouse.move(*page.on_screen(*place))
    for scale in (0.1, 1.0, 16.0, 3.0):
        page.zoom(scale)
        draft = page.click(*place)["draft"]
        assert np.allclose(draft["points"], [place], atol=0.6 / min(1.0, page.view()["scale"]))
        page.press("Escape")


def test_a_picture_that_lies_on_its_side_is_labelled_upright(label: Open, picture: Image.Image) -> None:
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    lying.getexif()[0x0112] = 6
    page = label(lying)
    assert (page.row["width"], page.row["height"]) == picture.size
    page.press("r")
    draft = page.drag(CUP_BOX[:2], (300, 200), CUP_BOX[2:])["draft"]
    assert np.allclose(draft["box"], CUP_BOX, atol=1.0)
    page.press("Enter")
    page.until(lambda: page.count() == 1)
    mask = mask_of(page.objects()[0]["mask"])
    assert mask.shape == picture.size[::-1]
    assert mask[190, 300] > mask[390, 10]


def test_everything_is_a_job_and_clicks_accept(label: Open, picture: Image.Image) -> None:
    page = label(picture.crop((100, 40, 500, 340)))
    page.page.get_by_label("Points of the grid").select_option("8")
    page.press("g")
    page.until(lambda: page.state()["suggestions"] is not None)
    count = page.state()["suggestions"]
    assert count > 0
    page.page.mouse.click(*page.on_screen(200, 150))
    page.until(lambda: len(page.state()["objects"]) == 1)
    page.until(lambda: page.state()["suggestions"] in (count - 1, None))
    page.press("Shift+Enter")
    page.until(lambda: len(page.state()["objects"]) == count)
    assert {each["source"] for each in page.objects()} == {"auto"}


@pytest.mark.parametrize("width", [1200, 1280, 1500])
def test_the_picture_stays_under_the_mouse_when_suggestions_come_and_go(label: Open, width: int) -> None:
    page = label(viewport={"width": width, "height": 760})
    page.page.get_by_label("Points of the grid").select_option("8")
    before = page.page.locator("[data-stage]").bounding_box()
    page.press("g")
    page.until(lambda: page.state()["suggestions"] is not None and page.state()["job"] is None)
    assert page.page.locator("[data-stage]").bounding_box() == before
    page.press("Escape")
    assert (page.state()["suggestions"], page.state()["status"]["text"]) == (None, "Ready")
    assert page.page.locator("[data-stage]").bounding_box() == before


def test_nothing_but_the_server_is_asked(label: Open) -> None:
    page = label()
    page.click(*CUP)
    page.press("?")
    page.press("Escape")
    assert page.requests
    assert all(url.startswith((page.server.url, "blob:" + page.server.url)) for url in page.requests)
    assert page.errors == []
