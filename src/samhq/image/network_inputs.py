"""The network's inputs of a picture that was read before its turn.

Jobs read pictures and make these inputs in threads, while the network works on an earlier picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
    """The network's inputs of a picture in one form: of the whole, made when first asked for, and of parts of it.

    `image` is uint8 [H,W,3].
    """

    form: SquareForm
    image: UInt8[np.ndarray, "H W 3"]
    crops: Crops = field(default_factory=dict)

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "H W 3"], form: SquareForm, windows: Sequence[Window] = ()) -> NetworkInputs:
        """The inputs of a picture, with those of its `windows` made.

        Raises:
            ImageError: not uint8 [H,W,3], or empty.
        """
        return cls(form, image, {window: to_pixels_fast(image[window.slices()], form) for window in windows})

    @property
    def frame(self) -> Frame:
        """The frame that maps coordinates and masks of the whole picture."""
        return self.form.frame((self.image.shape[0], self.image.shape[1]))

    @cached_property
    def square(self) -> Float32[np.ndarray, "1 3 S S"]:
        """The input of the whole picture."""
        return to_square(self.image, self.form)[0]


@dataclass(frozen=True, eq=False)
class PictureWithInputs(ReadPicture):
    """A picture that was read, with the network's inputs made of it."""

    inputs: NetworkInputs


def with_inputs(
    picture: ReadPicture, form: SquareForm, windows: Sequence[Window] = (), *, whole: bool = True
) -> PictureWithInputs:
    """The picture with the network's inputs in a form, of the whole and of `windows`.

    Without `whole` that of the whole picture is made when it is first asked for.
    """
    inputs = NetworkInputs.of(picture.pixels, form, windows)
    if whole:
        inputs.square  # noqa: B018 - makes it
    return PictureWithInputs(picture.path, picture.pixels, inputs)


def inputs_of(source: Any, image: UInt8[np.ndarray, "H W 3"], form: SquareForm) -> NetworkInputs:
    """The inputs in this form that `source` already has; else those of `image`, the pixels of `source`."""
    if isinstance(source, PictureWithInputs) and source.inputs.form == form:
        return source.inputs
    return NetworkInputs(form, image)
