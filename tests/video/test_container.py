"""What PyAV says of a file. Most of it is tested through `VideoFile` in test_frames.py."""

from __future__ import annotations

import io
import warnings
import wave
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from samhq.errors import ImageError, SamHQWarning
from samhq.video.container import Container, upright
from tests.video import small


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    with pytest.raises(ImageError, match="has no pictures"):
        Container(str(path), "sound.wav")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("IM0001", bytes(128) + b"DICM", "It is DICOM: read it with pydicom"),
        ("scan.nii.gz", b"gz", "It is NIfTI"),
        ("a.mp4", b"no film", "It may be no video"),
    ],
)
def test_scans_are_no_videos_but_get_advice(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=said):
        Container(str(tmp_path / name), name)


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (-90, -1), (180, 2)])
def test_frames_are_turned_as_the_file_asks(rotation: int, turns: int) -> None:
    pixels = small.image(0)
    frame: Any = SimpleNamespace(rotation=rotation, to_ndarray=lambda format: pixels)
    assert (upright(frame) == np.rot90(pixels, turns)).all()


def test_a_stream_without_times_is_counted(tmp_path: Path) -> None:
    """A raw stream says nothing about when its frames are shown."""
    import av

    path = tmp_path / "raw.m4v"
    with av.open(str(path), "w", format="m4v") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in small.images(9, 48, 64):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        film.mux(stream.encode())
    container = Container(str(path), "raw.m4v")
    assert len(container) == 9
    whole = dict(container.decoded(0))
    late = dict(container.decoded(6))
    assert sorted(late) == [6, 7, 8]
    assert all((late[index] == whole[index]).all() for index in late)  # type: ignore[union-attr]


def film(path: Path, count: int, codec: str = "mpeg4", **options: str) -> bytes:
    """The bytes of a new film of ten frames a second."""
    import av

    with av.open(str(path), "w", options=options) as film:
        stream = film.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in small.images(count, 48, 64):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        film.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize(("name", "message"), [("a.mp4", "the 30 frames"), ("a.mkv", r"3\.0 seconds")])
def test_a_missing_end_is_told(name: str, message: str, tmp_path: Path) -> None:
    """As of a download that was interrupted; an MP4 for the web has its index at the front."""
    whole = film(tmp_path / name, 30, **({"movflags": "faststart"} if name == "a.mp4" else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Container(io.BytesIO(whole), name)) == 30
    with pytest.warns(SamHQWarning, match=message):
        cut = Container(io.BytesIO(whole[: len(whole) * 85 // 100]), name)
    assert 5 < len(cut) < 20
    assert len(dict(cut.decoded(0))) == len(cut)


def test_frames_that_are_never_shown_are_not_missing(tmp_path: Path) -> None:
    """A film that was trimmed without encoding keeps the frames before its first moment, and does not show them."""
    import av

    whole, path = film(tmp_path / "whole.mp4", 30), tmp_path / "trimmed.mp4"
    with av.open(io.BytesIO(whole)) as source, av.open(str(path), "w") as trimmed:
        stream = trimmed.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                later = round(1 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - later, packet.dts - later, stream
                trimmed.mux(packet)
    with av.open(str(path)) as again:
        assert again.streams.video[0].frames == 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = Container(str(path), "trimmed.mp4")
    assert len(shown) == 20
    assert list(dict(shown.decoded(0))) == list(range(20))


def test_a_stream_beside_the_video_that_counts_no_seconds_is_left_out() -> None:
    """As a data stream whose unit the file does not name."""
    import av

    picture, data = object(), object()
    common = {"size": 9, "duration": 1, "is_discard": False}
    packets = [
        SimpleNamespace(stream=picture, pts=0, time_base=Fraction(1, 10), **common),
        SimpleNamespace(stream=data, pts=90, time_base=None, **common),
    ]
    opened = SimpleNamespace(demux=lambda: iter(packets), start_time=0)
    assert Container._listed(SimpleNamespace(_av=av), opened, picture) == ([0], 1, Fraction(1, 10))  # type: ignore[arg-type]


def test_a_file_whose_index_is_missing_may_be_incomplete(tmp_path: Path) -> None:
    """An MP4 that a camera writes has its index at the end."""
    whole = film(tmp_path / "a.mp4", 30)
    with pytest.raises(ImageError, match="its end may be missing"):
        Container(io.BytesIO(whole[: len(whole) // 2]), "a.mp4")


@pytest.mark.filterwarnings("ignore:Expected the 30 frames")
def test_frames_before_a_damaged_end_are_kept(tmp_path: Path) -> None:
    """Threads that decode side by side lose as many frames as there are threads."""
    import av

    if "libx264" not in av.codecs_available:
        pytest.skip("needs an encoder of H.264")
    whole = film(tmp_path / "a.mp4", 30, "libx264", movflags="faststart")
    cut = Container(io.BytesIO(whole[: len(whole) * 9 // 10]), "a.mp4")
    frames = dict(cut.decoded(0))
    assert list(frames) == list(range(len(cut)))
    assert sum(isinstance(frame, ImageError) for frame in frames.values()) <= 1
    late = dict(cut.decoded(len(cut) - 3))
    assert list(late) == list(range(len(cut) - 3, len(cut)))
