"""What undo brings back, and what outlives a reload and a killed server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from tests.browser.labelling import Labelling, Server, near, until

pytestmark = pytest.mark.browser
Open = Callable[..., Labelling]
CUP, SAUCER, TABLE = (300.0, 190.0), (180.0, 290.0), (40.0, 40.0)


def test_undo_and_redo_go_through_every_state(label: Open) -> None:
    page = label()
    stages = [page.settle()]
    for act in (
        lambda: page.click(*CUP),
        lambda: page.click(*TABLE, button="right"),
        lambda: page.press("2"),
        lambda: page.press("Enter"),
        lambda: page.click(*SAUCER),
        lambda: page.press("Enter"),
        lambda: (page.press("Control+a"), page.press("l")),
        lambda: page.press("l"),
        lambda: page.press("Delete"),
    ):
        act()
        stages.append(page.settle())
    kept = [(stage["draft"], stage["objects"]) for stage in stages]
    for expected in reversed(kept[:-1]):
        found = page.press("Control+z")
        assert (found["draft"], found["objects"]) == expected
    for expected in kept[1:]:
        found = page.press("Control+Shift+z")
        assert (found["draft"], found["objects"]) == expected
    assert page.errors == []


def test_a_reload_in_the_middle_loses_nothing(label: Open) -> None:
    page = label()
    page.click(*CUP)
    page.press("Enter")
    page.press("c")
    page.page.keyboard.type("saucer")
    page.page.keyboard.press("Enter")
    page.until(lambda: page.page.locator("#class").input_value() == "saucer")
    page.click(*SAUCER)
    page.press("b")
    page.drag((60, 60), (110, 80), (140, 60))
    before = page.settle()
    assert before["draft"]["edited"] is not None
    page.page.reload()
    page.opened()
    after = page.settle()
    assert (after["draft"], after["objects"]) == (before["draft"], before["objects"])
    assert page.page.locator("#class").input_value() == "saucer"
    back = page.press("Control+z")
    assert back["draft"]["edited"] is None
    assert near(back["draft"]["points"], SAUCER)
    page.until(lambda: page.state()["candidates"] is not None)


def test_fifty_steps_back_and_forth_give_the_same_bytes_after_a_reload_too(label: Open) -> None:
    page = label()
    path = f"/images/{page.row['id']}"
    kept = [kept_of(page.server.ask(f"{path}/state"))]
    for step in range(50):
        page.server.ask(f"{path}/commands", {"command": command(page.row, step)})
        kept.append(kept_of(page.server.ask(f"{path}/state")))
    page.page.reload()
    page.opened()
    for expected in reversed(kept[:-1]):
        page.press("Control+z")
        assert kept_of(page.server.ask(f"{path}/state")) == expected
    assert (page.state()["draft"], page.state()["objects"]) == (None, [])
    page.page.reload()
    page.opened()
    for expected in kept[1:]:
        page.press("Control+Shift+z")
        assert kept_of(page.server.ask(f"{path}/state")) == expected
    assert page.state()["objects"] == kept[-1][1]
    assert page.errors == []


def kept_of(state: dict[str, Any]) -> tuple[Any, Any]:
    """What undo has to bring back."""
    return state["draft"], state["objects"]


def command(row: dict[str, Any], step: int) -> dict[str, Any]:
    """The step-th command: prompts, and now and then an accepted mask."""
    if step % 5 == 4:
        mask = np.zeros((row["height"], row["width"]), np.uint8, order="F")
        mask[step : step + 30, 3 * step : 3 * step + 40] = 1
        code = coco_mask.encode(mask)
        edited = {"size": code["size"], "counts": code["counts"].decode()}
        return {"type": "commit", "draft": {"points": [], "labels": [], "edited": edited}, "overlap": "newest"}
    points = [[10.0 * at + step, 5.0 * at] for at in range(1, step % 5 + 2)]
    return {"type": "set_draft", "draft": {"points": points, "labels": [1] * len(points)}}


def test_a_killed_server_loses_nothing_that_was_shown(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture.save(folder / "cup.png")
    with serve(folder) as server:
        (row,) = server.ask("/images")["images"]
        page = Labelling(server, browser.new_page(), row)
        page.click(*CUP)
        page.press("Enter")
        page.click(*SAUCER)
        before = page.click(*TABLE, button="right")
        server.process.kill()
        server.process.wait()
    page.page.mouse.click(*page.on_screen(500, 50))
    page.until(lambda: "does not answer" in page.state()["status"]["text"])
    with serve(folder, int(server.url.rsplit(":", 1)[1])):
        page.page.reload()
        page.opened()
        after = page.settle()
        assert (after["draft"], after["objects"]) == (before["draft"], before["objects"])
        assert near(page.press("Control+z")["draft"]["points"], SAUCER)
        assert page.click(*TABLE)["draft"]["labels"] == [1, 1]
    page.page.close()


#: Sends each command to the server later, and notes what comes first: its answer, or the mask.
LATE = """() => {
  const send = window.fetch;
  window.order = [];
  window.fetch = async (address, init) => {
    if (!String(address).endsWith("/commands")) return send(address, init);
    await new Promise((resume) => setTimeout(resume, 700));
    const answer = await send(address, init);
    order.push("stored");
    return answer;
  };
  const look = () => {
    if (samhq.state().candidates) order.push("shown");
    else requestAnimationFrame(look);
  };
  look();
}"""


def test_a_page_goes_on_when_its_server_is_back(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture.save(folder / "cup.png")
    with serve(folder) as server:
        (row,) = server.ask("/images")["images"]
        page = Labelling(server, browser.new_page(), row)
        page.click(*CUP)
        server.process.kill()
        server.process.wait()
    page.page.mouse.click(*page.on_screen(*SAUCER))
    page.until(lambda: "does not answer" in page.state()["status"]["text"])
    page.page.keyboard.press("Enter")
    with serve(folder, int(server.url.rsplit(":", 1)[1])) as again:
        page.until(lambda: page.count() == 1)
        assert page.settle()["status"]["kind"] == "ready"
        (made,) = again.ask(f"/images/{row['id']}/state")["objects"]
        assert made["id"] == page.state()["objects"][0]["id"]
        assert near(page.press("Control+z")["draft"]["points"], CUP, SAUCER)
        page.until(lambda: page.state()["candidates"] is not None)
    page.page.close()


def test_nothing_is_sent_to_another_project_at_the_same_address(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / f"{name}.png")
    with serve(tmp_path / "mine") as server:
        (row,) = server.ask("/images")["images"]
        page = Labelling(server, browser.new_page(), row)
        server.process.kill()
        server.process.wait()
    page.page.mouse.click(*page.on_screen(*CUP))
    page.until(lambda: "does not answer" in page.state()["status"]["text"])
    with serve(tmp_path / "other", int(server.url.rsplit(":", 1)[1])) as other:
        page.page.get_by_title("All pictures").get_by_text("other.png").wait_for()
        page.opened()
        assert other.ask(f"/images/{row['id']}/state")["revision"] == 0
    page.page.close()


def test_a_prompt_that_was_not_stored_says_so_until_the_next_one_is(label: Open) -> None:
    page = label()
    message = "Expected project.samhq to be written, got: database or disk is full."
    answer = {"status": 507, "json": {"error": {"code": "not_stored", "message": message}}}
    page.page.route("**/commands", lambda route: route.fulfill(**answer))
    page.page.mouse.click(*page.on_screen(*CUP))
    page.until(lambda: page.state()["candidates"] is not None)
    page.page.wait_for_timeout(200)
    assert page.state()["status"] == {"kind": "error", "text": message}
    page.page.unroute("**/commands")
    assert near(page.click(*SAUCER)["draft"]["points"], CUP, SAUCER)
    assert page.state()["status"]["kind"] == "ready"
    state = page.server.ask(f"/images/{page.row['id']}/state")
    assert near(state["draft"]["points"], CUP, SAUCER)


def test_a_command_whose_answer_is_lost_is_done_once(label: Open) -> None:
    page = label()
    page.click(*CUP)
    lost = []

    def lose(route: Any) -> None:
        if lost:
            route.fallback()
            return
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    page.page.route("**/commands", lose)
    page.page.keyboard.press("Enter")
    page.until(lambda: page.count() == 1)
    state = page.settle()
    assert (lost, state["draft"], len(page.objects())) == ([200], None, 1)


def test_a_mask_is_shown_when_its_prompt_is_stored(label: Open) -> None:
    page = label()
    page.page.evaluate(LATE)
    page.page.mouse.click(*page.on_screen(*CUP))
    page.until(lambda: page.page.evaluate("order.length") == 2)
    assert page.page.evaluate("order") == ["stored", "shown"]


def wait_for_mask(page: Labelling) -> None:
    """Returns as soon as the page has the prompt's mask."""
    page.until(lambda: page.page.evaluate("Boolean(samhq.state().candidates)"))


