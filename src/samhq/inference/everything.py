"""Everything in a picture: masks that are held as outlines, shown as segment-anything's records, and chosen anew.

Knows nothing about commands or other libraries' interfaces; how masks are found is `automatic.py`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np
from jaxtyping import UInt, UInt8

from samhq.config import Defaults
from samhq.errors import ConfigError, did_you_mean
from samhq.image.draw import colour
from samhq.image.read import file_name_of, read_image
from samhq.inference.automatic import REFILTERED, AutomaticConfig, Proposals, keep, propose
from samhq.inference.segment import EncodedImage, Segmenter, load
from samhq.masks import runs
from samhq.model.sam import Sam
from samhq.options import real_number
from samhq.progress import Watch, progress_bar
from samhq.types import ImageEmbedding

#: How a record says its mask: bool [H,W], COCO's RLE with counts as a list, or compressed into a str.
OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]

_ROWS = 256  #: of a picture that are tinted at a time

_LEAST = ("pred_iou_thresh", "stability_score_thresh")  #: what is below the run's own is gone
_LEAST_SAVED, _MOST_SAVED = ("min_mask_region_area",), ("box_nms_thresh", "crop_nms_thresh")  #: of what was read again


class Records(Sequence[dict[str, Any]]):
    """segment-anything's records, each made when it is looked at: all masks at full size would be gigabytes."""

    def __init__(self, kept: Proposals, output_mode: OutputMode) -> None:
        self._kept, self._mode = kept, as_output_mode(output_mode)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """The record with this number, or several as a list."""
        rows = range(len(self))[index]
        return record(self._kept, rows, self._mode) if isinstance(rows, int) else [self[row] for row in rows]


def as_output_mode(mode: Any) -> OutputMode:
    """The mode itself.

    Raises:
        ConfigError: not one of the three.
    """
    modes = get_args(OutputMode)
    if mode not in modes:
        raise ConfigError(f"Expected an output_mode, got {mode!r}. {did_you_mean(str(mode), modes)}")
    return mode


def record(kept: Proposals, row: int, output_mode: OutputMode) -> dict[str, Any]:
    """One mask as segment-anything writes it. Boxes are (x, y, w, h) with w and h one less than pixels, as there."""
    x0, y0, x1, y1 = kept.boxes[row].tolist()
    left, top, right, bottom = kept.crops[kept.crop[row]]
    shown: Callable[..., Any] = {
        "binary_mask": runs.mask_of,
        "uncompressed_rle": runs.uncompressed,
        "coco_rle": runs.compressed,
    }[output_mode]
    return {
        "segmentation": shown(kept.changes[row], kept.size_hw),
        "area": runs.area(kept.changes[row]),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "predicted_iou": float(kept.iou[row]),
        "point_coords": [kept.points[row].tolist()],
        "stability_score": float(kept.stability[row]),
        "crop_box": [left, top, right - left, bottom - top],
    }


