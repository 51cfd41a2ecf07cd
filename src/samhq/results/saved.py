"""Reads a whole-image result from its record, to show, save or filter it without a network.

Source: segment-anything, README, "Dataset", for the files of SA-1B, which it reads too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.image.crops import Crop
from samhq.image.inputs import PictureInput
from samhq.image.read import read_image
from samhq.masks import rle, runs
from samhq.results.annotation import Annotation
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.everything import CONFIG, Everything
from samhq.results.picture import Picture
from samhq.results.proposals import Proposal, Proposals
from samhq.results.sa1b import picture_of_record, read_record_content
from samhq.storage.documents import check_document
from samhq.storage.schema import Fields

#: The assumed options of a record without options. With them `Everything.filter` takes every threshold.
_FREE = AutomaticConfig(pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0, crop_nms_thresh=1.0)


def load_everything(
    path: str | os.PathLike[str], image: PictureInput | None = None, *, pixels: bool = True
) -> Everything:
    """The result that `samhq everything` or `Everything.save` wrote as `STEM.json`, masks in the same order.

    `filter` chooses among the masks in the record, so thresholds can only become stricter than in the run. A record
    without thresholds, such as SA-1B's own, allows any. `image` is the picture, as `samhq.image.read.read_image` takes
    it; by default the file that the record names, at that path or beside the record. Without `pixels` no picture is
    read, and the result's `image` is black and takes no memory.

    Raises:
        ImageError: the file cannot be read or is another kind of record; the picture is not there, or of another size.
    """
    content = read_record_content(path)
    picture = picture_of_record(content, Path(path))
    config = _config(content.get(CONFIG), Path(path))
    crops = list(dict.fromkeys(_crop(item, path) for item in picture.annotations))
    rows = [_proposal(item, crops.index(_crop(item, path))) for item in picture.annotations]
    proposals = Proposals.of(picture.size_hw, crops or [(0, 0, *picture.size_hw[::-1])], rows)
    shown = _image(picture, Path(path), image) if pixels else np.broadcast_to(np.uint8(0), (*picture.size_hw, 3))
    return Everything(shown, proposals, config, config, picture.model, picture.file_name, saved=True)


def _config(options: Any, path: Path) -> AutomaticConfig:
    """The options of the run, as the record at this path has them; those that keep everything if it has none.

    Raises:
        ImageError: they are not options of `AutomaticConfig`.
    """
    if options is None:
        return _FREE
    check_document(options, f"{CONFIG!r} in {path}", Fields(), ImageError)
    try:
        return AutomaticConfig(**options)
    except (TypeError, ConfigError) as error:
        raise ImageError(f"Expected options of AutomaticConfig as {CONFIG!r} in {path}, got: {error}") from error


def _crop(item: Annotation, path: str | os.PathLike[str]) -> Crop:
    """The crop that a mask was found in.

    Raises:
        ImageError: the mask does not come from whole-image segmentation.
    """
    if item.crop is None or item.point is None or item.score is None or item.stability is None:
        raise ImageError(
            f"Expected a record of samhq everything, got {os.fspath(path)}, with masks that lack point_coords, "
            "crop_box or scores. Records of samhq segment are read by samhq write."
        )
    x, y, width, height = map(int, item.crop)
    return x, y, x + width, y + height


def _proposal(item: Annotation, crop: int) -> Proposal:
    height, width = item.size_hw
    changes = runs.changes_of_lengths(rle.run_lengths(item.code))
    assert item.point is not None
    assert item.score is not None
    assert item.stability is not None
    return Proposal(
        crop,
        item.point,
        runs.box(changes, height),
        item.score,
        item.stability,
        changes.astype(np.uint32 if height * width < 1 << 32 else np.int64),
    )


def _image(picture: Picture, path: Path, given: PictureInput | None) -> np.ndarray:
    """The picture's pixels.

    Raises:
        ImageError: it is not there, or of another size.
    """
    named = Path(picture.file_name)
    source = next((place for place in (named, path.parent / named.name) if place.is_file()), None)
    chosen = source if given is None else given
    if chosen is None:
        raise ImageError(
            f"Expected the picture of {path} as {named} or beside it, got none. Give image=, or pixels=False if it is "
            "not needed."
        )
    image = read_image(chosen)
    if image.shape[:2] != picture.size_hw:
        height, width = picture.size_hw
        raise ImageError(
            f"Expected the picture of {path}, {height} x {width} (height x width), got one of {image.shape[0]} x "
            f"{image.shape[1]}. Give image=, or pixels=False if it is not needed."
        )
    return image
