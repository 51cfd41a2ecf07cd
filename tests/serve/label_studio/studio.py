"""A stand-in for Label Studio: a server of pictures that wants an access token, and redirects to other places."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Studio:
    """What the server has, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.token: str | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.etags = True
        self.url = ""


@contextmanager
def running_studio() -> Iterator[Studio]:
    """A server for the block, on a free port."""
    studio = Studio()
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Handler(studio, *args))
    studio.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield studio
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, studio: Studio, *args: Any) -> None:
        self.studio = studio
        super().__init__(*args)

    def do_GET(self) -> None:
        studio = self.studio
        studio.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path in studio.redirects:
            self._answer(302, b"", {"Location": studio.redirects[self.path]})
        elif studio.token is not None and self.headers.get("Authorization") != studio.token:
            self._answer(401, b"")
        elif self.path not in studio.files:
            self._answer(404, b"")
        else:
            content = studio.files[self.path]
            etag = f'"{hash(content)}"'
            same = studio.etags and self.headers.get("If-None-Match") == etag
            self._answer(304 if same else 200, b"" if same else content, {"ETag": etag} if studio.etags else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.studio.asked.append((self.path, body))
        right = self.path == "/api/token/refresh" and body == {"refresh": "a.b.c"}
        self._answer(200 if right else 401, json.dumps({"access": "fresh"}).encode())

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
