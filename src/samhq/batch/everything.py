"""The work of `samhq everything`: a picture to files of whole-image masks.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samhq.batch.job import Item, Outcome
from samhq.batch.reading import EachReadAhead, PictureReader
from samhq.batch.settings import (
    NONE_KEPT,
    NOT_TILED,
    STARTER_MODEL,
    EmbeddingSettings,
    EverythingFiles,
    ModelSettings,
    TileSettings,
)
from samhq.config import NO_DEFAULTS, Defaults
from samhq.plural import plural
from samhq.storage import digest

if TYPE_CHECKING:
    from samhq.inference.finished_tiles import FinishedTiles
    from samhq.inference.segment import Segmenter
    from samhq.results.automatic_config import AutomaticConfig
    from samhq.results.everything import Everything


@dataclass(frozen=True)
class EverythingWork:
    """Segments whole images; a call loads the model and gives the function for one picture. Picklable."""

    output: EverythingFiles
    automatic: Mapping[str, Any] = field(default_factory=dict)  #: The given fields of `AutomaticConfig`.
    model: ModelSettings = STARTER_MODEL
    tiling: TileSettings = NOT_TILED
    embeddings: EmbeddingSettings = NONE_KEPT
    bar: bool = False
    resume: bool = False  #: Whether tiles are used that an interrupted run finished.

    def __call__(self) -> EachReadAhead:
        """The function that writes one picture's results."""
        pictures = PictureReader(self.tiling, lambda _: self.tiling.tile is None)
        segmenter = self.model.load()
        config = whole_image_config(self.automatic, self.model, segmenter.defaults)
        run = None if self.tiling.tile is None else self._run(config)
        return EachReadAhead(partial(self.process, pictures, segmenter, config, run), pictures)

    def process(
        self,
        pictures: PictureReader,
        segmenter: Segmenter,
        config: AutomaticConfig,
        run: Mapping[str, Any] | None,
        item: Item,
    ) -> Outcome:
        """Writes the results of one picture; `run` is what the masks of its tiles depend on, None without tiles.

        Raises:
            ImageError: it cannot be read.
        """
        tiles = None if run is None else self._finished_tiles(run, item)
        result, flags = self.found(pictures, segmenter, config, item.path, tiles), self.output
        save = partial(
            _saved,
            tiles,
            result,
            flags.output,
            item.name,
            masks=not flags.convert_to_rle,
            overlay=flags.overlay,
            labels=flags.label_map,
            file_name=str(item.path),
        )
        held = result.image.nbytes + sum(changes.nbytes for changes in result.proposals.changes)
        return Outcome((), everything_summary(result), save, held)

    def _run(self, config: AutomaticConfig) -> dict[str, Any]:
        """Everything that the masks of tiles depend on, but for the picture, as JSON values."""
        from samhq.results.automatic_config import config_record

        settings = {**self.tiling.options(), **self.model.options()}
        return {"config": config_record(config), **settings, "samhq": version("samhq")}

    def _finished_tiles(self, run: Mapping[str, Any], item: Item) -> FinishedTiles | None:
        """The tiles of this picture that an interrupted run finished; None for a picture that cannot be read.

        Raises:
            OSError: their file cannot be read or written.
        """
        from samhq.inference.finished_tiles import FinishedTiles

        try:
            content = item.path.stat()
        except OSError:
            return None
        of_picture = digest.of_json({**run, "size": content.st_size, "mtime_ns": content.st_mtime_ns})
        return FinishedTiles(self.output.output / f"{item.name}_tiles.jsonl", of_picture, resume=self.resume)

    def found(
        self,
        pictures: PictureReader,
        segmenter: Segmenter,
        config: AutomaticConfig,
        path: Path,
        tiles: FinishedTiles | None = None,
    ) -> Everything:
        """The masks of a picture, which is segmented as one or in tiles; `tiles` that are finished are kept.

        Raises:
            ImageError: it cannot be read.
        """
        if self.tiling.tile is None:
            from samhq.inference.everything import segment_everything

            picture = self.embeddings.picture(segmenter, pictures(path))
            return segment_everything(picture, segmenter, config=config, progress=self.bar)
        from samhq.inference.mosaic import segment_mosaic

        return segment_mosaic(
            self.tiling.source(path),
            segmenter,
            tile=self.tiling.tile,
            overlap=self.tiling.overlap,
            config=config,
            pixels=self.output.overlay,
            progress=self.bar,
            finished=tiles,
        )


def _saved(tiles: FinishedTiles | None, result: Everything, *where: Any, **options: Any) -> list[Path]:
    """The files of a result. Its tiles are needed no more."""
    files = result.save(*where, **options)
    if tiles is not None:
        tiles.remove()
    return files


def whole_image_config(
    given: Mapping[str, Any], model: ModelSettings, defaults: Defaults = NO_DEFAULTS
) -> AutomaticConfig:
    """The settings of whole-image segmentation: the given ones, else those of the weights, else the library's.

    Raises:
        ConfigError: a value that cannot be used.
    """
    from samhq.results.automatic_config import AutomaticConfig

    candidates = {None: None, True: "all", False: "single"}[model.multimask]
    known = {name: value for name, value in {**given, "hq": model.hq_mode}.items() if value is not None}
    return AutomaticConfig.suited_to(defaults, **known, candidates=candidates)


def everything_summary(result: Everything) -> str:
    """The number of masks and the share of the picture that they cover; without masks, the reason."""
    count = len(result)
    summary = f"{plural(count, 'mask')}, {100 * result.covered:.0f} % of the picture"
    return f"{summary} ({result.why_empty})" if result.why_empty else summary
