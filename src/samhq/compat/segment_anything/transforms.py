"""Pictures, points and boxes in the model's square, with segment-anything's names.

Source: the interface of segment-anything, utils/transforms.py.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from samhq.image.frame import Frame
from samhq.image.transform import resize_longest, resize_longest_torch


class ResizeLongestSide:
    """Scales so that the longer side is `target_length` pixels; `original_size` is (height, width)."""

    def __init__(self, target_length: int) -> None:
        self.target_length = target_length

    def apply_image(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The resized picture, as the models were trained: antialiased, rounded to whole levels.

        Raises:
            ImageError: not uint8 [H,W,3], or empty.
        """
        return np.array(resize_longest(image, self.target_length))  # Writable, as torch.as_tensor needs it.

    def apply_coords(
        self, coords: Shaped[np.ndarray, "*B 2"], original_size: tuple[int, int]
    ) -> Float[np.ndarray, "*B 2"]:
        """Points (x, y) of the picture in model pixels, float32.

        >>> ResizeLongestSide(1024).apply_coords(np.array([[100, 250]]), (500, 200)).tolist()
        [[205.0, 512.0]]
        """
        return self._frame(original_size).points_to_model(coords)

    def apply_boxes(
        self, boxes: Shaped[np.ndarray, "*B 4"], original_size: tuple[int, int]
    ) -> Float[np.ndarray, "P 4"]:
        """Boxes (x0, y0, x1, y1) of the picture in model pixels, float32, one a row."""
        return self._frame(original_size).boxes_to_model(boxes.reshape(-1, 4))

    def apply_image_torch(self, image: Shaped[Tensor, "I 3 H W"]) -> Float[Tensor, "I 3 h w"]:
        """Resized pictures as floats on their device: close to `apply_image`, but not equal.

        Raises:
            ImageError: not four-dimensional, or empty.
        """
        return resize_longest_torch(image, self.target_length)

    def apply_coords_torch(
        self, coords: Shaped[Tensor, "*B 2"], original_size: tuple[int, int]
    ) -> Float[Tensor, "*B 2"]:
        """As `apply_coords`; integers become float32."""
        return self._frame(original_size).points_to_model(coords)

    def apply_boxes_torch(self, boxes: Shaped[Tensor, "*B 4"], original_size: tuple[int, int]) -> Float[Tensor, "P 4"]:
        """As `apply_boxes`; integers become float32."""
        return self._frame(original_size).boxes_to_model(boxes.reshape(-1, 4))

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Height and width after the resize, rounded half up.

        >>> ResizeLongestSide.get_preprocess_shape(600, 901, 1024)
        (682, 1024)
        """
        return Frame.fit((oldh, oldw), long_side_length).resized_hw

    def _frame(self, original_size: tuple[int, int]) -> Frame:
        height, width = original_size
        return Frame.fit((height, width), self.target_length)
