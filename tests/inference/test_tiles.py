"""Instances of a mosaic are the truth wherever the tiles lie, for a perfect look at each tile and for a bad border."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from samhq.errors import ConfigError, ImageError
from samhq.image.picture_source import ArraySource
from samhq.image.windows import Window, tile_grid
from samhq.inference.finished_tiles import FinishedTiles
from samhq.inference.seams import Instance
from samhq.inference.tiles import segment_tiles

Found = Iterator[tuple[np.ndarray, float, Any]]


def painted(*layers: np.ndarray) -> ArraySource:
    """A picture whose channels carry up to three layers of labels 0..255; 0 is nothing."""
    channels = [*layers, *[np.zeros_like(layers[0])] * (3 - len(layers))]
    return ArraySource(np.stack(channels, axis=-1).astype(np.uint8))


def by_label(pixels: np.ndarray) -> Found:
    """Every label's pixels in the window as one mask, though the window may cut it into several areas."""
    for layer in np.moveaxis(pixels, -1, 0):
        for label in np.unique(layer[layer > 0]):
            yield layer == label, 1.0, int(label)


def by_area(pixels: np.ndarray) -> Found:
    """Every connected area as a mask of its own: what the window cuts in two is two masks."""
    for mask, score, about in by_label(pixels):
        areas, count = ndimage.label(mask)
        for number in range(1, count + 1):
            yield areas == number, score, about


def found(instances: list[Instance]) -> dict[tuple[int, int, int, int], list[bytes]]:
    """Instances by window, in a form that can be compared."""
    result: dict[tuple[int, int, int, int], list[bytes]] = {}
    for instance in instances:
        w = instance.piece.window
        result.setdefault((w.x0, w.y0, w.x1, w.y1), []).append(instance.piece.mask.tobytes())
    return {window: sorted(masks) for window, masks in result.items()}


def truth(source: ArraySource, masks_of: Callable[[np.ndarray], Found]) -> dict[Any, list[bytes]]:
    """What one look at the whole picture finds."""
    height, width = source.size_hw
    return found(segment_tiles(source, masks_of, tile=max(height, width), overlap=0))


def cells(seed: int, size_hw: tuple[int, int] = (110, 140), count: int = 25) -> np.ndarray:
    """A mosaic of cells of all sizes around random places, without gaps."""
    random = np.random.default_rng(seed)
    places = random.uniform(0, 1, (count, 2)) ** 1.5 * size_hw
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    distances = (rows[..., None] - places[:, 0]) ** 2 + (columns[..., None] - places[:, 1]) ** 2
    return np.asarray(distances.argmin(axis=-1) + 1)


