"""Bytes behind addresses, from a server of this machine."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ImageError
from samhq.image.fetch import fetched, is_url, name_of
from samhq.image.read import read_image


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        stream = io.BytesIO()
        Image.fromarray(np.full((5, 7, 3), 90, np.uint8)).save(stream, "PNG")
        self.send_response(200 if self.path == "/a.png" else 404)
        self.end_headers()
        self.wfile.write(stream.getvalue())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_picture_may_be_an_address(address: str) -> None:
    assert read_image(f"{address}/a.png").shape == (5, 7, 3)
    assert fetched(f"{address}/a.png")[:4] == b"\x89PNG"


@pytest.mark.parametrize("path", ["/none.png", ""])
def test_what_is_not_there_is_said(address: str, path: str) -> None:
    with pytest.raises(ImageError, match="Check the address"):
        read_image(f"{address}{path}")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.png", "http://", "https://[::", "http://nowhere.invalid/a.png"])
def test_an_address_without_an_answer_is_said(url: str) -> None:
    with pytest.raises(ImageError, match="Check the address"):
        fetched(url, timeout=2)


@pytest.mark.parametrize("source", ["a.jpg", "ftp://a/b.png", "file:///etc/passwd", b"http://a", None])
def test_only_http_is_an_address(source: Any) -> None:
    assert not is_url(source)


def test_names_do_not_leave_their_folder() -> None:
    assert name_of("http://a/..%2f..%2fetc/passwd") == "passwd"
    assert name_of("http://a/..%2f.hidden") == "hidden"
