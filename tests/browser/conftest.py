"""The real server with the embedded starter, and its page in Chromium without a window.

`make test-browser` installs what this needs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.browser.labelling import ARGUMENTS, Labelling, Server, until

BROWSER = os.environ.get("SAMHQ_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "test"
PATIENCE_S = 120
#: What stands for a detector: a box of one test's picture.
BOX = {
    "file_name": "test-objects-are-found-by-name.png",
    "category": "cup",
    "bbox": [150, 60, 320, 270],
    "score": 0.9,
}


@contextmanager
def serving(folder: Path, port: int = 0, *flags: str) -> Iterator[Server]:
    """A server of a folder, until the block ends."""
    log = folder.parent / f"{folder.name}.log"
    command = [sys.executable, "-m", "samhq", "serve", str(folder), "--port", str(port), "--token", TOKEN, "--no-open"]
    command += flags
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        pattern = re.compile(r"samhq serve: (http://\S+?)/#")
        until(lambda: process.poll() is None and bool(pattern.search(log.read_text())), PATIENCE_S, log.read_text)
        found = pattern.search(log.read_text())
        assert found
        yield Server(found[1], TOKEN, process)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests; each test works on a picture of its own."""
    pytest.importorskip("fastapi", reason="no fastapi here; install samhq[serve]")
    folder = tmp_path_factory.mktemp("pictures")
    boxes = folder.parent / "boxes.json"
    boxes.write_text(json.dumps([BOX]), encoding="utf-8")
    with serving(folder, 0, "--detector", str(boxes)) as started:
        yield started


@pytest.fixture
def serve() -> Callable[..., AbstractContextManager[Server]]:
    """Starts a server of a test's own, which may be killed."""
    pytest.importorskip("fastapi", reason="no fastapi here; install samhq[serve]")
    return serving


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here; install samhq[dev]")
    if BROWSER is None:
        pytest.skip("no Chromium here; run `make test-browser`")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def picture() -> Image.Image:
    """scikit-image's cup of coffee, 600 by 400 pixels."""
    data = pytest.importorskip("skimage.data", reason="no scikit-image here; install samhq[dev]")
    return Image.fromarray(data.coffee())


@pytest.fixture
def label(
    server: Server, browser: Any, picture: Image.Image, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Labelling]]:
    """Opens the page on a picture of this test's own. Keywords are those of a browser context."""
    contexts = []

    def opened(image: Image.Image | None = None, **settings: Any) -> Labelling:
        row = server.add(request.node.name, image or picture)
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 760}, **settings})
        contexts.append(context)
        return Labelling(server, context.new_page(), row)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def axe() -> str:
    """The source of axe-core, which finds faults of accessibility."""
    source = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not source.is_file():
        pytest.skip("no axe-core here; run `make test-browser`")
    return source.read_text(encoding="utf-8")
