"""IoU and boundary IoU of boolean masks, in the definition SAM-HQ publishes.

Works on torch masks of any leading shape and knows nothing about models, prompts or files.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float
from torch import Tensor

from samhq.errors import ImageError

#: Width of the boundary band as a share of the picture's diagonal.
DILATION = 0.02


def iou(pred: Bool[Tensor, "*n H W"], true: Bool[Tensor, "*n H W"]) -> Float[Tensor, "*n"]:
    """Intersection over union, 0..1, of each pair of masks; 1 where both are empty.

    >>> a = torch.tensor([[True, True], [False, False]])
    >>> b = torch.tensor([[True, False], [False, False]])
    >>> iou(a, b).item()
    0.5

    Raises:
        ImageError: the masks differ in shape or are not boolean.
    """
    _check(pred, true)
    overlap = (pred & true).sum((-2, -1)).double()
    union = (pred | true).sum((-2, -1)).double()
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0).float()


def boundary_iou(
    pred: Bool[Tensor, "*n H W"], true: Bool[Tensor, "*n H W"], dilation: float = DILATION
) -> Float[Tensor, "*n"]:
    """IoU, 0..1, of the two masks' inner boundary bands; 1 where both masks are empty.

    The band is `band_width` pixels wide; the picture's border counts as boundary.

    >>> square = torch.zeros(20, 20, dtype=torch.bool)
    >>> square[5:15, 5:15] = True
    >>> round(boundary_iou(square, square.roll(1, 0)).item(), 3)
    0.333

    Raises:
        ImageError: the masks differ in shape or are not boolean.
    Source: SysCV/sam-hq train/utils/misc.py; Boundary IoU, arXiv 2103.16562.
    """
    _check(pred, true)
    return iou(boundary(pred, dilation), boundary(true, dilation))


def boundary(
    mask: Bool[Tensor, "*n H W"], dilation: float = DILATION, *, width: int | None = None
) -> Bool[Tensor, "*n H W"]:
    """The mask's own pixels that lie within `band_width` steps of a pixel outside it, or of the picture's border.

    `width` in pixels takes the place of the share, for a mask that was cut out of its picture.

    >>> boundary(torch.ones(9, 9, dtype=torch.bool)).sum().item()
    32
    """
    return mask & ~_erode(mask, width or band_width(mask.shape[-2], mask.shape[-1], dilation))


def band_width(height: int, width: int, dilation: float = DILATION) -> int:
    """Pixels across the boundary band: a share of the diagonal, at least one.

    >>> band_width(480, 640)
    16
    """
    return max(1, round(dilation * math.hypot(height, width)))


def _erode(mask: Bool[Tensor, "*n H W"], steps: int) -> Bool[Tensor, "*n H W"]:
    """Pixels whose whole square of radius `steps` is inside; outside the picture counts as empty."""
    # A 3x3 erosion repeated is one erosion by a square, and that is one by a row and one by a column.
    return _unbroken(_unbroken(mask, steps).mT, steps).mT


def _unbroken(mask: Bool[Tensor, "*n H W"], steps: int) -> Bool[Tensor, "*n H W"]:
    """Pixels with `steps` true ones on either side in their row: running sums cost the same for any width."""
    sums = functional.pad(mask.int(), (steps + 1, steps)).cumsum(-1, dtype=torch.int32)
    length = 2 * steps + 1
    return sums[..., length:] - sums[..., :-length] == length


def _check(pred: Tensor, true: Tensor) -> None:
    for name, mask in (("predicted", pred), ("true", true)):
        if mask.dtype != torch.bool:
            raise ImageError(f"Expected a boolean {name} mask, got {mask.dtype}; compare with a threshold first.")
    if pred.shape != true.shape:
        raise ImageError(
            f"Expected two masks of one shape, got {tuple(pred.shape)} and {tuple(true.shape)}; resize the first."
        )
