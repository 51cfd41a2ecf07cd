"""The masks of tiles that are finished, in a file, so that an interrupted picture of thousands of tiles continues.

Knows nothing of networks. The caller names the run; tiles of a run with another name are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samhq.inference.seams import TileView
from samhq.masks import rle
from samhq.masks.regions import Piece
from samhq.storage.json_lines import JsonLines
from samhq.storage.schema import ANY, NUMBER, RLE, TEXT, WHOLE, Either, Fields, Items

_VIEW = Fields({"x": WHOLE, "y": WHOLE, "mask": RLE, "score": NUMBER, "data": ANY})
_LINE = Either((Fields({"run": TEXT}), Fields({"tile": WHOLE, "views": Items(_VIEW)})))


class FinishedTiles:
    """The finished tiles of one run over one picture, at `path`; a line for each tile, after a line that names the run.

    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp(), "tiles.jsonl")
    >>> FinishedTiles(file, "a").add(3, [])
    >>> FinishedTiles(file, "a").views(3), FinishedTiles(file, "b").views(3)
    ([], None)
    """

    def __init__(self, path: Path, run: str, *, resume: bool = True) -> None:
        """`run` is a hash of everything that masks depend on. The tiles of another run, or without `resume`, are lost.

        Raises:
            OSError: the file cannot be read or written.
        """
        self._lines = JsonLines(path, _LINE)
        first, *tiles = (self._lines.intact() if resume else []) or [{}]
        same = first.get("run") == run
        self._views = {line["tile"]: line["views"] for line in tiles if "tile" in line} if same else {}
        self._head = None if same else {"run": run}  #: The first line, until it is written with the first tile.
        if not same:
            self.remove()

    def __len__(self) -> int:
        """The number of finished tiles."""
        return len(self._views)

    def views(self, tile: int) -> list[TileView] | None:
        """The masks of a tile; None if it is not finished."""
        views = self._views.get(tile)
        return None if views is None else [_from_json(view, tile) for view in views]

    def add(self, tile: int, views: Sequence[TileView]) -> None:
        """Adds a finished tile, and waits until it is on the disk. The views' `data` are JSON values.

        Raises:
            OSError: it cannot be written.
        """
        if self._head is not None:
            self._lines.replace([self._head])
            self._head = None
        self._lines.append({"tile": tile, "views": [_as_json(view) for view in views]}, sync=True)

    def remove(self) -> None:
        """Deletes the file, when the result that needs the tiles is saved.

        Raises:
            OSError: it cannot be deleted.
        """
        self._lines.path.unlink(missing_ok=True)


def _as_json(view: TileView) -> dict[str, Any]:
    window = view.piece.window
    mask = rle.encode(view.piece.mask)
    return {"x": window.x0, "y": window.y0, "mask": mask, "score": view.score, "data": view.data}


def _from_json(view: Mapping[str, Any], tile: int) -> TileView:
    return TileView(Piece.of(rle.decode(view["mask"]), view["x"], view["y"]), tile, view["score"], view["data"])
