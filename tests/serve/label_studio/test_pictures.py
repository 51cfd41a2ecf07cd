"""Pictures are fetched from allowed servers only, within limits, once."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from tests.serve.label_studio.studio import Studio, running_studio

import samhq.serve.label_studio.pictures as module
from samhq.errors import ConfigError
from samhq.serve.faults import Fault
from samhq.serve.label_studio.pictures import FetchedPictures, origin_of


def png(value: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def studio() -> Iterator[Studio]:
    with running_studio() as studio:
        studio.files["/data/upload/1/a.png"] = png()
        yield studio


def refused(pictures: FetchedPictures, address: str, status: int = 422) -> str:
    with pytest.raises(Fault) as fault:
        pictures.fetch(address)
    assert fault.value.status_code == status
    assert str(fault.value.detail).startswith("Expected")
    return str(fault.value.detail)


@pytest.mark.parametrize("address", ["/data/upload/1/a.png", "data/upload/1/a.png", "{url}/data/upload/1/a.png"])
def test_pictures_of_label_studio(studio: Studio, address: str) -> None:
    pictures = FetchedPictures(studio.url)
    fetched = pictures.fetch(address.format(url=studio.url))
    assert fetched.name == "a.png"
    np.testing.assert_array_equal(pictures.pixels(fetched.id), np.zeros((4, 6, 3)))


def test_a_picture_is_not_fetched_again(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = FetchedPictures(studio.url)
    first = pictures.fetch("/data/upload/1/a.png")
    assert pictures.fetch("/data/upload/1/a.png").id == first.id
    assert len(studio.asked) == 1
    monkeypatch.setattr(module, "_FRESH", -1.0)
    assert pictures.fetch("/data/upload/1/a.png").id == first.id
    assert studio.asked[1][1]["if-none-match"]
    studio.etags = False
    assert pictures.fetch("/data/upload/1/a.png").id == first.id
    studio.files["/data/upload/1/a.png"] = png(9)
    changed = pictures.fetch("/data/upload/1/a.png")
    assert changed.id != first.id
    assert pictures.pixels(changed.id)[0, 0, 0] == 9


def test_an_embedded_picture() -> None:
    pictures = FetchedPictures("http://localhost:8080")
    fetched = pictures.fetch(f"data:image/png;base64,{base64.b64encode(png(3)).decode()}")
    assert pictures.pixels(fetched.id)[0, 0, 0] == 3
    for address in ("data:image/png,abc", "data:image/png;base64,???"):
        refused(pictures, address)
    refused(FetchedPictures("http://localhost:8080", most_bytes=10), f"data:image/png;base64,{'A' * 100}")


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/a.png",
        "https://127.0.0.1/a.png",
        "//evil.test/a.png",
        "file:///etc/passwd",
        "ftp://evil.test/a.png",
        "http://[::1/a.png",
        "s3://bucket/a.png",
    ],
)
def test_other_servers_are_not_asked(studio: Studio, address: str) -> None:
    said = refused(FetchedPictures(studio.url), address)
    assert "--fetch-from" in said
    assert studio.asked == []


def test_redirects_stay_with_allowed_servers(studio: Studio) -> None:
    with running_studio() as other:
        other.files["/a.png"] = png(5)
        studio.redirects = {"/there": f"{other.url}/a.png", "/meta": "http://169.254.169.254/", "/file": "file:///etc"}
        closed = FetchedPictures(studio.url, key="secret")
        for address in studio.redirects:
            refused(closed, address)
        assert other.asked == []
        pictures = FetchedPictures(studio.url, [other.url], key="secret")
        assert pictures.pixels(pictures.fetch("/there").id)[0, 0, 0] == 5
        assert pictures.fetch(f"{other.url}/a.png").content == png(5)
        assert studio.asked[-1][1]["authorization"] == "Token secret"
        assert all("authorization" not in headers for _, headers in other.asked)


@pytest.mark.parametrize(("key", "sent"), [("secret", "Token secret"), ("a.b.c", "Bearer fresh")])
def test_the_access_token(studio: Studio, key: str, sent: str) -> None:
    studio.token = sent
    assert "LABEL_STUDIO_API_KEY" in refused(FetchedPictures(studio.url), "/data/upload/1/a.png")
    assert "401" in refused(FetchedPictures(studio.url, key="wrong"), "/data/upload/1/a.png")
    pictures = FetchedPictures(studio.url, key=key)
    assert pictures.fetch("/data/upload/1/a.png").content == png()
    refused(pictures, "/missing")
    exchanges = [path for path, _ in studio.asked if path.startswith("/api/")]
    assert len(exchanges) == (key == "a.b.c")


def test_a_token_that_cannot_be_exchanged(studio: Studio) -> None:
    assert "LABEL_STUDIO_API_KEY" in refused(FetchedPictures(studio.url, key="x.y.z"), "/data/upload/1/a.png")


def test_limits(studio: Studio) -> None:
    studio.files["/text"] = b"no picture"
    refused(FetchedPictures(studio.url, most_bytes=20), "/data/upload/1/a.png", 413)
    pictures = FetchedPictures(studio.url, most_pixels=20)
    for address, status in (("/data/upload/1/a.png", 413), ("/text", 422)):
        with pytest.raises(Fault) as fault:
            pictures.pixels(pictures.fetch(address).id)
        assert fault.value.status_code == status
    with pytest.raises(Fault):
        pictures.pixels(99)


def test_old_pictures_make_room(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD_BYTES", 1)
    studio.files["/b.png"] = png(1)
    pictures = FetchedPictures(studio.url)
    first, second = pictures.fetch("/data/upload/1/a.png"), pictures.fetch("/b.png")
    assert pictures.pixels(second.id)[0, 0, 0] == 1
    with pytest.raises(Fault, match="Send the request again"):
        pictures.pixels(first.id)


@pytest.mark.parametrize("url", ["localhost:8080", "", "file:///a", "http://", "http://a:x"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="Expected an address"):
        origin_of(url)
