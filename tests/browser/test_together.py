"""Several windows, and several people, on one project."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.browser.labelling import Labelling, Server, near, until

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
CUP, SAUCER = (300.0, 190.0), (150.0, 300.0)


def opened(page: Any) -> str | None:
    """The name of the picture that a page has open and ready."""
    state = page.evaluate("window.samhq?.state() ?? null")
    ready = state and state["picture"] and state["status"]["kind"] == "ready"
    return state["picture"]["name"] if ready else None


def test_people_who_open_the_page_get_pictures_of_their_own(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate("abcd"):
        picture.resize((200 + number, 150)).save(folder / f"{name}.png")
    with serve(folder) as server:
        pages = []
        for name in ("a.png", "b.png", "c.png"):
            page = browser.new_page()
            page.goto(f"{server.url}/#t={server.token}")
            until(lambda page=page, name=name: opened(page) == name)
            pages.append(page)
        pages[0].keyboard.press("m")
        until(lambda: opened(pages[0]) == "d.png")
        pages[1].keyboard.press("m")
        until(lambda: "No other picture" in pages[1].evaluate("samhq.state().status.text"))
        pages[0].get_by_title("All pictures").click()
        until(lambda: pages[0].get_by_role("dialog").get_by_text("open in another window").count() == 2)
        pages[2].close()
        watcher = {"client": "watcher", "image_id": None}
        until(lambda: len(server.ask("/presence", watcher)["elsewhere"]) == 2)
        pages[1].keyboard.press("m")
        until(lambda: opened(pages[1]) == "c.png")
        for page in pages[:2]:
            page.close()


def test_two_windows_on_one_picture_do_not_undo_each_other(label: Open) -> None:
    first = label()
    second = Labelling(first.server, first.page.context.new_page(), first.row)
    second.page.get_by_text("open in another window").wait_for()
    first.click(*CUP)
    first.press("Enter")
    second.page.mouse.click(*second.on_screen(*SAUCER))
    second.until(lambda: second.count() == 1)
    assert second.settle()["draft"] is None
    assert near(second.click(*SAUCER)["draft"]["points"], SAUCER)
    assert len(first.objects()) == 1


def test_a_window_shows_what_was_done_in_another_when_one_comes_back_to_it(label: Open) -> None:
    first = label()
    second = Labelling(first.server, first.page.context.new_page(), first.row)
    first.click(*CUP)
    first.press("Enter")
    first.click(*SAUCER)
    second.page.evaluate("window.dispatchEvent(new Event('focus'))")
    second.until(lambda: second.count() == 1)
    assert near(second.settle()["draft"]["points"], SAUCER)


def test_a_class_that_somebody_else_made_is_offered_and_taken(label: Open) -> None:
    page = label()
    page.server.ask("/classes", {"name": "made elsewhere"})
    page.press("c")
    page.page.get_by_role("option", name="made elsewhere").wait_for()
    page.page.keyboard.press("Escape")
    late = {"name": "made a moment ago"}
    page.press("c")
    page.page.keyboard.type(late["name"])
    page.server.ask("/classes", late)
    page.page.keyboard.press("Enter")
    page.until(lambda: page.page.locator("#class").input_value() == late["name"])
    assert page.settle()["status"]["kind"] == "ready"
