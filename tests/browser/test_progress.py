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
    folder.page.get_by_role("dialog").get_by_text("cannot be opened").wait_for()
    folder.page.keyboard.press("Escape")
    folder.page.keyboard.press("Shift+M")
    folder.until(lambda: folder.state()["picture"]["name"] == "e.png")
    assert statuses(folder.server)["c.jpg"] == "skip"
