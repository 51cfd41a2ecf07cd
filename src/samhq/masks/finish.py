"""How masks are cleaned before they are written: the options, and their application to one mask.

Imports NumPy only inside functions: flags of the command line grow from the options, and help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samhq.options import real_number, whole_number

if TYPE_CHECKING:
    import numpy as np

    from samhq.shapes import Bool, Float32, UInt8

_LARGEST_RADIUS = 4096  #: Largest radius of filters in pixels; larger ones take too much memory and time.


@dataclass(frozen=True)
class Finish:
    """How masks are cleaned before they are written; the defaults change nothing."""

    fill_holes: int = 0
    """Fill enclosed gaps of up to this many pixels."""

    drop_specks: int = 0
    """Remove separate parts of fewer than this many pixels. The largest part always stays."""

    smooth: float = 0.0
    """Round outlines with about this radius in pixels. This removes anything thinner."""

    soft_edge: int = 0
    """Width in pixels of the soft edge of a cut-out. Within it, transparency follows the edges of the picture."""

    def __post_init__(self) -> None:
        for name in ("fill_holes", "drop_specks"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 0))
        object.__setattr__(self, "smooth", real_number("smooth", self.smooth, 0, _LARGEST_RADIUS))
        object.__setattr__(self, "soft_edge", whole_number("soft_edge", self.soft_edge, 0, _LARGEST_RADIUS))

    @property
    def changes_masks(self) -> bool:
        """Whether `apply` changes anything; a soft edge alone does not change the mask."""
        return bool(self.fill_holes or self.drop_specks or self.smooth)

    def apply(self, mask: Any) -> Bool[np.ndarray, "H W"]:
        """The cleaned mask; it has no specks, and no gaps that should be filled.

        >>> import numpy as np
        >>> Finish(fill_holes=1).apply(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)).all()
        np.True_

        Raises:
            ImageError: not bool [H,W].
        """
        from samhq.masks import clean
        from samhq.masks.arrays import one_mask

        mask = one_mask(mask)
        # In this order no step undoes the work of the step before it.
        mask = clean.smooth(mask, self.smooth) if self.smooth else mask
        mask = clean.drop_specks(mask, self.drop_specks) if self.drop_specks else mask
        return clean.fill_holes(mask, self.fill_holes) if self.fill_holes else mask

    def alpha(self, image: UInt8[np.ndarray, "H W 3"], mask: Any) -> Float32[np.ndarray, "H W"]:
        """The opacity of each pixel of a cut-out, 0..1: the mask itself, or the mask with a soft edge.

        Raises:
            ImageError: the mask is not bool [H,W], or not of the picture's size.
        """
        from samhq.masks import clean
        from samhq.masks.arrays import one_mask

        if self.soft_edge:
            return clean.soft_edge(image, mask, self.soft_edge)
        opacity: Float32[np.ndarray, "H W"] = one_mask(mask).astype("float32")
        return opacity
