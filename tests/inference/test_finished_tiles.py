"""Finished tiles come back exactly, and only to the same run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samhq.inference.finished_tiles import FinishedTiles
from samhq.inference.seams import TileView
from samhq.masks.regions import Piece


def view(tile: int, seed: int) -> TileView:
    random = np.random.default_rng(seed)
    return TileView(
        Piece.of(random.random((7, 9)) > 0.4, 30, 50), tile, float(np.float32(random.random())), [[1.5, 2], 0.25]
    )


def test_views_come_back(tmp_path: Path) -> None:
    path, given = tmp_path / "deep" / "tiles.jsonl", [view(4, 0), view(4, 1)]
    FinishedTiles(path, "run").add(4, given)
    again = FinishedTiles(path, "run")
    again.add(5, [])
    assert (len(again), again.views(5)) == (1, None), "a run does not read what it has just written"
    found = again.views(4)
    assert found is not None
    for one, other in zip(found, given, strict=True):
        assert (one.tile, one.score, one.data) == (other.tile, other.score, other.data)
        assert one.piece.window == other.piece.window
        np.testing.assert_array_equal(one.piece.mask, other.piece.mask)
    assert len(FinishedTiles(path, "run")) == 2
    again.remove()
    assert not path.exists()


@pytest.mark.parametrize(("run", "resume"), [("another", True), ("run", False)])
def test_tiles_of_another_run_are_lost(tmp_path: Path, run: str, resume: bool) -> None:
    path = tmp_path / "tiles.jsonl"
    FinishedTiles(path, "run").add(0, [view(0, 0)])
    assert len(FinishedTiles(path, run, resume=resume)) == 0
    assert len(FinishedTiles(path, "run")) == 0, "they were deleted"


def test_a_picture_without_finished_tiles_leaves_no_file(tmp_path: Path) -> None:
    """As one that cannot be read."""
    assert len(FinishedTiles(tmp_path / "tiles.jsonl", "run")) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "tiles.jsonl"
    tiles = FinishedTiles(path, "run")
    tiles.add(0, [view(0, 0)])
    tiles.add(1, [view(1, 1)])
    path.write_bytes(path.read_bytes()[:-20])
    again = FinishedTiles(path, "run")
    assert (len(again), again.views(1)) == (1, None)
    again.add(1, [])
    assert len(FinishedTiles(path, "run")) == 2
    path.write_bytes(b"no JSON")
    assert len(FinishedTiles(path, "run")) == 0