def test_a_server_killed_right_after_the_mask_was_shown_has_its_prompt(
    serve: Callable[..., AbstractContextManager[Server]], browser: Any, picture: Image.Image, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture.save(folder / "cup.png")
    for place in (CUP, SAUCER, TABLE):
        with serve(folder) as server:
            (row,) = server.ask("/images")["images"]
            page = Labelling(server, browser.new_page(), row)
            page.press("Escape")
            page.page.mouse.click(*page.on_screen(*place))
            wait_for_mask(page)
            server.process.kill()
            server.process.wait()
            page.page.close()
        with serve(folder) as server:
            draft = server.ask(f"/images/{row['id']}/state")["draft"]
            assert draft is not None
            assert near(draft["points"], place)


def test_a_tab_closed_right_after_a_click_loses_nothing(label: Open) -> None:
    page = label()
    page.page.mouse.click(*page.on_screen(*CUP))
    page.page.close()
    until(lambda: page.server.ask(f"/images/{page.row['id']}/state")["draft"] is not None)


def test_leaving_while_a_command_is_unanswered_asks_first(label: Open) -> None:
    page = label()
    page.page.evaluate(LATE)
    page.page.mouse.click(*page.on_screen(*CUP))
    with page.page.expect_event("dialog") as asked:
        page.page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    page.until(lambda: page.page.evaluate("order.length") == 2)
    with page.page.expect_event("close"):
        page.page.close(run_before_unload=True)
