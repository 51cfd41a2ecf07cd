from __future__ import annotations

from samhq import operations


def test_padding_is_not_counted() -> None:
    """Every pair of real cells in one window: two products of `inner` channels; a row and a column term each."""
    grid, window, inner = 7, 3, 32
    cells = [(y, x) for y in range(grid) for x in range(grid)]
    near = [[(v, u) for v, u in cells if (v // window, u // window) == (y // window, x // window)] for y, x in cells]
    each = [2 * len(seen) + len({v for v, _ in seen}) + len({u for _, u in seen}) for seen in near]
    assert operations.biased_attention(grid, window, inner) == 2 * inner * sum(each)
