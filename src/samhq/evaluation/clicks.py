"""A simulated annotator: each click goes into the middle of the largest error, together with the last mask.

A click lies where a pixel is farthest from the border of its error. Missing and false parts are separate errors, and
the picture's border counts as a border. No position is clicked twice. The number of clicks until an IoU is reached is
NoC. Knows masks and a function that segments prompts; nothing of files.

Source: Xu et al., arXiv 1603.04042 (clicks in the centre of the largest error); Sofiiuk et al., arXiv 2102.06583.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samhq.config import Candidates, ClickMask
from samhq.evaluation.prompt_kinds import ragged
from samhq.types import BACKGROUND, FOREGROUND, Prompts

MOST = 20  #: Largest number of clicks for an object.
TARGETS = (0.85, 0.90)  #: Target IoUs for the number of clicks.
Click = tuple[int, int, int]  #: x and y in pixels of the mask, and the label.

#: A function from prompts in model pixels to low-resolution logits and to masks at the picture's own size.
Segment = Callable[[Prompts, Candidates], tuple[Float[Tensor, "P 1 G G"], Bool[np.ndarray, "P H W"]]]


def noc(ious: Sequence[float], target: float, limit: int = MOST) -> int:
    """The number of clicks until the IoU reaches the target; `limit` if it never does.

    >>> noc([0.5, 0.86, 0.8, 0.9], 0.85), noc([0.5, 0.6], 0.85)
    (2, 20)
    """
    return next((number for number, value in enumerate(ious, 1) if value >= target), limit)


def reached(ious: Sequence[float], target: float) -> bool:
    """Whether the IoU ever reaches the target.

    >>> reached([0.5, 0.9], 0.85)
    True
    """
    return max(ious, default=0.0) >= target


def next_click(
    pred: Bool[np.ndarray, "H W"], true: Bool[np.ndarray, "H W"], earlier: Sequence[tuple[int, int]] = ()
) -> Click | None:
    """The next click (x, y, label), where no `earlier` click is; None if every error has been clicked.

    >>> true = np.zeros((7, 9), bool)
    >>> true[1:6, 2:7] = True
    >>> next_click(true & False, true)
    (4, 3, 1)
    """
    missed, false = true & ~pred, pred & ~true
    for x, y in earlier:
        missed[y, x] = false[y, x] = False
    inside, outside = _middle(missed), _middle(false)
    if max(inside[0], outside[0]) == 0:
        return None
    # If both are equally deep, the missing part comes first: an object must be found before it can be trimmed.
    _, x, y = inside if inside[0] >= outside[0] else outside
    return x, y, FOREGROUND if inside[0] >= outside[0] else BACKGROUND


def _middle(error: Bool[np.ndarray, "H W"]) -> tuple[float, int, int]:
    """The largest distance of an error pixel from the border of its error, and its x and y; 0 if there is no error."""
    from scipy.ndimage import distance_transform_edt

    if not error.any():
        return 0.0, 0, 0
    rows, columns = np.flatnonzero(error.any(1)), np.flatnonzero(error.any(0))
    top, left = int(rows[0]), int(columns[0])
    part = error[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    depth = distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(depth[y, x]), left + int(x), top + int(y)


def click_through(
    segment: Segment,
    true: Bool[np.ndarray, "P H W"],
    scale_xy: tuple[float, float],
    count: int = MOST,
    first: ClickMask = "best",
) -> tuple[list[list[float]], Bool[np.ndarray, "P H W"]]:
    """Each object's IoU after every click, and its last mask.

    `first` says which of SAM's masks answers the first click: the best of three by predicted IoU, or the single one.
    Later clicks use the single mask, with the last logits as mask prompt. An object without errors left keeps its mask,
    and its IoU for the remaining clicks.
    """
    ious: list[list[float]] = [[] for _ in true]
    clicks: list[list[Click]] = [[] for _ in true]
    masks, logits = np.zeros_like(true), None
    for number in range(count):
        active = []
        for row, earlier in enumerate(clicks):
            click = next_click(masks[row], true[row], [(x, y) for x, y, _ in earlier])
            if click is not None:
                earlier.append(click)
                active.append(row)
        if active:
            prompts = _prompts([clicks[row] for row in active], None if logits is None else logits[active], scale_xy)
            low, masks[active] = segment(prompts, first if number == 0 else "single")
            # At the first click all objects are active, because an empty mask is wrong for every object.
            logits = low if logits is None else logits.index_copy(0, torch.tensor(active, device=low.device), low)
        for row, (mask, truth) in enumerate(zip(masks, true, strict=True)):
            ious[row].append(_iou(mask, truth))
    return ious, masks


def _prompts(
    clicks: list[list[Click]], logits: Float[Tensor, "P 1 G G"] | None, scale_xy: tuple[float, float]
) -> Prompts:
    rows = []
    for of_object in clicks:
        points_xy = np.array([(x, y) for x, y, _ in of_object]) * np.array(scale_xy)
        rows.append((points_xy, [label for _, _, label in of_object]))
    points, labels = ragged(rows)
    return Prompts(torch.zeros(len(rows), dtype=torch.int64), points, labels, masks=logits)


def _iou(pred: np.ndarray, true: np.ndarray) -> float:
    return float((pred & true).sum() / max(1, (pred | true).sum()))
