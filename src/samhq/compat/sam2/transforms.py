"""SAM 2's `SAM2Transforms`: pictures, points and boxes to the model's square, and masks back to the picture.

Source: sam2/utils/transforms.py of facebookresearch/sam2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samhq.compat.sam2.refusals import RefusedPromptError
from samhq.image.frame import Frame
from samhq.image.read import read_image
from samhq.image.transform import SquareForm, to_pixels
from samhq.masks.holes import cleaned


class SAM2Transforms:
    """The map between pictures and squares of `resolution` pixels, for scripts that call the network's parts."""

    def __init__(
        self, resolution: int, mask_threshold: float, max_hole_area: float = 0.0, max_sprinkle_area: float = 0.0
    ) -> None:
        self.resolution, self.mask_threshold = resolution, mask_threshold
        self.max_hole_area, self.max_sprinkle_area = max_hole_area, max_sprinkle_area

    def __call__(self, x: Any) -> Float[Tensor, "3 S S"]:
        """The network's input for a picture."""
        return to_pixels(read_image(x), SquareForm(self.resolution, squashed=True))[0][0]

    def forward_batch(self, img_list: Sequence[Any]) -> Float[Tensor, "I 3 S S"]:
        """The network's input for pictures of any sizes."""
        return torch.stack([self(image) for image in img_list])

    def transform_coords(
        self, coords: Float[Tensor, "*B 2"], normalize: bool = False, orig_hw: tuple[int, int] | None = None
    ) -> Float[Tensor, "*B 2"]:
        """Positions (x, y) in model pixels: from pixels of a picture with `normalize`, else from shares 0..1.

        Raises:
            RefusedPromptError: `normalize` without the picture's size.
        """
        if not normalize:
            return coords.float() * self.resolution
        if orig_hw is None:
            raise RefusedPromptError(
                "Expected orig_hw, the picture's height and width, with normalize, got none. "
                "Pass orig_hw=(height, width)."
            )
        return Frame.fit(orig_hw, self.resolution, squash=True).points_to_model(coords)

    def transform_boxes(
        self, boxes: Float[Tensor, "*B 4"], normalize: bool = False, orig_hw: tuple[int, int] | None = None
    ) -> Float[Tensor, "B 2 2"]:
        """Boxes as two corners each in model pixels; as `transform_coords`."""
        return self.transform_coords(boxes.reshape(-1, 2, 2), normalize, orig_hw)

    def postprocess_masks(self, masks: Float[Tensor, "B K G G"], orig_hw: tuple[int, int]) -> Float[Tensor, "B K H W"]:
        """Logits at the picture's size; small holes and specks are removed if an area is given. Gradients flow."""
        height, width = orig_hw
        frame = Frame.fit((int(height), int(width)), self.resolution, squash=True)
        return frame.logits_to_image(self.cleaned(masks))

    def cleaned(self, logits: Float[Tensor, "B K G G"]) -> Float[Tensor, "B K G G"]:
        """Low-resolution logits without small holes and specks."""
        if self.max_hole_area <= 0 and self.max_sprinkle_area <= 0:
            return logits
        flat = logits.detach().float().flatten(0, 1).cpu().numpy()
        done = [
            cleaned(mask_logits, self.max_hole_area, self.max_sprinkle_area, self.mask_threshold)
            for mask_logits in flat
        ]
        return torch.from_numpy(np.stack(done)).view(logits.shape).to(logits.device)
