"""Downloads leave nothing behind; imports and training data over HTTP."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from tests.serve.served import API, CLICK, Client


def test_downloads_leave_nothing_behind(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    client.do(1, "commit", draft=CLICK)
    assert client.get(f"{API}/export/masks").status_code == 200
    assert client.get(f"{API}/export/geotiff").status_code == 422
    client.deliver("/import", client.get(f"{API}/export/coco").content)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("query", ["scope=all", "tolerance=-1", "shapes=circle", "tolerance=nan", "image_id=x"])
def test_options_that_cannot_be(client: Client, query: str) -> None:
    assert client.fault("GET", f"/export/coco?{query}")[:2] == (422, "bad_request")


def test_an_svg_with_a_class_of_markup_is_a_download(client: Client) -> None:
    name = "<script>alert(1)</script>"
    client.ask("PATCH", "/classes/1", {"name": name})
    client.do(1, "commit", draft=CLICK)
    answer = client.get(f"{API}/export/svg?scope=image&image_id=1")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert name not in answer.text