@dataclass(frozen=True, eq=False)
class Everything:
    """The masks of one picture, uint8 [H,W,3], in the order of segment-anything's generator.

    `proposals` is what the network found, `config` what is asked of it now, `ran` what was asked when it ran, `model`
    the name of who answered, `file_name` the picture's path, where it was given by one. `saved` says that this was read
    from a record: the proposals are those that `ran` kept, in their order, and there are no others.
    """

    image: np.ndarray
    proposals: Proposals
    config: AutomaticConfig
    ran: AutomaticConfig
    model: str
    file_name: str | None = None
    saved: bool = False

    def __repr__(self) -> str:
        height, width = self.proposals.size_hw
        return f"Everything({len(self)} masks, {height}x{width}, {self.model})"

    @cached_property
    def kept(self) -> Proposals:
        """The proposals that `config` keeps."""
        return self.proposals if self.saved and self.config is self.ran else keep(self.proposals, self.config)

    def __len__(self) -> int:
        return len(self.kept)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    @property
    def records(self) -> Records:
        """segment-anything's records with bool masks [H,W], each unpacked when it is looked at."""
        return Records(self.kept, "binary_mask")

    def as_records(self, output_mode: OutputMode = "coco_rle") -> list[dict[str, Any]]:
        """segment-anything's records as a list; by default with compressed RLE, ready for JSON.

        Raises:
            ConfigError: another `output_mode`.
        """
        return list(Records(self.kept, output_mode))

    @property
    def scores(self) -> np.ndarray:
        """The predicted IoU of every mask, float32 [M]."""
        return self.kept.iou

    @property
    def boxes(self) -> np.ndarray:
        """Tight boxes [M,4] as (x0, y0, x1, y1) in image pixels, last pixel included."""
        return self.kept.boxes

    @cached_property
    def areas(self) -> np.ndarray:
        """Pixels of every mask, int64 [M]."""
        return np.array([runs.area(changes) for changes in self.kept.changes], np.int64)

    @property
    def covered(self) -> float:
        """How much of the picture is in at least one mask, in 0..1."""
        height, width = self.kept.size_hw
        return runs.area_of_all(self.kept.changes) / (height * width)

    def mask(self, index: int) -> np.ndarray:
        """One mask, bool [H,W]."""
        return runs.mask_of(self.kept.changes[index], self.kept.size_hw)

    def filter(self, **thresholds: Any) -> Everything:
        """The same run with other thresholds, without decoding again.

        Takes `pred_iou_thresh`, `stability_score_thresh`, `box_nms_thresh`, `crop_nms_thresh` and
        `min_mask_region_area`. What the run itself rejected is gone, unless it ran with `keep_all`; from a record also
        what it took for repeated or cleaned away.

        Raises:
            ConfigError: another name, or a threshold that asks for what is gone.
        """
        for name in thresholds:
            if name not in REFILTERED:
                raise ConfigError(f"Expected a threshold that can be changed later, got {name!r}. "
                                  f"{did_you_mean(name, REFILTERED)}")  # fmt: skip
        config = self.config.replace(**thresholds)
        for name in _LEAST + (_LEAST_SAVED if self.saved else ()):
            ran, asked = max(getattr(self.ran, name), 0.0), max(getattr(config, name), 0.0)
            if asked < ran:
                raise _gone(f"{name} of at least {ran}", asked)
        for name in _MOST_SAVED if self.saved else ():
            ran, asked = getattr(self.ran, name), getattr(config, name)
            if asked > ran:
                raise _gone(f"{name} of at most {ran}", asked)
        return replace(self, config=config)

    def label_map(self) -> UInt[np.ndarray, "H W"]:
        """Numbers of the masks, from 1, without overlaps: the smallest mask has the pixel; 0 where there is none."""
        height, width = self.kept.size_hw
        labels = np.zeros(height * width, np.min_scalar_type(len(self)))
        for row in np.argsort(-self.areas, kind="stable").tolist():
            for start, stop in self.kept.changes[row].reshape(-1, 2).tolist():
                labels[start:stop] = row + 1
        return np.ascontiguousarray(labels.reshape(width, height).T)

    def overlay(self, alpha: float = 0.5) -> UInt8[np.ndarray, "H W 3"]:
        """A copy of the picture with every mask tinted, small ones over large ones, and borders in white."""
        alpha = real_number("alpha", alpha, 0, 1)
        labels = self.label_map()
        colours = np.array([(0, 0, 0), *map(colour, range(len(self)))], np.float32) * alpha
        canvas = self.image.copy()
        border = np.zeros(labels.shape, np.bool_)
        border[:, 1:] = labels[:, 1:] != labels[:, :-1]
        border[1:] |= labels[1:] != labels[:-1]
        for start in range(0, len(canvas), _ROWS):
            part, numbers = canvas[start : start + _ROWS], labels[start : start + _ROWS]
            tinted = (part * np.float32(1 - alpha) + colours[numbers] + 0.5).astype(np.uint8)
            np.copyto(part, tinted, where=(numbers > 0)[..., None])
        canvas[border] = 255
        return canvas

    def save(
        self,
        directory: str | os.PathLike[str],
        stem: str = "result",
        *,
        masks: bool = True,
        overlay: bool = True,
        record: bool = True,
        labels: bool = False,
        file_name: str | None = None,
    ) -> list[Path]:
        """Writes masks with a table, an overlay, a JSON record and a label map; returns their paths.

        Names: `STEM/0.png` and so on with `STEM/metadata.csv`, as segment-anything's `amg.py` writes them;
        `STEM_overlay.jpg`; `STEM.json`, in the form of SA-1B; `STEM_labels.png`. The record calls the picture
        `file_name`, by default the path that it was given by, or else the stem.
        With the record, files go that the record before it names, if it was of another result and nobody changed them;
        without it none goes, since nothing would say whose files are there.

        Raises:
            OSError: the folder cannot be made or written.
            ConfigError: more than 65535 masks for `labels`.
        """
        from samhq.formats.metadata import save_everything

        chosen = {"masks": masks, "overlay": overlay, "record": record, "labels": labels}
        return save_everything(self, Path(directory), stem, file_name or self.file_name or stem, **chosen)


