"""Positions of SAM 2's memory: sines of positions and times, and rotations of queries and keys.

All are computed in float32. Knows nothing about frames or objects.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), appendix D.1; Su et al., RoFormer (arXiv 2104.09864).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from samhq.model.layers import unrecorded


def frequencies(count: int, device: torch.device | str | None = None) -> Float[Tensor, " count"]:
    """The divisors of positions: pairs of equal numbers, growing from 1 towards 10,000.

    >>> frequencies(4).tolist()
    [1.0, 1.0, 100.0, 100.0]
    """
    pairs = torch.arange(count, dtype=torch.float32, device=device).div(2, rounding_mode="floor")
    return 10000 ** (2 * pairs / count)


def sine_grid(
    channels: int, height: int, width: int, device: torch.device | str | None = None
) -> Float[Tensor, "1 C h w"]:
    """Sines and cosines of a cell's row, then of its column, each counted from 1 and scaled to 2 pi."""
    rows, columns = (
        _interleaved(torch.arange(1, count + 1, device=device) / (count + 1e-6) * 2 * math.pi, channels // 2)
        for count in (height, width)
    )
    rows, columns = rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=-1).permute(2, 0, 1)[None]


def _interleaved(places: Float[Tensor, " L"], channels: int) -> Float[Tensor, "L c"]:
    angles = places[:, None] / frequencies(channels, places.device)
    return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=-1).flatten(1)


def sine_times(times: Float[Tensor, "*B"], channels: int) -> Float[Tensor, "*B C"]:
    """All sines, then all cosines, of numbers.

    >>> sine_times(torch.tensor([0.0]), 4).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    angles = times[..., None].float() / frequencies(channels // 2, times.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def rotation_table(
    channels: int, height: int, width: int, device: torch.device | str | None = None
) -> Float[Tensor, "L c 2"]:
    """Cosine and sine of the angle by which each of `channels // 2` pairs is rotated at each cell of a grid.

    The first half of the pairs rotates with the column, the second with the row.
    """
    speeds = 10000 ** (-torch.arange(0, channels, 4, dtype=torch.float32, device=device) / channels)
    cells = torch.arange(height * width, device=device)
    x, y = (cells % width).float(), cells.div(width, rounding_mode="floor").float()
    angles = torch.cat([x[:, None] * speeds, y[:, None] * speeds], dim=1)
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def rotated(x: Float[Tensor, "*B L C"], table: Float[Tensor, "L c 2"]) -> Float[Tensor, "*B L C"]:
    """Vectors with each pair of neighbouring channels rotated as the table says.

    >>> rotated(torch.tensor([[1.0, 0.0]]), torch.tensor([[[0.0, 1.0]]])).tolist()
    [[0.0, 1.0]]
    """
    pairs = x.float().view(*x.shape[:-1], -1, 2)
    if unrecorded(x):  # One pass, but exporters have no complex numbers.
        turned = torch.view_as_complex(pairs) * torch.view_as_complex(table)
        return torch.view_as_real(turned).flatten(-2).to(x.dtype)
    even, odd = pairs.unbind(-1)
    cos, sin = table.unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)
