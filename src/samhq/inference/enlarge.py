"""Low-resolution logits to masks at the picture's size, without full-size floats.

Enlarging is linear along each axis, so a block of the result is a product of three small matrices. It also only
averages, so a block whose logits are all far above or all far below the thresholds needs no product. Most blocks are
like that. Knows nothing of networks, prompts or files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from samhq.device import exactly
from samhq.image.crops import Crop
from samhq.image.frame import Frame
from samhq.masks.runs import changes_of_columns

_BLOCKS = 16  #: Side of a block: one block of SAM's masks depends on about 18 x 18 of its 256 x 256 logits.
_MARGIN = 1e-5  #: Rounding can move a product out of the range of its logits by this share of the largest.
_CACHE, _DEVICE = 1 << 20, 1 << 24  #: Pixels of one step: small enough for a CPU's cache, large enough for a GPU.
_TOGETHER = 1 << 26  #: Pixels of the masks that a GPU makes together: 64 MB as bools.


@dataclass(frozen=True)
class Axis:
    """One axis of a picture in blocks: the logits that each block depends on, and their weights for each of its pixels.

    `length` pixels in `count` blocks of `block` pixels; the last block is padded with pixels of weight 0.
    """

    length: int
    block: int
    taps: Int64[Tensor, "count t"]
    weights: Float[Tensor, "count block t"]

    @classmethod
    def of(cls, grid: int, side: int, resized: int, original: int, device: torch.device) -> Axis:
        """The axis along which `grid` logits become `original` pixels, in the steps of `Frame.steps_hw`."""
        # The weights are the result of bilinear interpolation of pictures with a single 1: those of PyTorch to the last
        # bit, so that the records of the original generators are met.
        weights = F.interpolate(torch.eye(grid)[None], side, mode="linear", align_corners=False)[..., :resized]
        if resized != original:
            weights = F.interpolate(weights, original, mode="linear", align_corners=False)
        block = -(-original // min(_BLOCKS, original))
        count = -(-original // block)
        blocks = F.pad(weights[0], (0, count * block - original)).T.reshape(count, block, grid)
        used = (blocks != 0).any(dim=1)
        first = used.int().argmax(dim=1)
        width = int((grid - used.flip(1).int().argmax(dim=1) - first).max())
        taps = first.clamp(max=grid - width)[:, None] + torch.arange(width)
        weights = blocks.gather(2, taps[:, None].expand(-1, block, -1)).contiguous()
        return cls(original, block, taps.to(device), weights.to(device))

    @property
    def sizes(self) -> Int64[Tensor, " count"]:
        """The number of the picture's pixels in each block."""
        count, device = len(self.taps), self.taps.device
        return (self.length - torch.arange(count, device=device) * self.block).clamp(max=self.block)


@dataclass(frozen=True)
class Enlarged:
    """One mask at full size, in blocks: how many pixels are above each level, and which pixels are on.

    `above` and `below` count pixels above threshold + offset and above threshold - offset. `full` [nx,ny] marks blocks
    that are entirely on. `mixed` [n,2] are the (x, y) of blocks that are partly on, with their pixels `bits` [n,bx,by],
    the picture's columns first.
    """

    above: int
    below: int
    full: Bool[np.ndarray, "nx ny"]
    mixed: Int64[np.ndarray, "n 2"]
    bits: Bool[np.ndarray, "n bx by"]
    size_hw: tuple[int, int]

    def changes(self, crop: Crop, height: int) -> Int64[np.ndarray, " R"]:
        """The mask's changes in a picture of `height` pixels, in which this mask lies at `crop`."""
        on = np.array(self.full.any(axis=1))
        on[self.mixed[:, 0]] = True
        columns = np.flatnonzero(on)
        if not len(columns):
            return np.zeros(0, np.int64)
        first, last = int(columns[0]), int(columns[-1]) + 1
        (wide, high), ny = self.bits.shape[1:], self.full.shape[1]
        pixels = np.zeros((last - first, wide, ny, high), np.bool_)
        x, y = self.full[first:last].nonzero()
        pixels[x, :, y] = True
        pixels[self.mixed[:, 0] - first, :, self.mixed[:, 1]] = self.bits
        stop = min(last * wide, self.size_hw[1]) - first * wide
        columns_on: np.ndarray = pixels.reshape(-1, ny * high)[:stop, : self.size_hw[0]]
        if self.size_hw[0] != height:
            columns_on = np.pad(columns_on, ((0, 0), (crop[1], height - crop[1] - self.size_hw[0])))
        return changes_of_columns(np.ascontiguousarray(columns_on), crop[0] + first * wide)


