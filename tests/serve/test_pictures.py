"""Pictures within limits, upright, and in tiles."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.serve.served import Client, photograph

from samhq.serve.faults import Fault
from samhq.serve.pictures import TILE, PictureStore
from samhq.serve.places import Root
from samhq.serve.project import Project


def opened(folder: Path, most_pixels: int = 10_000_000) -> PictureStore:
    project = Project(folder / "a.samhq", "a")
    pictures = PictureStore(project, Root(folder), folder / "up", most_pixels)
    pictures.add_folder()
    return pictures


def encoded(size_hw: tuple[int, int] = (8, 9), form: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size_hw[::-1], (200, 10, 10)).save(content, form, **options)
    return content.getvalue()


def test_tiles_cover_the_picture_at_every_level(tmp_path: Path) -> None:
    source = photograph(tmp_path / "a.png", (TILE + 100, 2 * TILE + 3))
    pictures, whole = opened(tmp_path), np.asarray(Image.open(source))
    rows = []
    for row in range(2):
        parts = [pictures.tile(1, 0, column, row)[0] for column in range(3)]
        rows.append(np.concatenate([np.asarray(Image.open(io.BytesIO(part))) for part in parts], 1))
    assert np.array_equal(np.concatenate(rows), whole)
    content, kind = pictures.tile(1, 1, 1, 0)
    assert (Image.open(io.BytesIO(content)).size, kind) == ((2, 306), "image/jpeg")
    assert Image.open(io.BytesIO(pictures.tile(1, 11, 0, 0)[0])).size == (1, 1)
    for outside in ((0, 3, 0), (0, 0, 2), (0, -1, 0), (1, 2, 0), (40, 1, 0), (-1, 0, 0)):
        with pytest.raises(Fault) as raised:
            pictures.tile(1, *outside)
        assert raised.value.status_code == 404


def test_a_pixel_of_a_smaller_level_is_the_mean_of_those_that_it_covers(tmp_path: Path) -> None:
    source = photograph(tmp_path / "a.png", (37, 53))
    pictures, whole = opened(tmp_path), np.asarray(Image.open(source)).astype(float)
    small = pictures._level(1, 2)
    assert small.shape == (10, 14, 3)
    for row in range(10):
        for column in range(14):
            mean = whole[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean((0, 1))
            assert np.abs(small[row, column] - mean).max() <= 1


def test_turned_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded((8, 20), "JPEG", exif=exif))
    pictures = opened(tmp_path)
    assert pictures.size_hw(1) == (20, 8)
    assert pictures.pixels(1).shape == (20, 8, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_uploads_of_these_formats_are_taken_once(tmp_path: Path, form: str) -> None:
    pictures = opened(tmp_path)
    content = encoded(form=form)
    assert pictures.add_upload("a b.x", content) == pictures.add_upload("again", content)
    assert pictures.pixels(1).shape == (8, 9, 3)


@pytest.mark.parametrize("content", [b"", b"text", encoded()[:40], encoded(form="GIF"), encoded(form="PPM"), b"<svg/>"])
def test_what_is_no_picture_of_these_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Fault) as raised:
        opened(tmp_path).add_upload("a.png", content)
    assert raised.value.status_code == 422


def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path) -> None:
    bomb = encoded((3000, 5000))
    assert len(bomb) < 200_000
    (tmp_path / "bomb.png").write_bytes(bomb)
    pictures = opened(tmp_path, most_pixels=14_999_999)
    with pytest.raises(Fault) as raised:
        pictures.add_upload("bomb.png", bomb)
    assert raised.value.status_code == 413
    with pytest.raises(Fault, match="max-pixels"):
        pictures.size_hw(1)


def test_a_header_that_promises_gigapixels_is_refused(client: Client) -> None:
    lie = bytearray(encoded())
    lie[16:24] = (60_000).to_bytes(4, "big") * 2
    assert client.deliver("/images?name=a.png", bytes(lie)).status_code in (413, 422)


def test_files_that_change_or_go_are_errors_in_words(tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    pictures = opened(tmp_path)
    photograph(tmp_path / "a.png", (50, 50))
    with pytest.raises(Fault, match="40 x 60"):
        pictures.pixels(1)
    (tmp_path / "a.png").unlink()
    with pytest.raises(Fault, match="Expected"):
        pictures.pixels(1)
    (tmp_path / "a.png").symlink_to("/etc/hostname")
    with pytest.raises(Fault, match="inside"):
        pictures.pixels(1)


def test_files_that_cannot_be_read_are_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    pictures = opened(tmp_path)
    (row,) = pictures.project.images()
    assert row["height"] is None
    assert "Expected a picture" in row["problem"]


def test_damage_that_the_header_hides_is_listed_once_it_is_met_until_the_file_is_mended(tmp_path: Path) -> None:
    whole = photograph(tmp_path / "a.jpg", (200, 300)).read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    pictures = opened(tmp_path)
    assert pictures.project.image(1)["problem"] is None
    with pytest.raises(Fault, match="damaged or cut off"):
        pictures.pixels(1)
    row = pictures.project.image(1)
    assert "damaged or cut off" in row["problem"]
    assert (row["height"], row["width"]) == (200, 300)
    (tmp_path / "a.jpg").write_bytes(whole)
    assert pictures.pixels(1).shape == (200, 300, 3)
    assert pictures.project.image(1)["problem"] is None


def test_a_full_disk_hides_neither_a_picture_nor_what_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise Fault(507, "Expected the project to be written, got: disk is full.")

    whole = photograph(tmp_path / "a.jpg", (200, 300)).read_bytes()
    pictures = opened(tmp_path)
    pictures.project.change_image(1, problem="damaged")
    monkeypatch.setattr(pictures.project, "change_image", full)
    assert pictures.pixels(1).shape == (200, 300, 3)
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    pictures._held.clear()
    with pytest.raises(Fault, match="damaged or cut off"):
        pictures.pixels(1)


def test_names_are_never_fetched(client: Client) -> None:
    answer = client.deliver("/images?name=http://127.0.0.1:9/a.png", encoded())
    assert answer.json()["name"] == "http://127.0.0.1:9/a.png"
    assert client.get(f"/api/v1/images/{answer.json()['id']}/pixels").status_code == 200
