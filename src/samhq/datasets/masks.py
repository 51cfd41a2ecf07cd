"""Objects from a mask's file: grey, one-bit, with alpha, or a coloured palette with an entry for each object.

Knows nothing about pictures beside their masks, nor about data sets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from samhq.image.read import read_image
from samhq.shapes import Bool, UInt8

#: Levels above this are the object, of 0..255. Source: SysCV/sam-hq, train/utils/dataloader.py and train.py.
THRESHOLD = 128
_GREY = 32  #: how far the channels of a grey picture may lie apart; JPEG tints


def read_objects(path: Path) -> Bool[np.ndarray, "K H W"]:
    """The masks in a file, bool [K,H,W]: one, or one for each colour of a palette that is used.

    * grey, colour or 16 bits: the first channel, above 128 of 255, as published;
    * values of 0 and 1 alone: above 0, since nobody means an empty mask by them;
    * transparency: what is opaque (alpha above 128);
    * a palette with colours, as DAVIS and VOC have them: each entry in use but 0 is an object, in the order of entries;
      none in use gives one empty mask.

    Raises:
        ImageError: as `samhq.image.read.read_image`.
    """
    shown = read_image(path)
    with Image.open(path) as file:  # read_image has read it whole, so that it can be opened
        if file.has_transparency_data:
            alpha = np.asarray(file.convert("RGBA"))[..., 3]
            if alpha.min() < 255:
                return (alpha > THRESHOLD)[None]
        if file.mode == "P" and np.ptp(shown, axis=2).max() > _GREY:
            return _entries(np.asarray(file))
    return _above(shown[..., 0])[None]


def _above(levels: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    return levels > (THRESHOLD if levels.max() > 1 else 0)


def _entries(labels: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "K H W"]:
    used = np.unique(labels[labels > 0])
    return labels == used[:, None, None] if len(used) else np.zeros((1, *labels.shape), bool)


def write_mask(path: Path, mask: Bool[np.ndarray, "H W"]) -> None:
    """Writes a mask as PNG of 0 and 255, whole or not at all.

    Raises:
        OSError: the folder cannot be made or written.
    """
    from samhq.atomic import whole_file

    with whole_file(path) as part:
        Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(part, format="PNG")