def _gone(expected: str, asked: float) -> ConfigError:
    return ConfigError(
        f"Expected {expected}, with which the masks were made, got {asked}. Make them again with that; "
        "segment_everything with keep_all=True leaves all thresholds free."
    )


def segment_everything(
    image: Any,
    model: Segmenter | Sam | str | None = None,
    *,
    config: AutomaticConfig | None = None,
    keep_all: bool = False,
    progress: bool | Watch = False,
    **options: Any,
) -> Everything:
    """Masks for everything in a picture, by segment-anything's automatic mask generation.

    `image` is a picture, as for `Segmenter.encode`, or an `EncodedImage`. `model` is what `samhq.load` returned or
    takes; None is the starter. `options` are fields of `AutomaticConfig`, such as `points_per_side=16`, and change
    `config`; without `config` they change the defaults, to which the weights may have added their own. With `keep_all`
    every decoded mask is held, so that `Everything.filter` can be asked for lower thresholds too. `progress` shows a
    bar, or is called with the points done and all points.

    Raises:
        ImageError: the picture cannot be read.
        ConfigError: an option that is unknown or means nothing, or a picture that another model encoded.
        CheckpointError: the model cannot be loaded.
    """
    sam = as_sam(model)
    chosen = as_config(config, options, sam.config.defaults)
    embedding, file_name = None, file_name_of(image)
    if isinstance(image, EncodedImage):
        image, embedding, file_name = image.image, _embedding_for(sam, image), image.file_name
    picture = read_image(image)
    with _watching(progress) as watch:
        proposals = propose(sam, picture, chosen, embedding=embedding, keep_all=keep_all, watch=watch)
    ran = chosen.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0) if keep_all else chosen
    return Everything(picture, proposals, chosen, ran, sam.config.name, file_name)


def _embedding_for(sam: Sam, encoded: EncodedImage) -> ImageEmbedding:
    """What was encoded, on the model's device and in its dtype.

    Raises:
        ConfigError: another model encoded it, whose features would give masks of something else.
    """
    asked = sam.config.name, sam.config.side, sam.config.hq
    if (encoded.model, encoded.frame.side, encoded.embedding.hq is not None) != asked:
        raise ConfigError(
            f"Expected a picture encoded by {sam.config.name} for a square of {sam.config.side} pixels, got one "
            f"encoded by {encoded.model} for {encoded.frame.side}. Encode it with the model that segments it."
        )
    return encoded.embedding.to(sam.device).to(sam.dtype)


def as_config(config: AutomaticConfig | None, options: dict[str, Any], defaults: Defaults) -> AutomaticConfig:
    """`config` with the options, or without one the model's own defaults with the options.

    Raises:
        ConfigError: an option that is unknown or means nothing.
    """
    known = [field.name for field in fields(AutomaticConfig)]
    for name in options:
        if name not in known:
            raise ConfigError(f"Expected an option of AutomaticConfig, got {name!r}. {did_you_mean(name, known)}")
    return AutomaticConfig.suited_to(defaults, **options) if config is None else config.replace(**options)


def as_sam(model: Segmenter | Sam | str | None) -> Sam:
    """The network in a model, or of a name, file or hub id, in evaluation mode."""
    if isinstance(model, Sam):
        return model.eval()
    return (model if isinstance(model, Segmenter) else load(model)).model


@contextmanager
def _watching(progress: bool | Watch) -> Iterator[Watch | None]:
    """What to call after each batch: nothing, the function that was given, or a bar on stderr."""
    if progress is True:
        with progress_bar("point") as show:
            yield show
    else:
        yield progress or None
