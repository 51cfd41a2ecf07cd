"""IoU and boundary IoU of boolean masks, in the definition SAM-HQ publishes.

Works on masks of any leading shape, tensors or NumPy arrays, and knows nothing about models, prompts or files.
"""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Bool
from torch import Tensor

from samhq.errors import ImageError
from samhq.image.read import as_array, describe

#: Width of the boundary band as a share of the picture's diagonal.
DILATION = 0.02


@overload
def iou(pred: np.ndarray, true: np.ndarray) -> np.ndarray: ...
@overload
def iou(pred: Tensor, true: Any) -> Tensor: ...
@overload
def iou(pred: Any, true: Tensor) -> Tensor: ...
def iou(pred: Any, true: Any) -> Any:
    """Intersection over union, 0..1, of each pair of bool masks [*n,H,W]; 1 where both are empty.

    Takes tensors or arrays; the result is a tensor, or an array of the same shape [*n] if both masks are arrays.

    >>> a = torch.tensor([[True, True], [False, False]])
    >>> b = torch.tensor([[True, False], [False, False]])
    >>> iou(a, b).item()
    0.5

    Raises:
        ImageError: the masks differ in shape or are not boolean.
    """
    if isinstance(pred, np.ndarray) and isinstance(true, np.ndarray):
        return iou(_tensor(pred, "predicted"), _tensor(true, "true")).numpy()
    pred, true = _pair(pred, true)
    overlap = (pred & true).sum((-2, -1)).double()
    union = (pred | true).sum((-2, -1)).double()
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0).float()


@overload
def boundary_iou(pred: np.ndarray, true: np.ndarray, dilation: float = ...) -> np.ndarray: ...
@overload
def boundary_iou(pred: Tensor, true: Any, dilation: float = ...) -> Tensor: ...
@overload
def boundary_iou(pred: Any, true: Tensor, dilation: float = ...) -> Tensor: ...
def boundary_iou(pred: Any, true: Any, dilation: float = DILATION) -> Any:
    """IoU, 0..1, of the two masks' inner boundary bands; 1 where both masks are empty.

    Takes and returns what `iou` does. The band is `band_width` pixels wide; the picture's border counts as boundary.

    >>> square = torch.zeros(20, 20, dtype=torch.bool)
    >>> square[5:15, 5:15] = True
    >>> round(boundary_iou(square, square.roll(1, 0)).item(), 3)
    0.333

    Raises:
        ImageError: the masks differ in shape or are not boolean.
    Source: SysCV/sam-hq train/utils/misc.py; Boundary IoU, arXiv 2103.16562.
    """
    if isinstance(pred, np.ndarray) and isinstance(true, np.ndarray):
        return boundary_iou(_tensor(pred, "predicted"), _tensor(true, "true"), dilation).numpy()
    pred, true = _pair(pred, true)
    return iou(boundary(pred, dilation), boundary(true, dilation))


@overload
def boundary(mask: np.ndarray, dilation: float = ..., *, width: int | None = ...) -> np.ndarray: ...
@overload
def boundary(mask: Tensor, dilation: float = ..., *, width: int | None = ...) -> Tensor: ...
def boundary(mask: Any, dilation: float = DILATION, *, width: int | None = None) -> Any:
    """The mask's own pixels that lie within `band_width` steps of a pixel outside it, or of the picture's border.

    Takes bool masks [*n,H,W] as a tensor or an array and returns the same. `width` in pixels takes the place of the
    share, for a mask that was cut out of its picture.

    >>> boundary(torch.ones(9, 9, dtype=torch.bool)).sum().item()
    32

    Raises:
        ImageError: not bool.
    """
    if isinstance(mask, np.ndarray):
        return boundary(_tensor(mask, "given"), dilation, width=width).numpy()
    mask = _tensor(mask, "given")
    return mask & ~_erode(mask, width or band_width(mask.shape[-2], mask.shape[-1], dilation))


def band_width(height: int, width: int, dilation: float = DILATION) -> int:
    """Pixels across the boundary band: a share of the diagonal, at least one.

    >>> band_width(480, 640)
    16
    """
    return max(1, round(dilation * math.hypot(height, width)))


def _erode(mask: Bool[Tensor, "*n H W"], steps: int) -> Bool[Tensor, "*n H W"]:
    """Pixels whose whole square of radius `steps` is inside; outside the picture counts as empty."""
    # Repeated 3x3 erosions equal one erosion by a square, which equals one by a row and one by a column.
    return _unbroken(_unbroken(mask, steps).mT, steps).mT


def _unbroken(mask: Bool[Tensor, "*n H W"], steps: int) -> Bool[Tensor, "*n H W"]:
    """Pixels with `steps` true pixels on either side in their row. Running sums cost the same for any width."""
    sums = functional.pad(mask.int(), (steps + 1, steps)).cumsum(-1, dtype=torch.int32)
    length = 2 * steps + 1
    return sums[..., length:] - sums[..., :-length] == length


def _pair(pred: Any, true: Any) -> tuple[Tensor, Tensor]:
    """Both masks as bool tensors on one device.

    Raises:
        ImageError: the masks differ in shape or are not boolean.
    """
    first, second = _tensor(pred, "predicted"), _tensor(true, "true")
    if first.shape != second.shape:
        raise ImageError(
            f"Expected two masks of one shape, got {tuple(first.shape)} and {tuple(second.shape)}. Resize the first."
        )
    return first, second if isinstance(true, Tensor) else second.to(first.device)


def _tensor(mask: Any, name: str) -> Tensor:
    """A tensor as it is, anything else by way of an array.

    Raises:
        ImageError: not boolean, or without height and width.
    """
    tensor = mask if isinstance(mask, Tensor) else torch.from_numpy(np.ascontiguousarray(as_array(mask)))
    if tensor.dtype != torch.bool or tensor.ndim < 2:
        raise ImageError(
            f"Expected a bool {name} mask [..., H, W], got {describe(mask)}. Compare with a threshold first."
        )
    return tensor
