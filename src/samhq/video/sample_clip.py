"""A short clip to try videos with: a camera moves over the sample photograph and comes closer.

The frames are the same each time; the bytes of the file are not, because its encoder varies. Knows nothing about
networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from samhq.image.sample_picture import sample_picture
from samhq.image.windows import Window
from samhq.shapes import UInt8
from samhq.video.film import write_film

FRAMES, RATE, SIZE_HW = 24, 12, (320, 480)
SPOON = (226, 200, 307, 318)  #: Its box (x0, y0, x1, y1) in the first frame.
_FIRST, _LAST = Window(100, 0, 580, 320), Window(30, 20, 465, 310)  #: The camera's windows in the photograph.


def sample_frames() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The frames of the clip, uint8 RGB [320,480,3]."""
    with Image.open(sample_picture()) as photograph:
        picture = photograph.convert("RGB")
    for index in range(FRAMES):
        box = seen_box(index)
        yield np.asarray(picture.resize(SIZE_HW[::-1], Image.Resampling.BICUBIC, box=box))


def seen_box(index: int) -> tuple[float, float, float, float]:
    """The part (x0, y0, x1, y1) of the photograph that a frame shows, in the photograph's pixels.

    >>> seen_box(0)
    (100.0, 0.0, 580.0, 320.0)
    """
    done = index / (FRAMES - 1)
    first, last = ((box.x0, box.y0, box.x1, box.y1) for box in (_FIRST, _LAST))
    x0, y0, x1, y1 = (float(a + done * (b - a)) for a, b in zip(first, last, strict=True))
    return x0, y0, x1, y1


def write_sample_clip(path: Path) -> Path:
    """Writes the clip as an MP4 file of two seconds, about 60 kB.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    return write_film(path, sample_frames(), RATE)
