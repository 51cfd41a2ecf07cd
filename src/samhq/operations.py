"""How many multiplications and additions layers need. A multiply-add of a matrix product or convolution counts as two.

Avoidable work, such as work on window padding, is not counted. Knows nothing about tensors or models.
"""

from __future__ import annotations


def matrix(rows: int, inner: int, columns: int) -> int:
    """Operations of a matrix product.

    >>> matrix(2, 3, 4)
    48
    """
    return 2 * rows * inner * columns


def window_extents(grid: int, window: int) -> list[int]:
    """The number of real cells, without padding, along one side of each window when windows cover a grid.

    >>> window_extents(64, 14)
    [14, 14, 14, 14, 8]
    """
    return [min(window, grid - start) for start in range(0, grid, window)]


def biased_attention(grid: int, window: int, inner: int) -> int:
    """Operations of attention in windows (0: over the whole grid) with relative positions of rows and columns."""
    sides = window_extents(grid, window or grid)
    return sum(2 * matrix(h * w, inner, h * w) + matrix(h * w, inner, h + w) for h in sides for w in sides)


def bottleneck(size: int, smaller: int, dim: int, middle: int, out: int) -> int:
    """Operations of a 1x1, a depth-wise 3x3 and a 1x1 convolution; the second may shrink the map."""
    return matrix(size**2, dim, middle) + matrix(smaller**2, 9, middle) + matrix(smaller**2, middle, out)


def tiny_block(size: int, dim: int, window: int, mlp_ratio: int) -> int:
    """Operations of windowed attention, a depth-wise 3x3 convolution and an MLP."""
    cells, sides = size**2, window_extents(size, window)
    attention = sum(2 * matrix(h * w, dim, h * w) for h in sides for w in sides)
    linear = matrix(cells, dim, 4 * dim) + 2 * matrix(cells, dim, mlp_ratio * dim)
    return attention + linear + matrix(cells, 9, dim)


def hiera_block(grid: int, width: int, window: int, mlp_ratio: int, *, pooled: bool) -> int:
    """Operations of a block on a grid, in windows (0: over the whole grid).

    If it is `pooled`, the input has half the width, and a quarter of the cells is left after the projections.
    """
    cells, sides = grid**2, window_extents(grid, window or grid)
    dim, left = (width // 2, cells // 4) if pooled else (width, cells)
    attention = sum(2 * matrix(h * w, width, h * w) for h in sides for w in sides) // (4 if pooled else 1)
    linear = matrix(cells, dim, (4 if pooled else 3) * width) + matrix(left, width, width)
    return attention + linear + 2 * matrix(left, width, mlp_ratio * width)


def neck_convolutions(cells: int, dim: int, out: int) -> int:
    """Operations of the 1x1 and the 3x3 convolution that end an encoder.

    >>> neck_convolutions(1, 2, 3) == matrix(1, 2, 3) + matrix(1, 27, 3)
    True
    """
    return matrix(cells, dim, out) + matrix(cells, 9 * out, out)


def upscaling(cells: int, dim: int, middle: int, out: int) -> int:
    """Operations of two transposed convolutions of stride 2, which turn `cells` into sixteen times as many."""
    return matrix(cells, dim, 4 * middle) + matrix(4 * cells, middle, 4 * out)


def convolution(cells: int, kernel: int, dim: int, out: int) -> int:
    """Operations of a square convolution that gives `cells` pixels.

    >>> convolution(4, 3, 1, 2)
    144
    """
    return matrix(cells, kernel**2 * dim, out)
