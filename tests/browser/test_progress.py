"""The way through a folder: pictures that are done, that are to do, and that cannot be opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.browser.labelling import Labelling, Server

pytestmark = pytest.mark.browser
CUP = (300.0, 190.0)


@pytest.fixture
def folder(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> Iterator[Labelling]:
    """The page on a folder of five pictures: c.jpg is damaged, d.png is done."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, name in enumerate("abde"):
        picture.resize((300 + number, 200)).save(pictures / f"{name}.png")
    picture.save(pictures / "c.jpg")
    (pictures / "c.jpg").write_bytes((pictures / "c.jpg").read_bytes()[:9000])
    with serve(pictures) as server:
        rows = server.ask("/images")["images"]
        server.ask("/images/4", {"status": "done"}, "PATCH")
        context = browser.new_context(viewport={"width": 1200, "height": 760})
        yield Labelling(server, context.new_page(), rows[0])
        context.close()


def statuses(server: Server) -> dict[str, str]:
    """The status of each picture, by its name."""
    return {row["name"]: row["status"] for row in server.ask("/images")["images"]}


def test_one_key_marks_a_picture_and_opens_the_next_that_is_to_do(folder: Labelling) -> None:
    names = []
    for _ in range(3):
        folder.until(lambda: folder.state()["status"]["kind"] == "ready")
        names.append(folder.state()["picture"]["name"])
        folder.page.keyboard.press("m")
        folder.until(
            lambda: (folder.state()["picture"]["name"], folder.state()["status"]["kind"]) != (names[-1], "ready")
        )
        folder.settle()
        if folder.state()["picture"]["name"] == "c.jpg":
            folder.page.get_by_role("button", name="Skip it").click()
            folder.until(lambda: folder.state()["picture"]["name"] == "e.png")
            folder.settle()
    assert names == ["a.png", "b.png", "e.png"]
    assert folder.state()["status"]["text"].startswith("No other picture is left to do.")
    assert set(statuses(folder.server).values()) <= {"done", "todo", "skip"}
    assert [statuses(folder.server)[name] for name in ("a.png", "b.png", "d.png", "e.png")] == ["done"] * 4


def test_a_mask_that_is_not_accepted_is_not_left_behind(folder: Labelling) -> None:
    folder.click(150, 95)
    folder.press("m")
    assert folder.state()["picture"]["name"] == "a.png"
    assert "Accept it with Enter" in folder.state()["status"]["text"]
    folder.press("Enter")
    folder.press("m")
    folder.until(lambda: folder.state()["picture"]["name"] == "b.png")
    assert statuses(folder.server)["a.png"] == "done"


def test_damage_is_said_on_the_stage_and_in_the_list(folder: Labelling) -> None:
    folder.page.get_by_title("All pictures").click()
    folder.page.get_by_role("dialog").get_by_text("c.jpg").click()
    folder.page.locator("[data-stage]").get_by_text("damaged or cut off").wait_for()
    folder.page.get_by_title("All pictures").click()
    folder.page.locator(".thumbnail").get_by_text("cannot be opened").wait_for()
    folder.page.keyboard.press("Escape")
    folder.page.keyboard.press("Shift+M")
    folder.until(lambda: folder.state()["picture"]["name"] == "e.png")
    assert statuses(folder.server)["c.jpg"] == "skip"


COLOURS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const at = 4 * (Math.floor(canvas.height / 2) * canvas.width + Math.floor(canvas.width / 2));
  return [canvas.width, ...data.slice(at, at + 3)];
}"""


def test_the_list_shows_masks_and_pictures_that_came_later(
    folder: Labelling, picture: Image.Image, tmp_path: Path
) -> None:
    folder.page.get_by_title("All pictures").click()
    canvas = folder.page.get_by_role("button", name="a.png").locator("canvas")
    folder.until(lambda: canvas.evaluate(COLOURS)[0] > 1)
    bare = canvas.evaluate(COLOURS)
    folder.page.keyboard.press("Escape")
    folder.press("r")
    folder.drag((90, 60), (210, 150))
    folder.press("Enter")
    folder.until(lambda: folder.count() == 1)
    picture.resize((100, 80)).save(tmp_path / "pictures" / "later.png")
    folder.page.get_by_title("All pictures").click()
    folder.until(lambda: canvas.evaluate(COLOURS)[0] > 1 and canvas.evaluate(COLOURS) != bare)
    dialog = folder.page.get_by_role("dialog")
    dialog.get_by_text("later.png").wait_for()
    dialog.get_by_label("Status").select_option(label="doing")
    assert dialog.locator(".thumbnail").count() == 1


def test_the_list_begins_at_the_open_picture(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    pictures = tmp_path / "many"
    pictures.mkdir()
    for number in range(60):
        picture.resize((40 + number, 30)).save(pictures / f"{number:02}.png")
    with serve(pictures) as server:
        page = Labelling(server, browser.new_page(), server.ask("/images")["images"][50])
        page.page.get_by_title("All pictures").click()
        current = page.page.locator(".thumbnail[aria-current]")
        page.until(lambda: 0 < (current.bounding_box() or {"y": 0})["y"] < 700)
        assert "50.png" in current.inner_text()
        first = page.page.get_by_role("dialog").get_by_text("00.png")
        assert first.count() == 0
        page.page.get_by_role("button", name="Show earlier ones").click()
        first.wait_for()
        page.page.get_by_label("Name of the picture").fill("00")
        page.until(lambda: page.page.locator(".thumbnail").count() == 1)
        page.page.close()
