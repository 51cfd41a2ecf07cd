"""Whole-image masks for a picture of any size, tile by tile at full resolution, as one result.

Joins `automatic.py`, which segments a window, and `tiles.py`, which merges windows. Knows nothing of commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from samhq.image.inputs import PictureInput
from samhq.image.picture_source import PictureSource
from samhq.image.read import file_name_of
from samhq.image.sources import open_picture
from samhq.image.windows import Window, check_tiles, tile_grid, whole
from samhq.inference.automatic import propose
from samhq.inference.everything import as_sam
from samhq.inference.finished_tiles import FinishedTiles
from samhq.inference.seams import Instance
from samhq.inference.segment import Segmenter
from samhq.inference.tiles import segment_tiles
from samhq.masks import runs
from samhq.results.automatic_config import AutomaticConfig, as_config
from samhq.results.everything import Everything
from samhq.results.proposals import Best, Proposal, Proposals, keep


def segment_mosaic(
    image: PictureInput | PictureSource,
    model: Segmenter | nn.Module | str | None = None,
    *,
    tile: int = 1024,
    overlap: int | None = None,
    start_xy: tuple[int, int] = (0, 0),
    config: AutomaticConfig | None = None,
    pixels: bool = True,
    progress: bool = False,
    finished: FinishedTiles | None = None,
    **options: Any,
) -> Everything:
    """Masks for everything in a picture far above the model's side; otherwise as `segment_everything`.

    `image` is a value that `samhq.image.sources.open_picture` takes, such as the path of a GeoTIFF, or that it
    returned. Each tile gets the whole grid of points. Objects are merged across seams as in `segment_tiles`, and are
    attributed to the tile with most of their pixels. Without `pixels` the whole picture is never in memory, and the
    result's `image` is black and takes no memory. `progress` shows a bar. `finished` keeps finished tiles on the disk,
    so that an interrupted run continues; its `run` must name everything that masks depend on.

    Raises:
        ImageError: the picture cannot be read.
        ConfigError: an unknown option or a value that cannot be used; tiles below 32 pixels a side, or that
            overlap by more than three quarters.
        CheckpointError: the model cannot be loaded.
    """
    check_tiles(tile, overlap)
    sam = as_sam(model)
    chosen, source = as_config(config, options, sam.config.defaults), open_picture(image)
    grid = tile_grid(source.size_hw, tile, overlap, start_xy)

    best = Best()

    def masks_of(window: np.ndarray) -> Iterator[tuple[np.ndarray, float, Any]]:
        nonlocal best
        proposals = propose(sam, window, chosen)
        best = best.with_(proposals.best)
        kept = keep(proposals, chosen)
        for row in range(len(kept)):
            point_and_stability = kept.points[row].tolist(), float(kept.stability[row])
            yield runs.mask_of(kept.changes[row], kept.size_hw), float(kept.iou[row]), point_and_stability

    instances = segment_tiles(
        source, masks_of, tile=tile, overlap=overlap, start_xy=start_xy, progress=progress, finished=finished
    )
    rows = [_proposal(instance, source.size_hw, grid[instance.views[0].tile].window) for instance in instances]
    windows = [(t.window.x0, t.window.y0, t.window.x1, t.window.y1) for t in grid]
    # Duplicates were already removed by comparing masks, which is more exact than comparing boxes again.
    applied = chosen.replace(box_nms_thresh=1.0, crop_nms_thresh=1.0, min_mask_region_area=0)
    # The best scores of tiles that an earlier run finished are not known.
    best = Best() if finished is not None and len(finished) else best
    proposals = replace(Proposals.of(source.size_hw, windows, rows), best=best)
    return Everything(_pixels(source, pixels), proposals, applied, applied, sam.config.name, file_name_of(image))


def _proposal(instance: Instance, size_hw: tuple[int, int], tile: Window) -> Proposal:
    """The row of an instance; its point and stability are those of the view with most of its pixels."""
    window, (point, stability) = instance.piece.window, instance.views[0].data
    return Proposal(
        crop=instance.views[0].tile,
        point=(point[0] + tile.x0, point[1] + tile.y0),
        box=(window.x0, window.y0, window.x1 - 1, window.y1 - 1),
        iou=instance.score,
        stability=stability,
        changes=instance.piece.changes(size_hw),
    )


def _pixels(source: PictureSource, keep: bool) -> np.ndarray:
    """The whole picture, or black pixels of its size that take no memory."""
    if keep:
        return source.read(whole(source.size_hw))
    return np.broadcast_to(np.uint8(0), (*source.size_hw, 3))
