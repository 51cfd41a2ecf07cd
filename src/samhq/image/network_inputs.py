"""The network's inputs of a picture that was read before its turn.

Jobs read pictures and make these inputs in threads, while the network works on an earlier picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samhq.image.frame import Frame
from samhq.image.read import ReadPicture
from samhq.image.transform import SquareForm, to_pixels_fast, to_square
from samhq.image.windows import Window
from samhq.shapes import Float32, UInt8

#: Network inputs made of parts of a picture by `to_pixels_fast`.
Crops = Mapping[Window, tuple[Any, Frame]]


@dataclass(frozen=True, eq=False)
class NetworkInputs:
    """The network's inputs in one form: of the whole picture, and of parts of it."""

    form: SquareForm
    square: Float32[np.ndarray, "1 3 S S"]
    frame: Frame
    crops: Crops

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "H W 3"], form: SquareForm, windows: Sequence[Window] = ()) -> NetworkInputs:
        """The inputs made of a picture and its `windows`.

        Raises:
            ImageError: not uint8 [H,W,3], or empty.
        """
        crops = {window: to_pixels_fast(image[window.slices()], form) for window in windows}
        return cls(form, *to_square(image, form), crops)


@dataclass(frozen=True, eq=False)
class PictureWithInputs(ReadPicture):
    """A picture that was read, with the network's inputs made of it."""

    inputs: NetworkInputs


def with_inputs(picture: ReadPicture, form: SquareForm, windows: Sequence[Window] = ()) -> PictureWithInputs:
    """The picture with the network's inputs in a form, of the whole and of `windows`."""
    return PictureWithInputs(picture.path, picture.pixels, NetworkInputs.of(picture.pixels, form, windows))


def inputs_of(source: Any, image: UInt8[np.ndarray, "H W 3"], form: SquareForm) -> NetworkInputs:
    """The inputs in this form that `source` already has; else made of `image`, the pixels of `source`.

    Raises:
        ImageError: not uint8 [H,W,3], or empty.
    """
    if isinstance(source, PictureWithInputs) and source.inputs.form == form:
        return source.inputs
    return NetworkInputs.of(image, form)
