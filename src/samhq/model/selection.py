"""Which of a prompt's masks to keep: the one place for every difference between the libraries.

Uses only predicted IoU, before any mask is computed; knows nothing about the network.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from samhq.config import Candidates, HQMode
from samhq.options import one_of
from samhq.types import Choice


def select(iou: Float[Tensor, "P M"], candidates: Candidates, hq: HQMode) -> Choice:
    """The masks to compute for each prompt, and their predicted IoU.

    * "single": mask 0, trained for clear prompts (several points, a box).
    * "best": the best of masks 1 to 3; the original SAM-HQ's `multimask_output=True`.
    * "all": masks 1 to 3 in the network's order, as in segment-anything.
    * "sorted": masks 1 to 3, best first; transformers' order for SAM-HQ.

    There is one HQ mask for each prompt. So with `hq="only"` the choice is always a single mask, with the best score of
    the candidates. Scores always belong to SAM's masks; the network predicts none for the HQ mask.

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
