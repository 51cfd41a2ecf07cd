"""A whole-image result read again from its record, to be looked at, saved or filtered without a network.

Knows nothing of commands or networks.

Source: segment-anything, README, "Dataset", for the files of SA-1B, which are read too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.formats.annotation import Annotation, Picture
from samhq.formats.metadata import CONFIG
from samhq.formats.sa1b import read_sa1b
from samhq.image.crops import Crop
from samhq.image.read import read_image
from samhq.inference.automatic import AutomaticConfig, Proposal, Proposals
from samhq.inference.everything import Everything
from samhq.masks import rle, runs

#: What is known of masks whose record does not say how they were chosen: all that there is may be asked for.
_FREE = AutomaticConfig(pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0, crop_nms_thresh=1.0)


def load_everything(path: str | os.PathLike[str], image: Any = None, *, pixels: bool = True) -> Everything:
    """What `samhq everything` or `Everything.save` wrote as `STEM.json`, with the masks in their order.

    `filter` works on the masks that the record holds, so thresholds can be made stricter, not looser than they were;
    a record without them, such as SA-1B's own, allows any. `image` is the picture, as `samhq.image.read.read_image`
    takes it; by default the file that the record names, as it says or beside the record. Without `pixels` no picture
    is read and the result's `image` is black, at no cost.

    Raises:
        ImageError: the file cannot be read or is another kind of record; the picture is not there, or of another size.
    """
    picture = read_sa1b(path)
    config = _config(Path(path))
    crops = list(dict.fromkeys(_crop(item, path) for item in picture.annotations))
    rows = [_proposal(item, crops.index(_crop(item, path))) for item in picture.annotations]
    proposals = Proposals.of(picture.size_hw, crops or [(0, 0, *picture.size_hw[::-1])], rows)
    shown = _image(picture, Path(path), image) if pixels else np.broadcast_to(np.uint8(0), (*picture.size_hw, 3))
    return Everything(shown, proposals, config, config, picture.model, picture.file_name, saved=True)


def _config(path: Path) -> AutomaticConfig:
    """What the record says was asked.

    Raises:
        ImageError: it means nothing.
    """
    said = json.loads(path.read_text(encoding="utf-8")).get(CONFIG)
    try:
        return _FREE if said is None else AutomaticConfig(**said)
    except (TypeError, ConfigError) as error:
        raise ImageError(f"Expected options of AutomaticConfig as {CONFIG!r} in {path}, got: {error}") from error


def _crop(item: Annotation, path: str | os.PathLike[str]) -> Crop:
    """Where a mask was looked for.

    Raises:
        ImageError: it is no mask of whole-image segmentation.
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


def _image(picture: Picture, path: Path, given: Any) -> np.ndarray:
    """The picture's pixels.

    Raises:
        ImageError: it is not there, or of another size.
    """
    named = Path(picture.file_name)
    source = next((place for place in (named, path.parent / named.name) if place.is_file()), None)
    if given is None and source is None:
        raise ImageError(
            f"Expected the picture of {path} as {named} or beside it, got none. Give image=, or pixels=False if it is "
            "not needed."
        )
    image = read_image(source if given is None else given)
    if image.shape[:2] != picture.size_hw:
        height, width = picture.size_hw
        raise ImageError(
            f"Expected the picture of {path}, {height} x {width} (height x width), got one of {image.shape[0]} x "
            f"{image.shape[1]}. Give image=, or pixels=False if it is not needed."
        )
    return image
