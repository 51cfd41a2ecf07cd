"""The settings of a work: the model, how it sees a picture, and what to write.

Imports torch only inside functions, so that help is fast. The flags of the command line grow from these classes, which
know nothing about it. Annotations are not strings here: flags inherit them in other modules, where cyclopts reads them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from samhq.batch.exported import check_exported, exported_folder, load_exported, weight_files
from samhq.config import HQMode
from samhq.errors import ConfigError
from samhq.garbage import collect_as_usual

if TYPE_CHECKING:
    from samhq.image.channels import Channels
    from samhq.image.picture_source import PictureSource
    from samhq.image.raster_source import RasterSource
    from samhq.inference.segment import Segmenter
    from samhq.runtime import OnnxSegmenter

Dtype = Literal["float32", "bfloat16", "float16", "auto"]


@dataclass(frozen=True)
class ModelSettings:
    """Which model to use, on which device, in which number type."""

    model: str | None = None
    """A name from `samhq models`, a weights file, a folder, a hub id, or a folder that `samhq export` made, which needs
    no torch. [default: the starter in the package]"""

    hq: Literal["auto", "add", "only", "off"] = "auto"
    """Add the HQ logits to SAM's, use them alone, or leave them out. auto: add them if the model has them."""

    multimask: bool | None = None
    """Three masks for each object, best first, or one. [default: one; for a single click the best of three]"""

    device: str | None = None
    """cpu, cuda, cuda:1, mps, ...; for an exported model cpu, cuda, openvino, ... [default: cuda where there is one,
    else cpu]"""

    dtype: Dtype = "float32"
    """Number type of the weights. auto: bfloat16 if the device multiplies it faster, else float32."""

    @property
    def hq_mode(self) -> HQMode | None:
        """The mode as the library takes it."""
        return None if self.hq == "auto" else self.hq

    @property
    def torch_device(self) -> str | None:
        """The device for the parts that run in torch beside the model."""
        return self.device if self.exported is None else None

    @property
    def exported(self) -> Path | None:
        """The folder that `samhq export` made, if the model is one; None otherwise."""
        return exported_folder(self.model)

    def load(self) -> "Segmenter":
        """The model, checked against `hq`.

        Raises:
            ConfigError, CheckpointError: as `samhq.inference.segment.load`; an HQ mask from a plain SAM; a folder that
                `samhq export` made, which supports prompts only.
        """
        from samhq.inference.segment import load

        check_exported(self.exported, {"samhq everything": True})
        segmenter = load(self.model, device=self.device, dtype=self.dtype)
        segmenter.model.hq_mode(self.hq_mode)
        collect_as_usual()
        return segmenter

    def load_for_prompts(self) -> "Segmenter | OnnxSegmenter":
        """As `load`, and also a folder that `samhq export` made.

        Raises:
            MissingExtraError: an exported model's runtime is not installed.
        """
        if self.exported is None:
            return self.load()
        segmenter = load_exported(self.exported, self.device, self.dtype)
        segmenter.model.hq_mode(self.hq_mode)
        collect_as_usual()
        return segmenter

    def options(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON values. Weights are named by their content.

        Raises:
            ConfigError, CheckpointError: there are no such weights, or they cannot be downloaded.
            OSError: they cannot be read.
        """
        from samhq.storage import digest

        files = weight_files(self.model)
        settings = {"hq": self.hq_mode, "multimask": self.multimask, "dtype": self.dtype}
        return {"weights": digest.of_files(files), **settings}


@dataclass(frozen=True)
class BandSettings:
    """Which channels of a picture the model sees, and how bright."""

    bands: tuple[int, ...] | None = None
    """Channels for red, green and blue, or one for grey, counted from 1: 4,3,2. Needs the extra `geo`."""

    stretch: tuple[float, float] | None = None
    """Percentiles of each channel that become black and white, for 16-bit, float and satellite pictures: 2,98. Needs
    the extra `geo`."""

    def options(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON values."""
        return {"bands": self.bands, "stretch": self.stretch}

    def source(self, path: Path) -> "PictureSource":
        """The picture as a source that reads windows.

        Raises:
            ImageError, MissingExtraError: as `samhq.image.sources.open_picture`.
        """
        from samhq.image.sources import open_picture

        return open_picture(path, self.bands, self.stretch)

    def picture(self, path: Path) -> Any:
        """The picture as `Segmenter.encode` takes it: its path, or its pixels if these settings change them.

        Raises:
            ImageError, MissingExtraError: as `source`.
        """
        return self.channels.picture(path)

    @property
    def channels(self) -> "Channels":
        """The same values for code that reads pictures itself, such as data sets.

        Raises:
            ConfigError: a value that cannot be used.
        """
        from samhq.image.channels import Channels

        return Channels(self.bands, self.stretch)


@dataclass(frozen=True)
class RefineSettings(BandSettings):
    """How objects of a picture are segmented from prompts."""

    refine: bool | None = None
    """Segment each object again in an enlarged crop, for finer masks. [default: for boxes, with the starter]"""

    def options(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON values."""
        return {**super().options(), "refine": self.refine}

    def windows(self, path: Path) -> "RasterSource | None":
        """The picture as a source of windows, to be closed, if --refine is set and can read such a file by window.

        Raises:
            ImageError, MissingExtraError: as `source`.
        """
        from samhq.image.raster_source import RasterSource

        source = self.source(path) if self.by_window(path) else None
        return source if isinstance(source, RasterSource) else None

    def by_window(self, path: Path) -> bool:
        """Whether --refine is set and reads a file with this name by window."""
        from samhq.image.sources import read_by_window

        return bool(self.refine) and read_by_window(path)


@dataclass(frozen=True)
class TileSettings(BandSettings):
    """How everything in a picture is segmented."""

    tile: int | None = None
    """Segment tiles of this many pixels a side, each with all points, and merge masks at their edges; try 1024.
    With --no-overlay the picture need not fit into memory. [default: the picture as one]"""

    overlap: int | None = None
    """Pixels that neighbouring tiles share. [default: a quarter of a tile]"""

    def options(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON values."""
        return {**super().options(), "tile": self.tile, "overlap": self.overlap}

    def check(self, embeddings: Path | None) -> None:
        """Refuses flags that do not go together.

        Raises:
            ConfigError: an overlap without tiles; sizes that `samhq.image.windows.check_tiles` refuses; tiles with
                embeddings of whole pictures.
        """
        if self.tile is None:
            if self.overlap is not None:
                raise ConfigError(f"Expected --tile with --overlap {self.overlap}, got none. Write --tile 1024 too.")
            return
        from samhq.image.windows import check_tiles

        check_tiles(self.tile, self.overlap)
        if embeddings is not None:
            raise ConfigError(
                "Expected --tile or --embeddings, got both: embeddings are of whole pictures. Leave one out."
            )


@dataclass(frozen=True)
class EmbeddingSettings:
    """The folder of encoded pictures."""

    embeddings: Path | None = None
    """A folder of `samhq embed`. Pictures that are in it are not encoded again; others are added."""

    def options(self) -> dict[str, Any]:
        """The settings that results depend on: a folder may hold float16."""
        return {"embeddings": self.embeddings is not None}

    def picture(self, segmenter: Any, picture: Any) -> Any:
        """The picture (path or pixels) as `Segmenter.segment` takes it: unchanged, or encoded, from the folder.

        Raises:
            ImageError: it cannot be read, if that is noticed here.
            ConfigError, CheckpointError: the folder cannot be used.
        """
        if self.embeddings is None:
            return picture
        from samhq.inference.cache import EmbeddingCache

        return EmbeddingCache(self.embeddings).get_or_encode(segmenter, picture)


@dataclass(frozen=True)
class MaskFiles:
    """The files to write for prompts' masks: a PNG for each and a JSON record."""

    output: Path
    """Folder for the results. It is created if it does not exist."""

    overlay: bool = True
    """Write a copy of the picture with its masks in colour."""

    cutout: bool = False
    """Write each object alone, with everything else transparent."""

    def options(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON values."""
        return {"overlay": self.overlay, "cutout": self.cutout}


@dataclass(frozen=True)
class EverythingFiles:
    """The files to write for whole-image masks."""

    output: Path
    """Folder for the results. It is created if it does not exist."""

    convert_to_rle: bool = False
    """Do not write the folder of PNG files. The masks are in the JSON record."""

    overlay: bool = True
    """Write a copy of the picture with its masks in colour."""

    label_map: bool = False
    """Write one PNG with the mask number of each pixel. Where masks overlap, the smallest wins."""

    def options(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON values."""
        return {"convert_to_rle": self.convert_to_rle, "overlay": self.overlay, "label_map": self.label_map}


#: The default settings.
STARTER_MODEL, AS_IT_IS, NO_REFINING, NOT_TILED = ModelSettings(), BandSettings(), RefineSettings(), TileSettings()
NONE_KEPT = EmbeddingSettings()
