"""Joins masks from overlapping tiles to objects of the whole picture, and drops duplicates.

The tile that sees a pixel furthest from its border decides about it, so the seams do not show. Knows nothing of
pictures' colours, models or files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from samhq.image.windows import Tile, Window, whole
from samhq.masks.regions import Piece, boxes

_AGREE = 0.5  #: Two masks are views of one object if their IoU, in the area that both tiles see, is above this.
_SUBSTANTIAL = 0.1  #: Share of the smaller mask: agreement on less, away from tile borders, may be chance.
_DUPLICATE = 0.7  #: Two objects are one if their IoU is above this; the limit of segment-anything between boxes.
#: A mask cut off at a tile's border is a piece of another object if this share of it lies inside that object.
_FRAGMENT = 0.8


@dataclass(frozen=True, eq=False)
class TileView:
    """One mask in one tile, cut to the part that the tile keeps; `data` is any value that came with the mask."""

    piece: Piece
    tile: int
    score: float
    data: Any = None


@dataclass(frozen=True, eq=False)
class Instance:
    """An object of the whole picture, and the views it was joined from, the one with most of its pixels first.

    `score` is the mean of the views' scores, weighted by the pixels that each contributed. `cut` says that it continues
    beyond a tile's border, but no other tile has a mask that continues it.
    """

    piece: Piece
    score: float
    views: tuple[TileView, ...]
    cut: bool = False
    owned: bool = True  #: Some view lies, at least in part, in its tile's core.


def merge(views: Sequence[TileView], tiles: Sequence[Tile], size_hw: tuple[int, int]) -> list[Instance]:
    """The objects that the views from tiles form together, from top to bottom, without duplicates.

    Views belong to one object if they agree where their tiles overlap: as a whole, or part by part if the object enters
    the overlap in several places. If one of two views from the same tile covers the other, they stay two objects (a
    whole and its part). Two kinds of views are dropped: cut-off pieces of other objects, and views that lie wholly
    outside their tile's core if the tile that owns these pixels shows something else. No mask of the picture's size is
    made.
    """
    present = [view for view in views if view.piece.area]
    clusters = _clusters(present, _links(present, tiles, whole(size_hw)))
    instances = [_composed(cluster, tiles, whole(size_hw)) for cluster in clusters]
    kept = _distinct([instance for instance in instances if instance.piece.area])
    return sorted(kept, key=lambda i: (i.piece.window.y0, i.piece.window.x0, -i.piece.area))


def _links(views: Sequence[TileView], tiles: Sequence[Tile], picture: Window) -> list[tuple[float, int, int]]:
    """Pairs of views that agree, by falling agreement."""
    by_tile: dict[int, list[int]] = defaultdict(list)
    for index, view in enumerate(views):
        by_tile[view.tile].append(index)
    links = []
    for a, b in combinations(sorted(by_tile), 2):
        shared = tiles[a].keep.meet(tiles[b].keep)
        if shared.area:
            rim = _rim(tiles[a].keep, shared, picture) | _rim(tiles[b].keep, shared, picture)
            links += _pairs(views, by_tile[a], by_tile[b], shared, rim)
    return sorted(links, key=lambda link: (-link[0], link[1:]))


def _rim(tile: Window, shared: Window, picture: Window) -> np.ndarray:
    """The border of the part that a tile keeps, except at the picture's border; bool, of the size of `shared`."""
    rim = np.zeros(shared.hw, bool)
    for line in _ends(tile, picture):
        part = line.meet(shared)
        if part.area:
            rim[part.slices(shared)] = True
    return rim


def _ends(tile: Window, picture: Window) -> Iterator[Window]:
    """The tile's outermost lines of pixels, except those at the picture's border."""
    if tile.x0 > picture.x0:
        yield Window(tile.x0, tile.y0, tile.x0 + 1, tile.y1)
    if tile.x1 < picture.x1:
        yield Window(tile.x1 - 1, tile.y0, tile.x1, tile.y1)
    if tile.y0 > picture.y0:
        yield Window(tile.x0, tile.y0, tile.x1, tile.y0 + 1)
    if tile.y1 < picture.y1:
        yield Window(tile.x0, tile.y1 - 1, tile.x1, tile.y1)


def _pairs(
    views: Sequence[TileView], first: list[int], second: list[int], shared: Window, rim: np.ndarray
) -> list[tuple[float, int, int]]:
    """Views of two tiles that agree in their `shared` window, as (agreement, view, view)."""
    first_parts, second_parts = _parts(views, first, shared), _parts(views, second, shared)
    pairs = []
    for (i, box, mask), (j, other_box, other) in product(first_parts, second_parts):
        meet = box.meet(other_box)
        if not meet.area:
            continue
        overlap = mask[meet.slices(box)] & other[meet.slices(other_box)]
        common = int(overlap.sum())
        if not common:
            continue
        at_end = bool((overlap & rim[meet.slices(shared)]).any())
        smaller = min(views[i].piece.area, views[j].piece.area)
        agreement = common / (int(mask.sum()) + int(other.sum()) - common)
        if agreement <= _AGREE and at_end:
            agreement = _agreement_of_parts(mask, box, other, other_box, rim, shared)
        if agreement > _AGREE and (at_end or common >= _SUBSTANTIAL * smaller):
            pairs.append((agreement, i, j))
    return pairs


def _parts(views: Sequence[TileView], indices: list[int], shared: Window) -> list[tuple[int, Window, np.ndarray]]:
    """The views that reach into `shared`: their number, their box there, and their mask in that box."""
    reaching = [(i, views[i].piece.window.meet(shared)) for i in indices]
    cut = [(i, box, views[i].piece.inside(box)) for i, box in reaching if box.area]
    return [(i, box, mask) for i, box, mask in cut if mask.any()]


