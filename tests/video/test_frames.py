"""Frames from files, folders and lists, in order and out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samhq.errors import ImageError, PromptError
from samhq.video.film import write_film
from samhq.video.frames import FrameSource, open_frames
from tests.video import small

COUNT = 40


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "clip.mp4"
    return write_film(path, small.images(COUNT, 48, 64), 10)


def pictures(source: FrameSource, *where: int, reverse: bool = False) -> dict[int, np.ndarray]:
    found = {}
    for index, image in source.frames(*where, reverse=reverse):
        assert isinstance(image, np.ndarray)
        found[index] = image
    return found


def test_a_file_gives_its_frames_in_order(film: Path) -> None:
    source = open_frames(film)
    assert (len(source), source.size_hw, source.rate) == (COUNT, (48, 64), 10)
    found = pictures(source)
    assert list(found) == list(range(COUNT))
    for index in (0, 17, 39):
        assert np.abs(found[index].astype(int) - small.image(index, 48, 64)).mean() < 12
    middles = [np.flatnonzero(found[t][18].astype(int).sum(1) > 370).mean() for t in (0, 20)]
    assert middles[1] - middles[0] == pytest.approx(20, abs=2)


def test_any_frame_can_be_had_in_any_order(film: Path) -> None:
    source = open_frames(film)
    straight = pictures(source)
    for index in (7, 8, 31, 3, 39, 0):
        assert (source.read(index) == straight[index]).all()
    backward = pictures(source, 38, 2, reverse=True)
    assert list(backward) == list(range(38, 2, -1))
    assert all((backward[index] == straight[index]).all() for index in backward)
    assert list(pictures(source, 5, reverse=True)) == [5, 4, 3, 2, 1, 0]
    assert list(pictures(source, 36, 90)) == [36, 37, 38, 39]


def test_bytes_are_a_file(film: Path) -> None:
    source = open_frames(film.read_bytes())
    assert (source.read(12) == open_frames(film).read(12)).all()


def test_an_address_is_downloaded(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of pictures; what downloads do is tested in tests/image/test_fetch.py."""
    asked: list[str] = []
    monkeypatch.setattr("samhq.video.frames.fetched", lambda url: (asked.append(url), film.read_bytes())[1])
    source = open_frames("https://example.org/clip.mp4?size=1")
    assert (len(source), source.called) == (COUNT, "'clip.mp4'")
    assert asked == ["https://example.org/clip.mp4?size=1"]


@pytest.mark.parametrize("address", [Path("https://example.org/clip.mp4"), "rtsp://camera/1", "s3://bucket/clip.mp4"])
def test_other_addresses_get_advice(address: Path | str) -> None:
    with pytest.raises(ImageError, match=r"got the address \w+://[^ ]+\. Download it first.*\.tracker\(\)"):
        open_frames(address)


def test_damaged_frames_are_named_and_the_others_come(film: Path, tmp_path: Path) -> None:
    data = bytearray(film.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 800] = bytes(800)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    found = list(open_frames(path).frames())
    assert [index for index, _ in found] == list(range(COUNT))
    lost = [index for index, image in found if isinstance(image, ImageError)]
    assert 0 < len(lost) < COUNT // 2
    with pytest.raises(ImageError, match=f"frame {lost[0]}: .*damaged data in .*damaged.mp4"):
        open_frames(path).read(lost[0])


def test_a_file_that_is_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    import av

    path = tmp_path / "clip.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in small.images(30, 48, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_frames(path)
    assert 5 < len(source) < 30
    assert len(list(source.frames())) == len(source)


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path: Path) -> None:
    for index in (0, 2, 10, 9):
        Image.fromarray(small.image(index)).save(tmp_path / f"f{index}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._f0.png").write_bytes(b"what macOS writes beside a file")
    source = open_frames(tmp_path)
    assert [source.name(k) for k in range(len(source))] == ["f0", "f2", "f9", "f10"]
    assert (source.read(3) == small.image(10)).all()


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp"])
def test_the_pages_of_a_picture_are_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"series.{suffix}"
    images = [Image.fromarray(image) for image in small.images(5, 48, 64)]
    timed = {} if suffix == "tif" else {"duration": 80}
    images[0].save(path, save_all=True, append_images=images[1:], lossless=True, **timed)
    source = open_frames(path)
    assert (len(source), source.size_hw, source.rate) == (5, (48, 64), 12.5 if timed else 25)
    found = pictures(source)
    for index in (4, 1, 3):
        assert np.array_equal(source.read(index), found[index])
        assert np.abs(found[index].astype(int) - small.image(index, 48, 64)).mean() < 12
    images[0].save(path)
    assert len(open_frames(path)) == 1


def test_pictures_that_differ_in_their_suffix_alone_keep_it(tmp_path: Path) -> None:
    for name in ("0.png", "0.jpg", "1.png"):
        Image.fromarray(small.image(0)).save(tmp_path / name)
    frames = open_frames(tmp_path)
    assert [frames.name(index) for index in range(3)] == ["0.jpg", "0.png", "1.png"]
    (tmp_path / "0.jpg").unlink()
    frames = open_frames(tmp_path)
    assert [(frames.name(index), frames.file_name(index)) for index in range(2)] == [("0", "0.png"), ("1", "1.png")]


def test_a_broken_picture_is_named_and_the_others_come(tmp_path: Path) -> None:
    for index in range(3):
        Image.fromarray(small.image(index)).save(tmp_path / f"{index}.png")
    (tmp_path / "1.png").write_bytes(b"broken")
    found = dict(open_frames(tmp_path).frames())
    assert isinstance(found[1], ImageError)
    assert "frame 1, 1.png" in str(found[1])
    assert isinstance(found[2], np.ndarray)


def test_lists_arrays_and_tensors_are_frames() -> None:
    images = small.images(3)
    for given in (images, np.stack(images), torch.from_numpy(np.stack(images)), [Image.fromarray(i) for i in images]):
        source = open_frames(given)
        assert (len(source), source.name(2)) == (3, "000002")
        assert (source.read(2) == images[2]).all()
    assert open_frames(source) is source


def test_frames_of_another_size_are_refused() -> None:
    source = open_frames([small.image(0), small.image(1, 44, 60)])
    with pytest.raises(ImageError, match=r"one size, 40 x 60 .* 44 x 60 at frame 1"):
        list(source.frames())


def test_frames_that_do_not_exist_are_refused() -> None:
    with pytest.raises(PromptError, match=r"from 0 to 2 .*got 3"):
        open_frames(small.images(3)).read(3)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty", tmp_path / "text.mp4"
    empty.mkdir()
    text.write_text("no video at all")
    wrong = [
        (empty, "Expected pictures in .*empty, got none"),
        (text, "Expected a video that can be decoded"),
        (tmp_path / "none.mp4", "which is not there"),
        (7, "Expected a video file, a folder of pictures or a list"),
        ([], "at least one frame"),
    ]
    for source, message in wrong:
        with pytest.raises(ImageError, match=message):
            open_frames(source)


def test_the_slices_of_a_scan_are_frames() -> None:
    volume = np.random.default_rng(0).integers(0, 255, (5, 8, 9), dtype=np.uint8)
    source = open_frames(volume)
    assert (len(source), source.size_hw) == (5, (8, 9))
    np.testing.assert_array_equal(pictures(source)[4], np.repeat(volume[4][..., None], 3, axis=2))
    with pytest.raises(ImageError, match="list of frames"):
        open_frames(np.zeros((8, 9, 3), np.uint8))  # one picture