class Enlarger:
    """Makes full-size masks of logits [M,4g,4g] for pictures of one frame."""

    def __init__(self, frame: Frame, grid: int, device: torch.device) -> None:
        self.size_hw = frame.original_hw
        self.rows, self.columns = (Axis.of(grid, *steps, device) for steps in frame.steps_hw)
        self.areas = self.columns.sizes[:, None] * self.rows.sizes

    def masks(self, logits: Float[Tensor, "M G G"], threshold: float, offset: float) -> Iterator[Enlarged]:
        """The masks one after the other: on if a logit is above `threshold`."""
        logits = logits.float()
        low, high = self._range(logits, smallest=True), self._range(logits, smallest=False)
        slack = _MARGIN * torch.maximum(low.abs(), high.abs())
        full, empty = low - slack > threshold + offset, high + slack <= threshold - offset
        if logits.device.type != "cpu":
            together = max(1, _TOGETHER // (self.size_hw[0] * self.size_hw[1]))
            for start in range(0, len(logits), together):
                some = slice(start, start + together)
                yield from self._some_masks(logits[some], full[some], empty[some], threshold, offset)
            return
        for mask_logits, is_full, is_empty in zip(logits, full, empty, strict=True):
            yield self._mask(mask_logits, is_full, (~is_full & ~is_empty).nonzero(), threshold, offset)

    def _range(self, logits: Tensor, *, smallest: bool) -> Float[Tensor, "M nx ny"]:
        """The smallest, or the largest, of the logits that each block depends on."""
        extreme = torch.amin if smallest else torch.amax
        rows = extreme(logits[:, self.rows.taps], 2)
        return extreme(rows[..., self.columns.taps], 3).mT

    def _mask(self, logits: Tensor, full: Tensor, mixed: Tensor, threshold: float, offset: float) -> Enlarged:
        certain = int((self.areas * full).sum())
        levels = (threshold + offset, threshold - offset)
        counts = [certain, certain]
        bits = np.empty((len(mixed), self.columns.block, self.rows.block), np.bool_)
        step = max(1, _CACHE // max(1, bits[:1].size))
        for start in range(0, len(mixed), step):
            chosen = mixed[start : start + step]
            values = self._blocks(logits, chosen)
            beyond = values.numel() - int(self.areas[chosen[:, 0], chosen[:, 1]].sum())
            for i, level in enumerate(levels):
                # Padding pixels are 0.
                counts[i] += int(np.count_nonzero(_above(values, level))) - beyond * (level < 0)
            bits[start : start + step] = _above(values, threshold)
        return Enlarged(counts[0], counts[1], full.numpy(), mixed.numpy(), bits, self.size_hw)

    def _some_masks(
        self, logits: Tensor, full: Tensor, empty: Tensor, threshold: float, offset: float
    ) -> Iterator[Enlarged]:
        """As `_mask`, for several masks at once: the program waits for a GPU at each number that it reads."""
        mixed, levels = (~full & ~empty).nonzero(), (threshold + offset, threshold - offset)
        counts = (self.areas * full).sum((1, 2))[:, None].repeat(1, len(levels))
        size = self.columns.block * self.rows.block
        bits = [np.empty((0, self.columns.block, self.rows.block), np.bool_)]
        for chosen in torch.split(mixed, max(1, _DEVICE // size)):
            owner, values = chosen[:, 0], self._blocks(logits, chosen[:, 1:], chosen[:, 0])
            beyond = size - self.areas[chosen[:, 1], chosen[:, 2]]
            # Padding pixels are 0.
            above = [(values > level).sum((1, 2)) - beyond * (level < 0) for level in levels]
            counts.index_add_(0, owner, torch.stack(above, 1))
            bits.append(_above(values, threshold))
        every, places, whole = np.concatenate(bits), mixed.cpu().numpy(), full.cpu().numpy()
        ends = np.searchsorted(places[:, 0], np.arange(len(logits) + 1))
        for number, (above_count, below_count) in enumerate(counts.tolist()):
            own = slice(ends[number], ends[number + 1])
            yield Enlarged(above_count, below_count, whole[number], places[own, 1:], every[own], self.size_hw)

    def _blocks(
        self, logits: Tensor, chosen: Int64[Tensor, "n 2"], owner: Int64[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n bx by"]:
        """Full-size logits of some blocks of a mask, or of their `owner` among several; the picture's columns first."""
        x, y = chosen[:, 0], chosen[:, 1]
        rows, columns = self.rows.taps[y][:, None], self.columns.taps[x][:, :, None]
        patches = logits[rows, columns] if owner is None else logits[owner[:, None, None], rows, columns]
        with exactly(logits.device):
            return self.columns.weights[x] @ patches @ self.rows.weights[y].mT


def _above(values: Tensor, level: float) -> np.ndarray:
    """Whether values are above a level. NumPy compares floats five times as fast as torch on a CPU."""
    return np.asarray(values.numpy() > level if values.device.type == "cpu" else (values > level).cpu().numpy())
