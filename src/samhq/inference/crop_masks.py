"""Masks of objects in crops of a picture, several crops in one pass of the network. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samhq.config import HQMode
from samhq.device import to_device
from samhq.image.frame import Frame
from samhq.inference.prompts import flatten, join
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt

#: Pixels of the crops that the encoder gets together: four at the starter's side. More gain nothing on a CPU.
_PIXELS_TOGETHER = 1 << 20
_GPU_PIXELS_TOGETHER = 1 << 22


def crops_together(model: Sam) -> int:
    """How many crops suit one pass of a model on its device."""
    most = _PIXELS_TOGETHER if model.device.type == "cpu" else _GPU_PIXELS_TOGETHER
    return max(1, most // model.config.side**2)


def masks_of_crops(
    model: Sam,
    inputs: Sequence[tuple[Float[Tensor, "1 3 S S"], Frame]],
    prompts: Sequence[Prompt],
    hq: HQMode | None,
) -> list[tuple[Bool[np.ndarray, "h w"], float]]:
    """The mask in each crop, at the crop's size, and its predicted IoU; all in one pass.

    `inputs` are the network's inputs of the crops with their frames, `prompts` one object in each, in its pixels.
    """
    if not inputs:
        return []
    pixels, frames = zip(*inputs, strict=True)
    flat = [flatten([prompt], frame, i) for i, (prompt, frame) in enumerate(zip(prompts, frames, strict=True))]
    embedding = model.encode(to_device(torch.cat(pixels), model.device))
    low = model.decode(embedding, join(flat), candidates="single", hq=model.hq_mode(hq))
    return [
        (frame.masks_to_image(low.logits[i : i + 1])[0, 0].cpu().numpy(), float(low.iou[i, 0]))
        for i, frame in enumerate(frames)
    ]
