"""The types of pictures, masks, points, boxes and class names that public functions take.

Types only: `samhq.image.read` and `samhq.image.boxes` read and check the values. Knows nothing about torch: tensors are
recognised by their methods.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from PIL import Image


@runtime_checkable
class Array(Protocol):
    """A NumPy array, a torch tensor, or anything else that NumPy reads as an array."""

    def __array__(self) -> np.ndarray:
        """The values as a NumPy array."""
        ...


@runtime_checkable
class OpenFile(Protocol):
    """An open file, or anything else with bytes to read."""

    def read(self) -> bytes:
        """The bytes from the current position to the end."""
        ...


#: A file: its path or address, its content, or the open file.
FileInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | OpenFile
#: A picture, as `samhq.image.read.read_image` takes it.
PictureInput: TypeAlias = FileInput | Image.Image | Array | Sequence[Sequence[Any]]
#: A mask of a whole picture as `samhq.image.read.read_mask` takes it, COCO's RLE, or low-resolution logits.
MaskInput: TypeAlias = PictureInput | Mapping[str, Any]
#: Clicks [N,2] as (x, y), or one click.
PointsInput: TypeAlias = Array | Sequence[float | Array | Sequence[float | Array]]
#: A label for every click: 1 on the object, 0 off it.
LabelsInput: TypeAlias = float | Array | Sequence[float | Array]
#: One box (x0, y0, x1, y1).
BoxInput: TypeAlias = Array | Sequence[float | Array]
#: Boxes [P,4].
BoxesInput: TypeAlias = Array | Sequence[float | Array | Sequence[float | Array]]
#: Class names: names with commas between, a list, or the phrases of each class.
TextInput: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]]
