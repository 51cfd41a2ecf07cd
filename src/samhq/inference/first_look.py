"""What a first look at a whole picture knows of an object: its coarse mask, and the prompts it gives for a part.

Knows nothing of networks, files or formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from samhq.config import MASK_THRESHOLD, SURE_LOGIT
from samhq.image.boxes import boxes_from_masks
from samhq.image.frame import Frame
from samhq.image.windows import Window, whole
from samhq.inference.box_crops import NOWHERE, box_in_window, points_in_window
from samhq.results.prompt import Prompt

#: If the IoU with the first mask is up to this, a second look found something else, unless a box gives the object.
_AGREE = 0.5
_ROWS = 1024  #: Pixels of a window that are enlarged at a time.

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Coarse:
    """The first look's mask: logits [4g,4g], float32 on the CPU, in the frame of the whole picture."""

    logits: Float[Tensor, "G G"]
    frame: Frame

    @property
    def scale(self) -> float:
        """The number of pixels of the model's square for one pixel of the picture."""
        return max(self.frame.resized_hw) / max(self.frame.original_hw)

    def box(self) -> Window:
        """A box around the mask in the picture; without area for an empty mask."""
        rows, columns = (-(-n // 4) for n in self.frame.resized_hw)
        mask = (self.logits[:rows, :columns] > MASK_THRESHOLD).numpy()
        if not mask.any():
            return NOWHERE
        # After interpolation a mask ends before the middle of the next pixel.
        corners = 4 * (boxes_from_masks(mask) + np.array([-0.5, -0.5, 1.5, 1.5]))
        x0, y0, x1, y1 = self.frame.boxes_to_image(corners)
        box = Window(int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1)))
        return box.meet(whole(self.frame.original_hw))

    def sampled(self, corners: Corners, size_hw: tuple[int, int]) -> Float[Tensor, "h w"]:
        """The logits over a part (x0, y0, x1, y1) of the picture as `size_hw` pixels, bilinear."""
        x0, y0, x1, y1 = corners
        (height, width), (scale_x, scale_y) = size_hw, self.frame.scale_xy
        x = x0 + (torch.arange(width, dtype=torch.float64) + 0.5) * ((x1 - x0) / width)
        y = y0 + (torch.arange(height, dtype=torch.float64) + 0.5) * ((y1 - y0) / height)
        places = torch.meshgrid(
            2 * x * scale_x / self.frame.side - 1, 2 * y * scale_y / self.frame.side - 1, indexing="xy"
        )
        grid = torch.stack(places, dim=-1)[None].float()
        values = self.logits[None, None]
        return F.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]

    def mask(self, window: Window) -> Bool[np.ndarray, "h w"]:
        """The mask in a window, at the picture's full resolution."""
        mask = np.zeros(window.hw, bool)
        for top in range(0, len(mask), _ROWS):
            strip = mask[top : top + _ROWS]
            corners = (window.x0, window.y0 + top, window.x1, window.y0 + top + len(strip))
            strip[:] = (self.sampled(corners, strip.shape) > MASK_THRESHOLD).numpy()
        return mask

    def prompt(self, window: Window, frame: Frame) -> Float[np.ndarray, "G G"]:
        """The logits as a mask prompt for a window of the picture; padding is off the object."""
        side = frame.side // 4
        width, height = (4 * side / scale for scale in frame.scale_xy)
        logits = self.sampled((window.x0, window.y0, window.x0 + width, window.y0 + height), (side, side))
        rows, columns = (-(-n // 4) for n in frame.resized_hw)
        logits[rows:], logits[:, columns:] = -SURE_LOGIT, -SURE_LOGIT
        return np.asarray(logits.numpy())


@dataclass(frozen=True, eq=False)
class WindowView:
    """One window of a picture in which an object is segmented again.

    Without a first look (`coarse` is None) the prompt's box says what the object is.
    """

    window: Window
    prompt: Prompt
    coarse: Coarse | None = None
    whole_object: bool = True  #: Whether the window shows all of the object, not a tile of it.

    @cached_property
    def known(self) -> Bool[np.ndarray, "h w"] | None:
        """The first mask in the window."""
        return None if self.coarse is None else self.coarse.mask(self.window)

    @property
    def worth_a_look(self) -> bool:
        """Whether the window may show an outline: it does not if the first mask fills a tile or leaves it empty."""
        return self.known is None or bool(self.known.any() and (self.whole_object or not self.known.all()))

    def prompt_inside(self, frame: Frame, size_hw: tuple[int, int]) -> Prompt:
        """The prompt in the window's pixels, with what the first mask adds to it; `size_hw` is that of the picture.

        A box alone is enough: the first mask as a prompt would give its coarse outline again (IoU 0.63 without, 0.60
        with it, on 31 objects in drawn scenes, the starter, enlarged four times). Clicks come together with the mask;
        prompts with neither get the mask and its box.
        """
        if self.coarse is None or self.known is None:
            return box_in_window(self.prompt, self.window, size_hw)
        points, labels = points_in_window(self.prompt, self.window, size_hw)
        if labels is not None and labels.any():
            return Prompt(points, labels, mask=self.coarse.prompt(self.window, frame))
        doubt = 2 / self.coarse.scale  # Half a pixel of the first mask.
        box = boxes_from_masks(self.known) + np.array([-doubt, -doubt, 1 + doubt, 1 + doubt])
        return Prompt(points, labels, box.clip(0, [*self.window.hw[::-1]] * 2), self.coarse.prompt(self.window, frame))


def agree(mask: Bool[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a second mask of a window shows the same object as the first one."""
    return int((mask & known).sum()) > _AGREE * int((mask | known).sum())
