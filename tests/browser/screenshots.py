"""Pictures of the labelling page for the documentation: `make screenshots` writes them into docs.

They show the real page and server, the embedded starter and the package's own sample picture.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from tests.browser.conftest import BROWSER, serving
from tests.browser.labelling import ARGUMENTS, Labelling

SAMPLE = Path(__file__).parents[2] / "src" / "samhq" / "pictures" / "coffee.jpg"
BOXES = {
    "coffee": (205, 85, 375, 200),
    "spoon": (320, 235, 410, 330),
}
#: Clicks on the cup, and off it on the saucer.
CUP = [(300, 50), (200, 140), (290, 215), (345, 185)]
NOT_CUP = [(270, 265), (440, 200)]
DESKTOP: dict[str, Any] = {"viewport": {"width": 1180, "height": 780}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


def label(page: Labelling, name: str, box: tuple[int, int, int, int]) -> None:
    """Accepts the mask of a box as an object of a class."""
    page.press("c")
    page.page.keyboard.type(name)
    page.page.keyboard.press("Enter")
    page.until(lambda: page.page.locator("#class").input_value() == name)
    draw(page, box)
    page.press("Enter")


def draw(page: Labelling, box: tuple[int, int, int, int]) -> None:
    """Draws a box and waits for its mask."""
    page.press("r")
    page.drag(box[:2], box[2:])
    page.until(lambda: page.state()["refined"] is not None)


def shoot(page: Labelling, file: Path) -> None:
    """Writes what the browser shows."""
    content = page.page.screenshot()
    Image.open(io.BytesIO(content)).convert("RGB").save(file, quality=88, optimize=True)


def alone(page: Any) -> Any:
    """A page that does not mention the others, which are open only for the pictures' sake."""
    page.route("**/presence", lambda route: route.fulfill(json={"elsewhere": [], "revision": None}))
    return page


def shoot_training(page: Labelling, file: Path) -> None:
    """Writes the training dialog, after objects on a second picture were accepted."""
    row = page.server.add("cup", Image.open(SAMPLE).crop((150, 0, 450, 300)))
    command = {"type": "commit", "draft": {"points": [[150.0, 160.0]], "labels": [1]}}
    page.server.ask(f"/images/{row['id']}/commands", {"command": command})
    page.page.get_by_title("Train on what is labelled").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_label("Name of the new model").fill("cups")
    page.until(dialog.get_by_role("button", name="Start training").is_enabled)
    Image.open(io.BytesIO(dialog.screenshot())).convert("RGB").quantize(32).save(file, optimize=True)


def main(folder: Path) -> None:
    """Writes serve.jpg, serve-dark.jpg, serve-phone.jpg and serve-training.png."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        pictures = Path(scratch) / "pictures"
        pictures.mkdir()
        shutil.copy(SAMPLE, pictures)
        browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        with serving(pictures) as server:
            (row,) = server.ask("/images")["images"]
            page = Labelling(server, browser.new_page(**DESKTOP, color_scheme="light"), row)
            page.page.get_by_label("Colours by").select_option("class")
            for name, box in BOXES.items():
                label(page, name, box)
            page.press("c")
            page.page.keyboard.type("cup")
            page.page.keyboard.press("Enter")
            page.press("p")
            for place in CUP:
                page.click(*place)
            for place in NOT_CUP:
                page.click(*place, button="right")
            page.page.mouse.move(*page.on_screen(560, 380))
            shoot(page, folder / "serve.jpg")
            phone = Labelling(server, alone(browser.new_page(**PHONE, color_scheme="light")), row)
            phone.page.evaluate("localStorage.setItem('samhq-colouring', '\"class\"')")
            phone.page.reload()
            phone.opened()
            phone.settle()
            shoot(phone, folder / "serve-phone.jpg")
            page.page.get_by_label("Pixels that two objects share").select_option("oldest")
            page.page.get_by_role("button", name="Accept").click()
            page.until(lambda: page.count() == len(BOXES) + 1)
            dark = Labelling(server, alone(browser.new_page(**DESKTOP, color_scheme="dark")), row)
            dark.page.get_by_label("Colours by").select_option("class")
            dark.press("v")
            dark.click(300, 60)
            shoot(dark, folder / "serve-dark.jpg")
            shoot_training(page, folder / "serve-training.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
