"""Which of a prompt's masks to keep: the one place for every difference between the libraries.

Works on predicted IoU alone, before any mask is painted; knows nothing about the network.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from samhq.config import Candidates, HQMode
from samhq.options import one_of
from samhq.types import Choice


def select(iou: Float[Tensor, "P M"], candidates: Candidates, hq: HQMode) -> Choice:
    """The masks to paint for each prompt, and their predicted IoU.

    * "single": mask 0, trained for clear prompts (several points, a box).
    * "best": the best of masks 1 to 3; the original SAM-HQ's `multimask_output=True`.
    * "all": masks 1 to 3 in the network's order; segment-anything's.
    * "sorted": masks 1 to 3, best first; transformers' order for SAM-HQ.

    The HQ mask is one a prompt: with `hq="only"` the choice is a single mask whatever was asked, scored by the
    best of the candidates. Scores always describe SAM's masks; the network predicts none for the HQ mask.

    >>> select(torch.tensor([[0.9, 0.2, 0.8, 0.5]]), "sorted", "off").masks.tolist()
    [[2, 3, 1]]

    Raises:
        ConfigError: other `candidates`, or another `hq`.
    """
    one_of("candidates", candidates, Candidates)
    one_of("hq", hq, HQMode)
    if candidates == "single" or iou.shape[1] == 1:
        masks = torch.zeros_like(iou[:, :1], dtype=torch.int64)
    else:
        masks = torch.arange(1, iou.shape[1], device=iou.device).expand(len(iou), -1)
        if candidates != "all" or hq == "only":
            order = iou[:, 1:].argsort(dim=1, descending=True, stable=True)
            masks = masks.gather(1, order)
        if candidates == "best" or hq == "only":
            masks = masks[:, :1]
    return Choice(masks, iou.gather(1, masks), hq)