def squiggles(seed: int, size_hw: tuple[int, int] = (110, 140)) -> np.ndarray:
    """Areas of every shape, with arms, holes and islands in holes."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=size_hw), 4)
    return np.asarray(noise > 0)


grids = {
    "start_xy": st.tuples(st.integers(0, 200), st.integers(0, 200)),
    "tile": st.integers(50, 80),
    "overlap": st.integers(16, 24),
}
quick = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(seed=st.integers(0, 999), **grids)
def test_a_mosaic_is_found_wherever_the_tiles_lie(
    seed: int, start_xy: tuple[int, int], tile: int, overlap: int
) -> None:
    source = painted(cells(seed))
    instances = segment_tiles(source, by_label, tile=tile, overlap=overlap, start_xy=start_xy)
    assert found(instances) == truth(source, by_label)
    assert not any(instance.cut for instance in instances)


@quick
@given(seed=st.integers(0, 999), **grids)
def test_what_tiles_cut_into_many_areas_is_one_instance(
    seed: int, start_xy: tuple[int, int], tile: int, overlap: int
) -> None:
    source = painted(squiggles(seed))
    instances = segment_tiles(source, by_area, tile=tile, overlap=overlap, start_xy=start_xy)
    assert found(instances) == truth(source, by_area)


@quick
@given(seed=st.integers(0, 999), **grids)
def test_parts_stay_apart_from_their_wholes(seed: int, start_xy: tuple[int, int], tile: int, overlap: int) -> None:
    wholes = cells(seed, count=6)
    columns = np.arange(wholes.shape[1]) // 9
    parts = np.where(columns % 3 == 0, wholes + 10 * (1 + columns % 7), 0)
    connected = np.zeros_like(parts)
    for label in np.unique(parts[parts > 0]):
        areas, count = ndimage.label(parts == label)
        for number in range(1, count + 1):
            if 30 < (areas == number).sum() < 0.5 * (wholes == wholes[areas == number][0]).sum():
                connected[areas == number] = connected.max() + 1
    source = painted(wholes, connected)
    instances = segment_tiles(source, by_label, tile=tile, overlap=overlap, start_xy=start_xy)
    assert found(instances) == truth(source, by_label)


def careless(margin: int, seed: int) -> Callable[[np.ndarray], Found]:
    """A look that is right but for `margin` pixels at the tile's inner borders: there masks swell or are missing.

    The picture's own border, of which nothing is unseen, is drawn into the third channel.
    """
    random = np.random.default_rng(seed)

    def masks_of(pixels: np.ndarray) -> Found:
        frame = pixels[..., 2]
        top, bottom = (0 if frame[row].all() else margin for row in (0, -1))
        left, right = (0 if frame[:, column].all() else margin for column in (0, -1))
        sure = np.zeros(frame.shape, bool)
        sure[top : frame.shape[0] - bottom, left : frame.shape[1] - right] = True
        for mask, score, about in by_label(pixels * np.array([1, 1, 0], np.uint8)):
            wrong = ndimage.binary_dilation(mask, iterations=3) if random.random() < 0.5 else np.zeros_like(mask)
            yield np.where(sure, mask, wrong), score, about

    return masks_of


@quick
@given(seed=st.integers(0, 999), **grids)
def test_a_bad_look_at_tiles_borders_does_not_show(
    seed: int, start_xy: tuple[int, int], tile: int, overlap: int
) -> None:
    labels = cells(seed)
    border = np.ones_like(labels)
    border[1:-1, 1:-1] = 0
    source = painted(labels, np.zeros_like(labels), border)
    masks_of = careless(overlap // 4, seed)
    instances = segment_tiles(source, masks_of, tile=tile, overlap=overlap, start_xy=start_xy)
    assert found(instances) == truth(painted(labels), by_label)


def test_a_horseshoe_is_one_object() -> None:
    """Its arms are two masks in every tile but the lowest."""
    shoe = np.zeros((200, 60), int)
    shoe[5:195, 5:15] = shoe[60:195, 40:45] = shoe[185:195, 5:45] = 1
    [instance] = segment_tiles(painted(shoe), by_area, tile=60, overlap=20)
    assert instance.piece.window == Window(5, 5, 45, 195)
    assert instance.piece.area == shoe.sum()
    assert len(instance.views) > 4


def only_in(tiles: set[tuple[int, int]], masks_of: Callable[[np.ndarray], Found]) -> Callable[[np.ndarray], Found]:
    """A look that finds something in the tiles beginning at these places (x, y) alone: the picture says where it is."""

    def look(pixels: np.ndarray) -> Found:
        if (int(pixels[0, 0, 1]), int(pixels[0, 0, 2])) in tiles:
            yield from masks_of(pixels * np.array([1, 0, 0], np.uint8))

    return look


def placed(labels: np.ndarray) -> ArraySource:
    rows, columns = np.indices(labels.shape)
    return painted(labels, columns, rows)


def test_an_object_that_the_nearest_tile_missed_is_kept_from_another() -> None:
    labels = np.zeros((60, 100), int)
    labels[20:30, 50:54] = 7  # in the core of the second tile, whole in what is kept of the first
    instances = segment_tiles(placed(labels), only_in({(0, 0)}, by_label), tile=60, overlap=20)
    assert [(i.piece.area, i.owned, i.cut) for i in instances] == [(40, False, False)]


def test_an_object_cut_off_where_the_nearest_tile_saw_nothing_is_dropped() -> None:
    labels = np.zeros((60, 100), int)
    labels[20:30, 52:70] = 7
    assert segment_tiles(placed(labels), only_in({(0, 0)}, by_label), tile=60, overlap=20) == []


def test_an_object_that_is_cut_and_not_continued_says_so() -> None:
    labels = np.zeros((60, 100), int)
    labels[20:30, 10:90] = 7
    [instance] = segment_tiles(placed(labels), only_in({(0, 0)}, by_label), tile=60, overlap=20)
    assert instance.cut
    assert instance.piece.window == Window(10, 20, 55, 30)


def test_a_cut_off_piece_of_another_instance_is_dropped() -> None:
    """The second tile takes the object for two; the right half, joined with nothing, is part of the whole there."""
    labels = np.zeros((60, 100), int)
    labels[10:50, 10:90] = 1

    def masks_of(pixels: np.ndarray) -> Found:
        yield from by_label(pixels * np.array([1, 0, 0], np.uint8))
        if pixels[0, 0, 1]:
            piece = pixels[..., 0] > 0
            piece[:30] = False
            yield piece, 0.5, None

    [instance] = segment_tiles(placed(labels), masks_of, tile=60, overlap=20)
    assert instance.piece.window == Window(10, 10, 90, 50)


def test_the_surer_of_two_masks_of_one_object_stays() -> None:
    labels = np.zeros((60, 100), int)
    labels[10:50, 10:40] = 1

    def masks_of(pixels: np.ndarray) -> Found:
        for mask, _, about in by_label(pixels):
            yield mask, 0.8, about
            yield ndimage.binary_erosion(mask), 0.9, about

    [instance] = segment_tiles(painted(labels), masks_of, tile=60, overlap=20)
    assert instance.score == pytest.approx(0.9)
    assert instance.piece.window == Window(11, 11, 39, 49)


def test_scores_are_weighted_by_what_each_tile_contributed() -> None:
    labels = np.zeros((60, 100), int)
    labels[10:20, 20:60] = 1  # 30 columns in the first core, 10 in the second

    def masks_of(pixels: np.ndarray) -> Found:
        for mask, _, about in by_label(pixels * np.array([1, 0, 0], np.uint8)):
            yield mask, 0.5 if pixels[0, 0, 1] else 0.9, about

    [instance] = segment_tiles(placed(labels), masks_of, tile=60, overlap=20)
    assert instance.score == pytest.approx(0.75 * 0.9 + 0.25 * 0.5)


def test_nothing_found_is_nothing() -> None:
    assert segment_tiles(painted(np.zeros((50, 50), int)), by_label, tile=30, overlap=10) == []


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ImageError, match="30 wide"):
        segment_tiles(
            painted(np.ones((50, 50), int)), lambda _: [(np.ones((20, 20), bool), 1.0, None)], tile=30, overlap=10
        )


def test_tiles_that_leave_no_step_are_refused() -> None:
    with pytest.raises(ConfigError, match="overlap"):
        segment_tiles(painted(np.ones((50, 50), int)), by_label, tile=30, overlap=30)


def test_memory_does_not_grow_with_masks_times_pixels() -> None:
    """At full size these 225 masks would be 500 MB."""
    rows, columns = np.indices((1500, 1500), dtype=np.int32)
    source = painted(1 + rows // 100 * 15 + columns // 100)
    del rows, columns
    tracemalloc.start()
    instances = segment_tiles(source, by_label, tile=500, overlap=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [instance.piece.area for instance in instances] == [100 * 100] * 225
    assert peak < 20e6


class Framed(ArraySource):
    """A picture without data left of column 60."""

    def valid(self, window: Window) -> np.ndarray:
        return np.broadcast_to(np.arange(window.x0, window.x1) >= 60, window.hw)


def test_nothing_is_found_where_there_is_no_data() -> None:
    layer = np.zeros((50, 150), np.uint8)
    layer[10:40, 5:40], layer[10:20, 50:100], layer[30:40, 40:70], layer[5:45, 120:140] = 1, 2, 3, 4
    source = Framed(painted(layer).raw)
    seen: list[int] = []

    def counted(pixels: np.ndarray) -> Found:
        seen.append(int(pixels[..., 0].max()))
        return by_label(pixels)

    instances = segment_tiles(source, counted, tile=50, overlap=0)
    assert len(seen) == 2, "of three tiles the first has no data"
    assert columns_of(instances) == {2: (60, 100), 3: (60, 70), 4: (120, 140)}
    whole = segment_tiles(source, by_label, tile=150, overlap=0)
    assert columns_of(whole) == {2: (60, 100), 4: (120, 140)}, "less than half of object 3 has data"


def columns_of(instances: list[Instance]) -> dict[int, tuple[int, int]]:
    return {i.views[0].data: (i.piece.window.x0, i.piece.window.x1) for i in instances}


def test_an_interrupted_run_continues_with_the_next_tile(tmp_path: Path) -> None:
    source, seen = painted(cells(3)), []

    def interrupted(pixels: np.ndarray) -> Found:
        seen.append(pixels.shape)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return by_label(pixels)

    grid: dict[str, Any] = {"tile": 60, "overlap": 20}
    expected = segment_tiles(source, by_label, **grid)
    with pytest.raises(KeyboardInterrupt):
        segment_tiles(source, interrupted, **grid, finished=FinishedTiles(tmp_path / "tiles.jsonl", "run"))
    resumed = segment_tiles(source, interrupted, **grid, finished=FinishedTiles(tmp_path / "tiles.jsonl", "run"))
    assert len(seen) == 1 + len(tile_grid(source.size_hw, **grid)), "only the interrupted tile was seen twice"
    assert found(resumed) == found(expected)
    assert [instance.score for instance in resumed] == [instance.score for instance in expected]
