from __future__ import annotations

import math

import pytest
import torch

from samhq.model.sam2.positions import frequencies, rotated, rotation_table, sine_grid, sine_times


def test_grid_positions_are_the_published_formula() -> None:
    channels, height, width = 8, 3, 5
    grid = sine_grid(channels, height, width)[0]
    assert grid.shape == (channels, height, width)
    for c in range(channels):
        half, j = divmod(c, channels // 2)
        for y in range(height):
            for x in range(width):
                place = (x + 1) / (width + 1e-6) if half else (y + 1) / (height + 1e-6)
                angle = place * 2 * math.pi / 10000 ** (2 * (j // 2) / (channels // 2))
                expected = math.cos(angle) if j % 2 else math.sin(angle)
                assert grid[c, y, x].item() == pytest.approx(expected, abs=1e-5)


def test_times_are_all_sines_then_all_cosines() -> None:
    times = torch.tensor([-0.4, 2.0])
    angles = times[:, None] / frequencies(4)
    assert torch.equal(sine_times(times, 8), torch.cat([angles.sin(), angles.cos()], 1))


def test_rotations_keep_lengths_and_only_differences_of_places_count() -> None:
    table = rotation_table(16, 4, 6)
    source = torch.Generator().manual_seed(0)
    q, k = torch.randn(16, generator=source), torch.randn(16, generator=source)
    placed_q, placed_k = rotated(q.expand(24, -1), table), rotated(k.expand(24, -1), table)
    torch.testing.assert_close(placed_q.norm(dim=1), q.norm().expand(24))
    products = (placed_q @ placed_k.T).view(4, 6, 4, 6)
    torch.testing.assert_close(products[1, 2, 0, 0], products[3, 5, 2, 3])
    assert (products[1, 2, 0, 0] - products[1, 2, 0, 1]).abs() > 1e-3


def test_the_first_half_of_pairs_turns_with_the_column_the_second_with_the_row() -> None:
    table = rotation_table(8, 2, 3)
    angles = torch.atan2(table[..., 1], table[..., 0])
    speeds = torch.tensor([1.0, 10000 ** (-4 / 8)])
    for cell in range(6):
        row, column = divmod(cell, 3)
        torch.testing.assert_close(angles[cell], torch.cat([column * speeds, row * speeds]))
