"""A server of a tiny model for tests, without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient
from tests import tiny

from samhq.inference.segment import Segmenter
from samhq.serve.app import create_app
from samhq.serve.guard import TOKEN_HEADER, Rules
from samhq.serve.session import Session

TOKEN = "a-token-for-tests"
API = "/api/v1"
CLICK: dict[str, Any] = {"points": [[30.0, 20.0]], "labels": [1]}


def photograph(path: Path, size_hw: tuple[int, int] = (40, 60), seed: int = 0) -> Path:
    """A picture file of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).resize(size_hw[::-1], Image.Resampling.BICUBIC).save(path)
    return path


def folder_of(path: Path, count: int = 2) -> Path:
    """A folder with some pictures, a.png, b.png, ..."""
    for number in range(count):
        photograph(path / f"{chr(97 + number)}.png", seed=number)
    return path


def opened(folder: Path, project: Path | None = None, **options: Any) -> Session:
    """A session with the tiny HQ model."""
    rules = options.pop("rules", Rules(TOKEN, ("testserver",)))
    load = options.pop("load", lambda: Segmenter(tiny.shared(tiny.HQ)))
    return Session.open(folder, project or folder / "project.samhq", load, rules, **options)


@contextmanager
def running(session: Session, static: Path | None = None) -> Iterator[Client]:
    """A client of a session's application, which runs meanwhile."""
    with Client(session, static) as client:
        yield client


class Client(TestClient):
    """A client that sends the token and speaks JSON."""

    def __init__(self, session: Session, static: Path | None = None) -> None:
        super().__init__(create_app(session, static), headers={TOKEN_HEADER: TOKEN}, raise_server_exceptions=False)
        self.session = session

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The JSON of an answer that is no error."""
        answer = (
            self.request(method, API + path, json=body, **options)
            if body is not None
            else self.request(method, API + path, **options)
        )
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def fault(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str, str]:
        """Status, code and sentence of an error."""
        if body is not None:
            options["json"] = body
        answer = self.request(method, API + path, **options)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        assert error["message"].startswith("Expected"), error
        return answer.status_code, error["code"], error["message"]

    def deliver(self, path: str, content: bytes, **options: Any) -> Any:
        """The answer to a body of bytes."""
        headers = {"content-type": "application/octet-stream"}
        return self.post(API + path, content=content, headers=headers, **options)

    def events(self, method: str, path: str) -> list[tuple[str, Any]]:
        """The events of a stream, name and data."""
        answer = self.request(method, API + path)
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
        blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
        return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]

    def do(self, image_id: int, type: str, **fields: Any) -> Any:
        """The delta of a command."""
        return self.ask("POST", f"/images/{image_id}/commands", {"command": {"type": type, **fields}})

    def state(self, image_id: int = 1) -> Any:
        """A picture's state."""
        return self.ask("GET", f"/images/{image_id}/state")