def _agreement_of_parts(
    mask: np.ndarray, box: Window, other: np.ndarray, other_box: Window, rim: np.ndarray, shared: Window
) -> float:
    """The best IoU of connected parts of two masks that both continue beyond the end of a tile.

    A horseshoe is one mask in a tile that sees its bend and two masks in a tile that does not; each arm agrees.
    """
    from scipy import ndimage  # 4-connected: every 8-connected part is a union of these.

    around = box.join(other_box)
    parts = np.zeros((2, *around.hw), np.int32)
    for canvas, values, window in ((parts[0], mask, box), (parts[1], other, other_box)):
        canvas[window.slices(around)] = ndimage.label(values)[0]
    sizes, other_sizes = (np.bincount(canvas.ravel()) for canvas in parts)
    at_end = parts[:, rim[around.slices(shared)]]
    pairs = {(int(a), int(b)) for a, b in at_end.T if a and b}
    common = np.bincount((parts[0].astype(np.int64) * len(other_sizes) + parts[1]).ravel())
    shares = [(common[a * len(other_sizes) + b], sizes[a] + other_sizes[b]) for a, b in pairs]
    return max((float(intersection / (total - intersection)) for intersection, total in shares), default=0.0)


def _clusters(views: Sequence[TileView], links: list[tuple[float, int, int]]) -> list[list[TileView]]:
    """Views joined by links, best agreement first; a link is refused if a tile keeps two of the joined views apart."""
    cluster_of = {index: [index] for index in range(len(views))}
    for _, i, j in links:
        first, second = cluster_of[i], cluster_of[j]
        if first is second or _apart(views, first, second):
            continue
        first.extend(second)
        cluster_of.update(dict.fromkeys(second, first))
    unique = {id(cluster): cluster for cluster in cluster_of.values()}
    return [[views[index] for index in sorted(cluster)] for cluster in unique.values()]


def _apart(views: Sequence[TileView], cluster: list[int], other_cluster: list[int]) -> bool:
    """Whether some tile shows a view of each, one covering the other: then it sees two objects there."""
    for i, j in product(cluster, other_cluster):
        if views[i].tile == views[j].tile:
            piece, other = views[i].piece, views[j].piece
            if piece.shared(other) > _AGREE * min(piece.area, other.area):
                return True
    return False


def _composed(views: list[TileView], tiles: Sequence[Tile], picture: Window) -> Instance:
    """One object from its views: in the core of a tile with a view, only that tile's views count."""
    around = views[0].piece.window
    for view in views[1:]:
        around = around.join(view.piece.window)
    canvas = np.zeros(around.hw, bool)
    present = {view.tile for view in views}
    pixel_counts = []
    for view in views:
        mask = view.piece.mask
        for tile in present - {view.tile}:
            elsewhere = tiles[tile].core.meet(view.piece.window)
            if elsewhere.area:
                mask[elsewhere.slices(view.piece.window)] = False
        canvas[view.piece.window.slices(around)] |= mask
        pixel_counts.append(int(mask.sum()))
    order = sorted(range(len(views)), key=lambda i: (-pixel_counts[i], -views[i].score, views[i].tile))
    return Instance(
        Piece.of(canvas, around.x0, around.y0),
        float(np.average([view.score for view in views], weights=pixel_counts if any(pixel_counts) else None)),
        tuple(views[i] for i in order),
        cut=any(_goes_on(view, tiles, present, picture) for view in views),
        owned=any(view.piece.inside(tiles[view.tile].core).any() for view in views),
    )


def _goes_on(view: TileView, tiles: Sequence[Tile], present: set[int], picture: Window) -> bool:
    """Whether a view reaches its tile's border at pixels where the best tile has no view of the object."""
    for line in _ends(tiles[view.tile].keep, picture):
        touched = line.meet(view.piece.window)
        if not touched.area or not view.piece.inside(touched).any():
            continue
        for number, tile in enumerate(tiles):
            part = tile.core.meet(touched)
            if number not in present and part.area and view.piece.inside(part).any():
                return True
    return False


def _distinct(instances: Sequence[Instance]) -> list[Instance]:
    """The objects without duplicates and cut-off pieces of others; whole and confident ones come first."""
    ordered = sorted(instances, key=_trust)
    windows = boxes([instance.piece for instance in ordered])
    kept: list[int] = []
    for number, instance in enumerate(ordered):
        if instance.cut and not instance.owned:
            continue
        window, kept_windows = windows[number], windows[kept]
        near = (kept_windows[:, :2] < window[2:]).all(axis=1) & (kept_windows[:, 2:] > window[:2]).all(axis=1)
        if not any(_repeats(instance, ordered[kept[k]]) for k in np.flatnonzero(near)):
            kept.append(number)
    return [ordered[number] for number in kept]


def _trust(instance: Instance) -> tuple[bool, bool, float, int, int, int]:
    window = instance.piece.window
    return not instance.owned, instance.cut, -instance.score, -instance.piece.area, window.y0, window.x0


def _repeats(instance: Instance, other: Instance) -> bool:
    """Whether an object adds nothing to one that comes before it."""
    area, other_area = instance.piece.area, other.piece.area
    if instance.owned and not instance.cut and min(area, other_area) <= _DUPLICATE * max(area, other_area):
        return False  # No overlap can make the IoU that high.
    common = instance.piece.shared(other.piece)
    if not instance.owned:
        return common > _AGREE * min(area, other_area)
    if instance.cut and common > _FRAGMENT * area:
        return True
    return common > _DUPLICATE * (area + other_area - common)
