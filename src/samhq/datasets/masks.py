"""Objects from a mask's file: grey, one-bit, with alpha, or a coloured palette with an entry for each object.

Knows nothing about the pictures or data sets that masks belong to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.image.files import open_file
from samhq.image.read import describe, read_image
from samhq.shapes import Bool, UInt8

#: Levels above this, of 0..255, are the object. Source: SysCV/sam-hq, train/utils/dataloader.py and train.py.
THRESHOLD = 128
_LEAST_OF_16 = 257 * (THRESHOLD + 1) - 128  #: The smallest 16-bit value whose level is above the threshold.
_GREY = 32  #: Largest difference between the channels of a grey picture; JPEG tints grey.
_LOSSY = (".jpg", ".jpeg", ".jfif", ".webp")  #: An empty mask in such a file may have low levels.
_VOID = (224, 224, 192)  #: VOC's colour of entry 255, for the rings around its objects.


def read_objects(path: Path) -> Bool[np.ndarray, "K H W"]:
    """The masks in a file, bool [K,H,W]: one, or one for each used colour of a palette.

    - Grey, colour or 16 bits: the first channel above 128 of 255, as published.
    - Only the values 0 and 1: those above 0, because nobody saves an empty mask that way.
    - Transparency: opaque pixels (alpha above 128).
    - A palette with colours, as in DAVIS and VOC, transparent or not: each used entry except 0 is an object, in the
      order of entries; without a used entry there is one empty mask. VOC's entry 255 is void beside other objects. A
      palette of only black and white is a mask like any other.

    Raises:
        ImageError: as `samhq.image.read.read_image`, or numbers that are all small, as in a label map.
    """
    with open_file(path, describe(path)) as file:
        if file.mode[0] in "IF":
            return _deep(np.asarray(file), path)[None]
    shown = read_image(path)
    with open_file(path, describe(path)) as file:
        if file.mode == "P":
            labels, palette = np.asarray(file), _palette(file)
            if _coloured(palette, labels):
                return _entries(labels, tuple(palette[255]) == _VOID)
        if file.has_transparency_data:
            alpha = np.asarray(file.convert("RGBA"))[..., 3]
            if alpha.min() < 255:
                return (alpha > THRESHOLD)[None]
    _check_not_labels(shown[..., 0], path)
    return _above(shown[..., 0])[None]


def _above(levels: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    return levels > (THRESHOLD if levels.max() > 1 else 0)


def _check_not_labels(levels: UInt8[np.ndarray, "H W"], path: Path) -> None:
    """Refuses a lossless file with levels between 1 and the threshold and none above: its objects would be lost."""
    highest = int(levels.max())
    if 1 < highest <= THRESHOLD and path.suffix.lower() not in _LOSSY:
        raise _label_map(f"{highest}", path)


def _label_map(highest: str, path: Path) -> ImageError:
    return ImageError(
        f"Expected a mask of 0/1, 0/255 or 0/65535, got values up to {highest} in {path}, which looks like a label "
        "map. Save a mask for each object, or a palette with colours."
    )


def _deep(values: np.ndarray, path: Path) -> Bool[np.ndarray, "H W"]:
    """The mask from a file with numbers of more than 8 bits."""
    highest, whole = values.max(), values.dtype.kind in "iu"
    if whole and highest <= 1:
        return values > 0
    of_bytes = whole and values.dtype != np.uint16 and highest <= 255
    small = whole and not of_bytes and highest < _LEAST_OF_16
    mask = np.zeros(values.shape, bool) if small else read_image(path)[..., 0] > THRESHOLD
    if highest > 1 and not mask.any():
        raise _label_map(f"{values.max():.6g}", path)
    return mask


def _palette(file: Image.Image) -> UInt8[np.ndarray, "256 3"]:
    known = np.array(file.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return np.concatenate([known, np.zeros((256 - len(known), 3), np.uint8)])


def _coloured(palette: UInt8[np.ndarray, "256 3"], labels: UInt8[np.ndarray, "H W"]) -> bool:
    """Whether entries are objects. The whole palette counts, because a VOC label map may use only a grey entry."""
    used = palette[np.unique(labels)]
    black_and_white = np.isin(used, (0, 255)).all() and not np.ptp(used, axis=1).any()
    return bool(np.ptp(palette, axis=1).max() > _GREY and not black_and_white)


def _entries(labels: UInt8[np.ndarray, "H W"], void: bool) -> Bool[np.ndarray, "K H W"]:
    """A mask for each used entry of a palette; `void` says that entry 255 belongs to no object."""
    used = np.unique(labels[labels > 0])
    if void and len(used) > 1:
        used = used[used < 255]
    return labels == used[:, None, None] if len(used) else np.zeros((1, *labels.shape), bool)
