"""Films: frames with masks in colour as an MP4 file, written frame by frame through PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from samhq.extras import from_extra
from samhq.image.draw import overlay
from samhq.masks import rle
from samhq.shapes import UInt8
from samhq.storage.atomic import whole_file

_UNIT = Fraction(1, 90000)  #: Of seconds, for frames that are not evenly spaced.
_BT709, _LIMITED = 1, 1  #: FFmpeg's numbers of the colours' matrix and range. A film without them is guessed at.


def write_film(path: Path, images: Iterable[UInt8[np.ndarray, "H W 3"]], rate: float | Fraction) -> Path:
    """The pictures, all of one size and shown equally long, as H.264 in MP4.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    exact = Fraction(rate).limit_denominator(10000)
    return write_timed_film(path, ((index / exact, image) for index, image in enumerate(images)), exact)


def write_timed_film(
    path: Path,
    images: Iterable[tuple[Fraction, UInt8[np.ndarray, "H W 3"]]],
    rate: float | Fraction,
    *,
    evenly_spaced: bool = True,
) -> Path:
    """Pictures of one size, each with the second at which it is shown, as H.264 in MP4.

    Seconds must rise. If they are `evenly_spaced`, each is a whole number of frames at this rate. Odd sides grow by one
    pixel, because the codec wants them even.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    with from_extra("video", "video files"):
        import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with whole_file(path) as part, av.open(str(part), "w", format="mp4") as film:
        stream: Any = None
        per_second = Fraction(rate).limit_denominator(10000)
        unit = 1 / per_second if evenly_spaced else _UNIT
        first, last = Fraction(0), -1
        for seconds, image in images:
            height, width = image.shape[:2]
            if stream is None:
                stream, first = film.add_stream(codec, rate=per_second), seconds
                stream.codec_context.time_base = unit
                stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
                stream.codec_context.colorspace = stream.codec_context.color_primaries = _BT709
                stream.codec_context.color_trc, stream.codec_context.color_range = _BT709, _LIMITED
            even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED
            )
            last = max(round((seconds - first) / unit), last + 1)
            frame.pts, frame.time_base = last, unit
            film.mux(stream.encode(frame))
        if stream is not None:
            film.mux(stream.encode())
    return path


def painted(
    image: UInt8[np.ndarray, "H W 3"], objects: Sequence[dict[str, Any]], alpha: float = 0.5
) -> UInt8[np.ndarray, "H W 3"]:
    """A frame with its objects in colour, from the records of `samhq.video.folder`; a colour belongs to a number."""
    if not objects:
        return image
    masks = rle.decode([record["segmentation"] for record in objects], image.shape[:2])
    return overlay(image, masks, alpha=alpha, numbers=[max(record["id"], 1) - 1 for record in objects])
