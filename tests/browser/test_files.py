"""Pictures one after the other, search by name, files in and out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.browser.labelling import Labelling, Server, mask_of, near, until

from samhq.inference.segment import load

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
CUP, CUP_BOX = (300.0, 190.0), (150.0, 60.0, 470.0, 330.0)


def test_next_and_previous_pictures_are_encoded_ahead_and_keep_their_prompts(label: Open, picture: Image.Image) -> None:
    page = label()
    rows = [page.server.add(f"{side} ahead", picture.resize((side, side))) for side in (300, 310)]
    page.page.reload()
    page.opened()
    page.click(*CUP)
    ids = {row["id"] for row in rows}
    page.until(lambda: ids <= {row["id"] for row in page.server.ask("/images")["images"] if row["encoded"]})
    page.press("d")
    page.until(lambda: page.state()["picture"]["id"] == rows[0]["id"] and page.state()["times"]["encode"] is not None)
    assert page.state()["times"]["cached"]
    assert page.state()["draft"] is None
    page.press("a")
    page.opened()
    assert near(page.settle()["draft"]["points"], CUP)
    page.until(lambda: page.state()["candidates"] is not None)


def test_objects_are_found_by_name(label: Open) -> None:
    page = label()
    page.page.get_by_label("Find objects by name").fill("cup, zebra")
    page.page.keyboard.press("Enter")
    page.until(lambda: page.state()["suggestions"] == 1)
    page.page.get_by_role("button", name="Accept 1").click()
    page.until(lambda: page.count() == 1)
    (found,) = page.objects()
    names = {row["id"]: row["name"] for row in page.server.ask("/classes")["classes"]}
    assert names[found["class_id"]] == "cup"
    assert found["source"] == "text"
    assert mask_of(found["mask"])[190, 300]
    assert page.errors == []


def test_a_search_that_fails_is_explained(label: Open) -> None:
    page = label()
    page.page.get_by_label("Find objects by name").fill(",")
    page.page.keyboard.press("Enter")
    page.until(lambda: page.state()["status"]["kind"] == "error")
    assert page.state()["status"]["text"].startswith("Expected class names")


@pytest.mark.parametrize("available", [True, False])
def test_the_field_of_names_is_there_where_a_detector_is(label: Open, available: bool) -> None:
    page = label()
    about = page.server.ask("/info") | {"text": {"available": available, "message": ""}}
    page.page.route("**/api/v1/info", lambda route: route.fulfill(json=about))
    page.page.reload()
    page.opened()
    assert page.page.get_by_label("Find objects by name").count() == available


def test_every_format_is_downloaded(label: Open, tmp_path: Path) -> None:
    page = label()
    page.click(*CUP)
    page.press("Enter")
    page.until(lambda: page.count() == 1)
    formats = [each["name"] for each in page.server.ask("/info")["export_formats"] if each["available"]]
    assert {"coco", "yolo", "labelmap", "cutouts", "geojson", "svg", "labelstudio", "cvat"} <= set(formats)
    for name in set(formats) - {"geotiff"}:
        assert download(page, name, tmp_path).stat().st_size > 100, name


def test_the_coco_file_has_the_masks_of_the_page(label: Open, tmp_path: Path) -> None:
    page = label()
    page.click(*CUP)
    page.press("Enter")
    page.until(lambda: len(page.state()["objects"]) == 1)
    document: dict[str, Any] = json.loads(download(page, "coco", tmp_path).read_text(encoding="utf-8"))
    (annotation,) = document["annotations"]
    (stored,) = page.objects()
    assert np.array_equal(mask_of(annotation["segmentation"]), mask_of(stored["mask"]))
    assert [row["file_name"] for row in document["images"]] == [page.row["name"]]


def test_the_command_that_trains_on_the_labels_is_shown(label: Open) -> None:
    page = label()
    page.click(*CUP)
    page.press("Enter")
    page.until(lambda: page.count() == 1)
    page.page.get_by_role("button", name="Train on what is labelled").click()
    page.page.get_by_role("button", name="Show the command").click()
    command = page.page.get_by_role("textbox", name="Command")
    command.wait_for()
    words = command.input_value().split()
    assert words[:2] == ["samhq", "train"]
    assert Path(words[words.index("--data") + 1]).is_file()


def download(page: Labelling, name: str, folder: Path) -> Path:
    """The file that the dialog downloads for this picture."""
    page.page.get_by_role("button", name="Export", exact=True).click()
    page.page.locator(f"input[value={name}]").check()
    page.page.get_by_role("combobox", name="Pictures").select_option("image")
    with page.page.expect_download() as started:
        page.page.get_by_role("button", name="Download", exact=True).click()
    file = folder / started.value.suggested_filename
    started.value.save_as(file)
    return file


def test_results_that_were_saved_are_imported(label: Open, picture: Image.Image, tmp_path: Path) -> None:
    page = label()
    result = load(device="cpu").segment(picture, box=CUP_BOX)
    result.save(tmp_path, stem="saved", file_name=page.row["name"], masks=False, overlay=False)
    page.page.get_by_role("button", name="Import labels or add pictures", exact=True).click()
    page.page.get_by_label("File of labels").set_input_files(tmp_path / "saved.json")
    page.until(lambda: page.count() == 1)
    assert np.array_equal(mask_of(page.objects()[0]["mask"]), result.masks[0])


def three(page: Labelling) -> dict[str, Any]:
    """A COCO file of three boxes on the page's picture."""
    size = {"width": page.row["width"], "height": page.row["height"]}
    boxes = [[10.0, 10.0 + 60 * at, 80.0, 40.0] for at in range(3)]
    annotations = [
        {
            "id": at + 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
            "bbox": [x, y, w, h],
            "area": w * h,
            "iscrowd": 0,
        }
        for at, (x, y, w, h) in enumerate(boxes)
    ]
    image = {"id": 1, "file_name": page.row["name"], **size}
    return {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}


