"""The decoder in onnxruntime-web (WebAssembly), in a real browser without a window, answers as in Python.

`make test-browser` installs what this needs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any, ClassVar

import numpy as np
import pytest
from tests import exported, tiny

from samhq.results.prompt_arrays import PromptArrays
from samhq.runtime.graph import open_graph
from samhq.runtime.model import Embedding, OnnxModel, prompt_inputs

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "out" / "browser" / "node_modules" / "onnxruntime-web" / "dist"
BROWSER = os.environ.get("SAMHQ_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_S = 120

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here; run `make test-browser`"),
    pytest.mark.skipif(not PACKAGE.is_dir(), reason="no onnxruntime-web here; run `make test-browser`"),
]


class Pages(SimpleHTTPRequestHandler):
    """A folder's files, the package's under /ort/, and a place for the answers."""

    extensions_map: ClassVar = {
        ".html": "text/html",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        "": "text/plain",
    }

    def __init__(self, answers: Queue[Any], *rest: Any, **named: Any) -> None:
        self.answers = answers
        super().__init__(*rest, **named)

    def translate_path(self, path: str) -> str:
        return str(PACKAGE / path.removeprefix("/ort/")) if path.startswith("/ort/") else super().translate_path(path)

    def do_POST(self) -> None:
        self.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Queue[Any]]]:
    """The address of a folder's files, and where answers arrive."""
    answers: Queue[Any] = Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, answers, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", answers
        finally:
            server.shutdown()


def in_browser(folder: Path, profile: Path) -> Any:
    """What the page of a folder posts."""
    quiet = ["--no-first-run", "--disable-gpu", "--disable-extensions", "--disable-background-networking"]
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with serving(folder) as (address, answers):
        line = [str(BROWSER), "--headless=new", *quiet, *alone, f"--user-data-dir={profile}", f"{address}/page.html"]
        browser = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return answers.get(timeout=PATIENCE_S)
        except Empty:
            pytest.fail(f"the page said nothing within {PATIENCE_S} s")
        finally:
            browser.terminate()
            browser.wait(20)


def write_asked(folder: Path, asked: list[dict[str, np.ndarray]]) -> None:
    """Inputs as raw files, and a list of them."""
    listed = []
    for number, inputs in enumerate(asked):
        listed.append([])
        for name, value in inputs.items():
            file = f"{number}-{name}.bin"
            np.ascontiguousarray(value).tofile(folder / file)
            listed[-1].append({"name": name, "type": str(value.dtype), "dims": value.shape, "file": file})
    (folder / "asked.json").write_text(json.dumps(listed))


def questions(embedding: Embedding, side: int) -> list[dict[str, np.ndarray]]:
    """A click, ragged points with boxes, and earlier logits, each with another choice of masks and of HQ."""
    rng = np.random.default_rng(0)
    points = (rng.random((3, 2, 2)) * side).astype(np.float32)
    labels = np.array([[1, -10], [1, 0], [-10, -10]])
    boxes = np.array([[np.nan] * 4, [np.nan] * 4, [side / 4, side / 4, side / 2, side / 2]], np.float32)
    masks = rng.standard_normal((3, 1, side // 4, side // 4)).astype(np.float32)
    asked = [
        (PromptArrays(points[:1, :1], labels[:1, :1], None, None), [4], 1),
        (PromptArrays(points, labels, boxes, None), [0], 2),
        (PromptArrays(points, labels, boxes, masks), [1, 2, 3], 0),
        (PromptArrays(points, labels, boxes, masks), [4, 5, 6], 1),
    ]
    assert embedding.hq_features is not None
    image = {"features": embedding.features, "hq_features": embedding.hq_features}
    return [
        {
            **image,
            **prompt_inputs(prompts, side // 4),
            "take": np.array(take, np.int32),
            "hq": np.array([hq], np.int32),
        }
        for prompts, take, hq in asked
    ]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported.folder(tmp_path_factory, tiny.HQ)


def test_the_browser_answers_as_python(exports: Path, tmp_path: Path) -> None:
    decoder = open_graph(exports / "decoder.onnx")
    asked = questions(OnnxModel(exports).encode(tiny.pixels(tiny.HQ).numpy()), tiny.HQ.side)
    pages = tmp_path / "pages"
    pages.mkdir()
    shutil.copy(exports / "decoder.onnx", pages)
    shutil.copy(Path(__file__).with_name("page.html"), pages)
    write_asked(pages, asked)
    said = in_browser(pages, tmp_path / "profile")
    assert "error" not in said, said["error"]
    assert "Chrome" in said["agent"]
    assert len(said["answers"]) == len(asked)
    for inputs, answer in zip(asked, said["answers"], strict=True):
        expected = decoder(inputs)
        for name in ("logits", "iou"):
            got = np.array(answer[name]["data"], np.float32).reshape(answer[name]["dims"])
            assert got.shape == expected[name].shape
            np.testing.assert_allclose(got, expected[name], atol=2e-4)
