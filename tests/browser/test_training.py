"""Training on the page: what is missing, start, progress, stop, and labelling with the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.browser.labelling import Labelling, Server, until

pytestmark = pytest.mark.browser
BOX = [150.0, 60.0, 470.0, 330.0]


@pytest.fixture
def page(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> Iterator[Labelling]:
    """A page on the first of two pictures; each has an object of the class "object", and nothing of the class "cup"."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a", "b"):
        picture.resize((300, 200)).save(folder / f"{name}.png")
    with serve(folder) as server:
        server.ask("/classes", {"name": "cup"})
        rows = server.ask("/images")["images"]
        for row in rows:
            accept(server, row["id"], 1)
        opened = Labelling(server, browser.new_page(viewport={"width": 1200, "height": 760}), rows[0])
        yield opened
        opened.page.close()


def accept(server: Server, image_id: int, class_id: int) -> None:
    """Accepts the mask of a box as an object."""
    draft = {"points": [[150.0, 95.0]], "labels": [1]}
    command = {"type": "commit", "draft": draft, "class_id": class_id}
    server.ask(f"/images/{image_id}/commands", {"command": command})


def open_training(page: Labelling) -> Any:
    """The dialog, opened."""
    page.page.get_by_title("Train on what is labelled").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Start training").wait_for()
    return dialog


def training(page: Labelling) -> dict[str, Any]:
    """The run as the page knows it."""
    return page.state()["training"] or {"state": "none"}


def test_too_few_pictures_are_explained(page: Labelling, axe: str) -> None:
    accept(page.server, page.row["id"], 2)
    dialog = open_training(page)
    start = dialog.get_by_role("button", name="Start training")
    until(start.is_enabled)
    assert "3 objects on 2 pictures will be used" in dialog.inner_text()
    dialog.get_by_role("checkbox", name="object 2 objects").uncheck()
    until(start.is_disabled)
    sentence = "at least 2 pictures; there is 1 picture so far. Label more pictures, or choose more classes."
    until(lambda: sentence in dialog.inner_text())
    dialog.get_by_role("checkbox", name="object 2 objects").check()
    until(start.is_enabled)
    dialog.get_by_label("Name of the new model").fill("../cups")
    until(start.is_disabled)
    assert "The name begins with" in dialog.inner_text()
    dialog.get_by_label("Name of the new model").fill("cups")
    dialog.get_by_role("button", name="Show the command").click()
    until(lambda: dialog.get_by_label("Command").count() == 1)
    assert dialog.get_by_label("Command").input_value().startswith("samhq train ")
    page.page.evaluate(axe)
    found = page.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert page.errors == []


def test_a_model_is_trained_with_the_keyboard_and_labels(page: Labelling) -> None:
    """The starter learns for a step: about half a minute on a busy two-core machine."""
    dialog = open_training(page)
    dialog.get_by_label("Unit of the length").select_option("steps")
    dialog.get_by_label("Length of the training").fill("1")
    dialog.get_by_label("Name of the new model").fill("cups")
    page.page.keyboard.press("Enter")
    until(lambda: training(page)["state"] == "running")
    page.page.reload()
    page.opened()
    until(lambda: training(page)["state"] == "done", 300, lambda: training(page))
    assert training(page)["step"] == 1
    page.until(lambda: len(page.state()["models"]) == 2)
    assert page.page.locator("[aria-live]").inner_text() == "The training of “cups” is done."
    open_training(page).get_by_role("button", name="Label with").click()
    page.until(lambda: [row["current"] for row in page.state()["models"]] == [False, True])
    page.page.keyboard.press("Escape")
    page.opened()
    page.click(150, 95)
    page.press("Enter")
    page.until(lambda: page.count() == 2)
    assert page.server.ask("/info")["model"]["name"] == "cups"
    page.page.get_by_label("Model to label with").select_option("started")
    page.until(lambda: [row["current"] for row in page.state()["models"]] == [True, False])
    assert page.errors == []


def test_a_run_is_stopped(page: Labelling) -> None:
    dialog = open_training(page)
    dialog.get_by_label("Length of the training").fill("60")
    dialog.get_by_role("button", name="Start training").click()
    dialog.get_by_role("button", name="Stop").click()
    until(lambda: training(page)["state"] in ("stopping", "cancelled"))
    until(lambda: training(page)["state"] == "cancelled", 120, lambda: training(page))
    page.until(lambda: "was stopped" in dialog.inner_text())
    until(dialog.get_by_role("button", name="Start training").is_enabled)
    assert page.errors == []
