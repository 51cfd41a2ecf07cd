"""A picture while it is composed: pixels, the cover of every object, and the order of objects.

Knows nothing about the source of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from samhq.shapes import Bool, Float, UInt8
from samhq.training.augment import HALF

#: Kinds of masks: annotated in the photograph, a distinct region inside it, a pasted cut-out, or a drawn thin thing.
Kind = Literal["object", "part", "cutout", "thin"]

#: Pasted cover up to this level, of 255, does not change the padding.
_FAINT = 8
#: The mean colour, which is the padding of a square.
_PADDING = 127


@dataclass(frozen=True, eq=False)
class Layer:
    """One object: its cover of each pixel, uint8 [S,S], 255 for a whole pixel, and its kind."""

    cover: UInt8[np.ndarray, "S S"]
    kind: Kind

    @property
    def area(self) -> int:
        """The number of pixels that it covers to at least a half."""
        return int(np.count_nonzero(self.cover >= HALF))


@dataclass(frozen=True, eq=False)
class Composite:
    """A square picture, uint8 RGB [S,S,3], its objects from back to front, and the area of the photograph, bool [S,S].

    Values never change: every method returns another canvas.
    """

    image: UInt8[np.ndarray, "S S 3"]
    layers: tuple[Layer, ...]
    photograph: Bool[np.ndarray, "S S"]

    @property
    def side(self) -> int:
        """The side of the square in pixels."""
        return len(self.image)

    def with_image(self, image: np.ndarray) -> Composite:
        """The same objects over other pixels."""
        return Composite(image, self.layers, self.photograph)

    def pasted(
        self,
        colour: Float[np.ndarray, "S S 3"],
        alpha: Float[np.ndarray, "S S"],
        kind: Kind,
        visible: Float[np.ndarray, "S S"] | None = None,
    ) -> Composite:
        """The canvas with one more object in front, which hides the objects behind it.

        `alpha` (0..1) is the object's exact cover. `visible` is the share of its colour that shows, if that differs: a
        soft edge, or a faint object. Colours are 0..255.
        """
        shown = (alpha if visible is None else visible)[..., None]
        mixed = self.image * (1 - shown) + colour * shown
        behind = tuple(Layer((layer.cover * (1 - alpha)).astype(np.uint8), layer.kind) for layer in self.layers)
        front = Layer((alpha * 255).astype(np.uint8), kind)
        return Composite(np.clip(mixed, 0, 255).astype(np.uint8), (*behind, front), self.photograph)

    def padded(self) -> Composite:
        """The canvas with the mean colour outside the photograph and pasted objects."""
        empty = ~self.photograph
        for layer in self.layers:
            if layer.kind in ("cutout", "thin"):
                empty = empty & (layer.cover < _FAINT)
        if not empty.any():
            return self
        image = self.image.copy()
        image[empty] = _PADDING
        return self.with_image(image)

    def visible(self, fewest_pixels: int) -> Sequence[Layer]:
        """The objects with at least this many visible pixels."""
        return [layer for layer in self.layers if layer.area >= fewest_pixels]
