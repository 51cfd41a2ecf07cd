"""What the tests of the page say to the server, and do in the browser."""

from __future__ import annotations

import io
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pycocotools import mask as coco_mask

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_S = 60


def until(holds: Callable[[], bool], patience_s: float = PATIENCE_S, otherwise: Callable[[], object] = str) -> None:
    """Waits until a condition holds; fails with what `otherwise` gives after `patience_s` seconds."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, f"still not after {patience_s} s: {otherwise()}"
        time.sleep(0.03)


def mask_of(rle: dict[str, Any]) -> np.ndarray:
    """A COCO RLE as bool [H, W], read by pycocotools."""
    return coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode()}).astype(bool)


def near(found: list[list[float]], *expected: tuple[float, float]) -> bool:
    """Whether points are where they were clicked, within a pixel of the screen."""
    return len(found) == len(expected) and bool(np.allclose(found, expected, atol=1.0))


@dataclass(frozen=True)
class Server:
    """A running `samhq serve`."""

    url: str
    token: str
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """The JSON answer; bytes are sent as they are, other values as JSON."""
        headers = {"X-Samhq-Token": self.token}
        data = None
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "application/octet-stream"
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def pixels(self, row: dict[str, Any]) -> Image.Image:
        """A picture as the server has it."""
        path = f"{self.url}/api/v1/images/{row['id']}/pixels"
        request = urllib.request.Request(path, headers={"X-Samhq-Token": self.token})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return Image.open(io.BytesIO(answer.read())).convert("RGB")

    def add(self, name: str, image: Image.Image) -> dict[str, Any]:
        """A new picture. The file names the test, so each test has its own; equal pixels are encoded only once."""
        about = PngInfo()
        about.add_text("Title", name)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=1, pnginfo=about, exif=image.getexif())
        safe = "".join(sign if sign.isalnum() else "-" for sign in name)
        return self.ask(f"/images?name={safe}.png", buffer.getvalue())


class Labelling:
    """The page, open on one picture."""

    def __init__(self, server: Server, page: Any, row: dict[str, Any]) -> None:
        self.server = server
        self.page = page
        self.row = row
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(f"{server.url}/#t={server.token}&image={row['id']}")
        self.opened()

    def opened(self) -> None:
        """Waits until the picture is there and encoded."""
        self.until(lambda: self.page.evaluate("Boolean(window.samhq)"))
        self.until(self.is_open)

    def is_open(self) -> bool:
        """Whether the page waits for prompts on its picture."""
        state = self.page.evaluate("(({picture, times, status}) => ({picture, times, status}))(samhq.state())")
        named = (state["picture"] or {}).get("id") == self.row["id"]
        return named and state["times"]["encode"] is not None and state["status"]["kind"] == "ready"

    def state(self) -> dict[str, Any]:
        """What the page knows."""
        return self.page.evaluate("samhq.state()")

    def count(self) -> int:
        """How many objects the page has."""
        return self.page.evaluate("samhq.state().objects.length")

    def view(self) -> dict[str, float]:
        """Scale and offset of the picture."""
        return self.page.evaluate("samhq.state().view")

    def zoom(self, scale: float) -> None:
        """Turns the wheel until the picture is about as large."""
        while abs(turn := 450 * float(np.log(self.view()["scale"] / scale))) > 90:
            before = self.view()
            self.page.mouse.wheel(0, float(np.clip(turn, -240, 240)))
            self.until(lambda before=before: self.view() != before)

    def work_ms(self, act: Callable[[], object]) -> float:
        """Processor time that the page's main thread spends meanwhile; other programs do not count."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def spent() -> float:
            metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            return metrics["TaskDuration"] * 1000

        before = spent()
        act()
        return spent() - before

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits for something on the page."""
        until(holds, otherwise=lambda: (self.errors, self.page.evaluate("window.samhq?.state()?.status")))

    def settle(self) -> dict[str, Any]:
        """The state once all commands are answered and nothing is being decoded."""
        self.until(lambda: self.page.evaluate("samhq.waiting()") == 0)
        self.until(lambda: self.page.evaluate("samhq.state().status.kind") != "busy")
        self.until(lambda: self.page.evaluate("samhq.waiting()") == 0)
        return self.state()

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the picture is in the window."""
        box = self.page.locator("[data-stage]").bounding_box()
        view = self.view()
        return box["x"] + x * view["scale"] + view["x"], box["y"] + y * view["scale"] + view["y"]

    def click(self, x: float, y: float, button: str = "left", key: str | None = None) -> dict[str, Any]:
        """Clicks a place of the picture and waits for the mask."""
        if key:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.on_screen(x, y), button=button)
        if key:
            self.page.keyboard.up(key)
        return self.settle()

    def drag(self, *places: tuple[float, float]) -> dict[str, Any]:
        """Presses at the first place, goes through the others, releases at the last."""
        mouse = self.page.mouse
        mouse.move(*self.on_screen(*places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.on_screen(*place), steps=4)
        mouse.up()
        return self.settle()

    def press(self, keys: str) -> dict[str, Any]:
        """Presses keys, as Playwright names them."""
        self.page.keyboard.press(keys)
        return self.settle()

    def objects(self) -> list[dict[str, Any]]:
        """The objects as the server has them."""
        return self.server.ask(f"/images/{self.row['id']}/state")["objects"]
