"""The one map between a user's picture and the model's square, for points, boxes and masks, both ways.

A picture is scaled so that its longer side fills the square, placed in the top-left corner, and padded right and below.
For SAM 2 each side is scaled separately, so that the picture fills the square. Knows nothing of pixels' colours, files
or networks.

Source: segment-anything, utils/transforms.py and modeling/sam.py; the same in SAM-HQ, MobileSAM, transformers. SAM 2:
sam2/utils/transforms.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from samhq.config import MASK_THRESHOLD, MOST_LOGIT, SURE_LOGIT
from samhq.errors import ImageError, PromptError
from samhq.image import resample
from samhq.image.read import as_array
from samhq.shapes import Bool, Float, Shaped

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK_PIXELS = 1 << 24  #: Number of floats of full-size logits in memory at once in `masks_to_image`: 64 MiB.


@dataclass(frozen=True)
class Frame:
    """A picture of `original_hw`, scaled to `resized_hw`, in the top-left corner of a square of `side`.

    A `squashed` picture fills the square, and its masks are resized to the picture in one step instead of two. All
    sizes are (height, width) in pixels. Coordinates are absolute (x, y); image coordinates belong to the original
    picture, model coordinates to the square. Types are kept: an array gives an array, a tensor gives a tensor on the
    same device.
    """

    original_hw: tuple[int, int]
    resized_hw: tuple[int, int]
    side: int
    squashed: bool = False

    @classmethod
    def fit(cls, original_hw: tuple[int, int], side: int, *, squash: bool = False) -> Frame:
        """The frame that scales the longer side, with `squash` both sides, of `original_hw` to `side` (half rounds up).

        >>> Frame.fit((600, 901), 1024).resized_hw
        (682, 1024)

        The shorter side is at least one pixel, so that a very thin picture still has content.

        Raises:
            ImageError: a side of the picture or of the square is not positive.
        """
        height, width = int(original_hw[0]), int(original_hw[1])
        if min(height, width, side) < 1:
            raise ImageError(
                f"Expected a picture and a square of at least one pixel a side, got {height} x {width} (height x "
                f"width) and {side}. Check that the picture is not an empty crop."
            )
        if squash:
            return cls((height, width), (side, side), side, True)
        scale = side * 1.0 / max(height, width)
        resized = max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
        return cls((height, width), resized, side)

    @property
    def scale_xy(self) -> tuple[float, float]:
        """The factors from the picture to the resized picture in x and y; rounding makes them differ a little."""
        return self.resized_hw[1] / self.original_hw[1], self.resized_hw[0] / self.original_hw[0]

    @property
    def steps_hw(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The steps of rows and of columns from low resolution to the picture: enlarged size, kept size, final size."""
        if self.squashed:
            height, width = self.original_hw
            return (height, height, height), (width, width, width)
        (height, width), (resized_h, resized_w) = self.original_hw, self.resized_hw
        return (self.side, resized_h, height), (self.side, resized_w, width)

    @overload
    def points_to_model(self, points_xy: np.ndarray) -> np.ndarray: ...
    @overload
    def points_to_model(self, points_xy: Tensor) -> Tensor: ...
    def points_to_model(self, points_xy: Any) -> Any:
        """Image points [..., 2] in model pixels, float32; neither clipped nor shifted by half a pixel.

        >>> Frame.fit((500, 200), 1024).points_to_model(np.array([[100, 250]])).tolist()
        [[205.0, 512.0]]
        """
        return _times(points_xy, self.scale_xy)

    @overload
    def points_to_image(self, points_xy: np.ndarray) -> np.ndarray: ...
    @overload
    def points_to_image(self, points_xy: Tensor) -> Tensor: ...
    def points_to_image(self, points_xy: Any) -> Any:
        """Model points [..., 2] in image pixels, float32: the inverse of `points_to_model`."""
        x, y = self.scale_xy
        return _times(points_xy, (1 / x, 1 / y))

    @overload
    def boxes_to_model(self, boxes_xyxy: np.ndarray) -> np.ndarray: ...
    @overload
    def boxes_to_model(self, boxes_xyxy: Tensor) -> Tensor: ...
    def boxes_to_model(self, boxes_xyxy: Any) -> Any:
        """Image boxes [..., 4] as (x0, y0, x1, y1) in model pixels, float32.

        >>> Frame.fit((500, 200), 1024).boxes_to_model(np.array([0, 0, 200, 500])).tolist()
        [0.0, 0.0, 410.0, 1024.0]
        """
        return _times(boxes_xyxy, self.scale_xy * 2)

    @overload
    def boxes_to_image(self, boxes_xyxy: np.ndarray) -> np.ndarray: ...
    @overload
    def boxes_to_image(self, boxes_xyxy: Tensor) -> Tensor: ...
    def boxes_to_image(self, boxes_xyxy: Any) -> Any:
        """Model boxes [..., 4] in image pixels, float32: the inverse of `boxes_to_model`."""
        x, y = self.scale_xy
        return _times(boxes_xyxy, (1 / x, 1 / y) * 2)

    @overload
    def logits_to_image(self, low_res_logits: np.ndarray) -> np.ndarray: ...
    @overload
    def logits_to_image(self, low_res_logits: Tensor) -> Tensor: ...
    def logits_to_image(self, low_res_logits: Float[Any, "P K G G"]) -> Float[Any, "P K H W"]:
        """Mask logits at the picture's own size, float32 (float64 tensors stay): enlarged to the square, cut, resized.

        Both resizes are bilinear without antialiasing, as in the original models, also when they shrink; the logits of
        a squashed picture are resized once. Takes [P,K,4g,4g]; `P` or `K` may be 0. Holds all masks at full size in
        memory. If you need masks, not logits, `masks_to_image` needs a quarter of the memory.
        """
        if isinstance(low_res_logits, np.ndarray):
            return resample.logits_to_picture(low_res_logits, *self._axes(low_res_logits.shape))
        return self._tensor_to_image(low_res_logits)

    @overload
    def masks_to_image(self, low_res_logits: np.ndarray, threshold: float = ...) -> np.ndarray: ...
    @overload
    def masks_to_image(self, low_res_logits: Tensor, threshold: float = ...) -> Tensor: ...
    def masks_to_image(
        self, low_res_logits: Float[Any, "P K G G"], threshold: float = MASK_THRESHOLD
    ) -> Bool[Any, "P K H W"]:
        """Masks at the picture's own size: true if the full-size logit is strictly above `threshold`.

        Gives the same pixels as `logits_to_image(...) > threshold`, except where rounding decides. On a CPU only the
        blocks at a mask's outline are interpolated; other devices hold the floats of a few masks at a time, 64 MiB or
        one mask's.
        """
        if isinstance(low_res_logits, np.ndarray):
            return resample.masks_to_picture(low_res_logits, *self._axes(low_res_logits.shape), threshold)
        import torch

        logits = low_res_logits.detach()
        if logits.device.type != "cpu":
            return self._masks_in_chunks(logits, threshold)
        values = logits.float().numpy()
        return torch.from_numpy(resample.masks_to_picture(values, *self._axes(values.shape), threshold))

    @overload
    def mask_to_prompt(self, mask: np.ndarray) -> np.ndarray: ...
    @overload
    def mask_to_prompt(self, mask: Tensor) -> Tensor: ...
    def mask_to_prompt(self, mask: Any) -> Float[Any, "1 G G"]:
        """A rough mask [H,W] of the picture as a mask prompt: logits [1,4g,4g], float32, 4g = side / 4.

        A bool mask becomes -10 outside and +10 inside, with values in between for low-resolution pixels that are partly
        inside. A float mask is taken as logits. The padding right and below gets -10. The mask may also be a coarser or
        finer drawing of the same picture: its size need not be the picture's.

        Raises:
            PromptError: not two-dimensional, empty, neither bool nor float, or with NaN or infinite values.
        """
        values = as_array(mask)
        _check_mask_prompt(values)
        logits = np.where(values, SURE_LOGIT, -SURE_LOGIT) if values.dtype == np.bool_ else values
        square = np.full((self.side, self.side), -SURE_LOGIT, np.float32)
        square[: self.resized_hw[0], : self.resized_hw[1]] = resample.shrunk(logits, self.resized_hw)
        grid = self.side // 4
        prompt = square.reshape(grid, 4, grid, 4).mean(axis=(1, 3))[None]
        if isinstance(mask, np.ndarray):
            return prompt
        import torch

        return torch.from_numpy(prompt).to(mask.device)

    def _axes(self, shape: tuple[int, ...]) -> tuple[resample.PictureAxis, resample.PictureAxis]:
        """The axes from low-resolution rows and columns, the last two of `shape`, to the picture's."""
        rows, columns = self.steps_hw
        return resample.PictureAxis.of(shape[-2], *rows), resample.PictureAxis.of(shape[-1], *columns)

    def _masks_in_chunks(self, low_res_logits: Tensor, threshold: float) -> Tensor:
        """As `masks_to_image`, by the device's own interpolation of a few masks at a time."""
        import torch

        flat, (height, width) = low_res_logits.flatten(0, 1), self.original_hw
        masks = torch.empty(len(flat), height, width, dtype=torch.bool, device=flat.device)
        step = max(1, _CHUNK_PIXELS // max(height * width, self.side * self.side))
        for start in range(0, len(flat), step):
            logits = self.logits_to_image(flat[start : start + step, None])
            torch.gt(logits[:, 0], threshold, out=masks[start : start + step])
        return masks.view(*low_res_logits.shape[:2], height, width)

    def _tensor_to_image(self, low_res_logits: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import interpolate

        logits = low_res_logits if low_res_logits.dtype == torch.float64 else low_res_logits.float()
        if not logits.numel():
            return logits.new_zeros(*logits.shape[:2], *self.original_hw)
        if self.squashed:
            return interpolate(logits, self.original_hw, mode="bilinear", align_corners=False)
        square = interpolate(logits, (self.side, self.side), mode="bilinear", align_corners=False)
        content = square[..., : self.resized_hw[0], : self.resized_hw[1]]
        if self.resized_hw == self.original_hw:
            return content.contiguous()
        return interpolate(content, self.original_hw, mode="bilinear", align_corners=False)


def resize_antialiased(images: Shaped[Any, "I C H W"], size_hw: tuple[int, int]) -> Shaped[Any, "I C h w"]:
    """Tensors of pictures at another size, by antialiased bilinear interpolation. The number type stays.

    >>> import torch
    >>> resize_antialiased(torch.tensor([[[[0.0], [1.0], [2.0]]]]), (1, 1)).item()
    1.0
    """
    from torch.nn.functional import interpolate

    # On a CPU torch 2.13 repeats one row over a result of width 1; transposed, the result is right.
    if size_hw[1] == 1:
        return interpolate(images.mT, size_hw[::-1], mode="bilinear", align_corners=False, antialias=True).mT
    return interpolate(images, size_hw, mode="bilinear", align_corners=False, antialias=True)


def _times(coordinates: Any, factors: tuple[float, ...]) -> Any:
    """Coordinates times factors as float32; arrays are multiplied in double precision, tensors in single, as in SAM."""
    if hasattr(coordinates, "new_tensor"):
        single = coordinates.float()
        return single * single.new_tensor(factors)
    return (np.asarray(coordinates, np.float64) * np.asarray(factors)).astype(np.float32)


def largest(values: np.ndarray) -> float:
    """The largest absolute value, without a copy of the numbers; NaN if one is NaN.

    >>> largest(np.array([1.0, -3.0]))
    3.0
    """
    return max(-float(values.min()), float(values.max()))


def _check_mask_prompt(mask: np.ndarray) -> None:
    if mask.ndim != 2 or not mask.size:
        raise PromptError(
            f"Expected a mask prompt of shape [height, width], got {list(mask.shape)}. Give one mask at a time, "
            "without batch or channel axes."
        )
    if mask.dtype.kind not in "bf":
        raise PromptError(
            f"Expected a mask prompt of bool values or of float logits, got {mask.dtype}. For a 0/255 mask pass "
            "`mask > 127`, for a label map `mask == label`."
        )
    if mask.dtype.kind == "f" and not largest(mask) <= MOST_LOGIT:
        raise PromptError(
            f"Expected finite logits of at most {MOST_LOGIT:.0e} in the mask prompt, got NaN, infinite or larger ones. "
            "Pass a bool mask, or replace them, for instance with numpy.nan_to_num."
        )
