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


def write_film(path: Path, images: Iterable[UInt8[np.ndarray, "H W 3"]], rate: float | Fraction) -> Path:
    """The pictures, all of one size, as H.264 in MP4. Odd sides grow by one pixel, as the codec wants them even.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    with from_extra("video", "video files"):
        import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with whole_file(path) as part, av.open(str(part), "w", format="mp4") as film:
        stream: Any = None
        for image in images:
            height, width = image.shape[:2]
            if stream is None:
                stream = film.add_stream(codec, rate=Fraction(rate).limit_denominator(10000))
                stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
            even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
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