def test_labels_are_imported_from_a_file(label: Open) -> None:
    page = label()
    document = json.dumps(three(page)).encode()
    page.page.get_by_role("button", name="Import labels or add pictures", exact=True).click()
    file: Any = {"name": "coco.json", "mimeType": "application/json", "buffer": document}
    page.page.get_by_label("File of labels").set_input_files(file)
    page.until(lambda: len(page.state()["objects"]) == 3)
    assert "3 objects on 1 picture" in page.page.get_by_role("dialog").inner_text()


def test_a_file_that_holds_no_labels_is_explained_in_the_dialog_and_in_the_status_line(label: Open) -> None:
    page = label()
    page.page.get_by_role("button", name="Import labels or add pictures", exact=True).click()
    file: Any = {"name": "other.json", "mimeType": "application/json", "buffer": b'{"hello": 1}'}
    page.page.get_by_label("File of labels").set_input_files(file)
    dialog = page.page.get_by_role("dialog")
    page.until(lambda: "Choose another file." in dialog.get_by_role("alert").inner_text())
    page.page.keyboard.press("Escape")
    line = page.page.locator(".status-text")
    assert "Choose another file." in line.inner_text()
    assert line.evaluate("line => line.scrollWidth <= line.clientWidth"), "the end of the sentence is cut off"
    page.page.get_by_title("Keys and help").click()
    assert dialog.get_by_role("alert").count() == 0, "an older error is no error of this dialog"


def test_an_empty_folder_says_what_to_do(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    picture.save(tmp_path / "cup.png")
    with serve(tmp_path / "pictures") as server:
        page = browser.new_page()
        page.goto(f"{server.url}/#t={server.token}")
        page.get_by_title("All pictures").click()
        page.get_by_text("No pictures yet. Drop some on the page, or import them.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_title("Export", exact=True).click()
        page.get_by_text("Nothing to export yet").wait_for()
        assert page.get_by_role("button", name="Download", exact=True).is_disabled()
        page.keyboard.press("Escape")
        page.get_by_title("Train on what is labelled").click()
        page.get_by_text("there are none so far").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Choose pictures").press("Enter")
        page.get_by_role("dialog").get_by_label("Pictures", exact=True).set_input_files(tmp_path / "cup.png")
        until(lambda: (page.evaluate("samhq.state().picture") or {}).get("name") == "cup.png")
        page.close()


def test_pictures_dropped_on_the_page_are_opened(label: Open, picture: Image.Image) -> None:
    page = label()
    buffer = io.BytesIO()
    picture.crop((0, 0, 320, 200)).save(buffer, "PNG")
    page.page.get_by_role("button", name="Import labels or add pictures", exact=True).click()
    file: Any = {"name": "dropped.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.page.get_by_role("dialog").get_by_label("Pictures", exact=True).set_input_files(file)
    page.until(lambda: page.state()["picture"]["name"] == "dropped.png")
    assert (page.state()["picture"]["width"], page.state()["picture"]["height"]) == (320, 200)


def test_files_that_cannot_be_added_are_listed_with_the_reason(label: Open, picture: Image.Image) -> None:
    page = label()
    buffer = io.BytesIO()
    picture.crop((0, 0, 310, 210)).save(buffer, "PNG")
    page.page.get_by_role("button", name="Import labels or add pictures", exact=True).click()
    contents = {"broken.jpg": b"no picture", "fine.png": buffer.getvalue(), "empty.png": b"\x89PNG"}
    files: Any = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in contents.items()]
    page.page.get_by_role("dialog").get_by_label("Pictures", exact=True).set_input_files(files)
    page.until(lambda: page.state()["picture"]["name"] == "fine.png")
    alert = page.page.get_by_role("dialog").get_by_role("alert")
    alert.get_by_text("2 files could not be added").wait_for()
    assert alert.get_by_role("listitem").count() == 2
    assert "broken.jpg: Expected a picture" in alert.inner_text()
