"""Pastes cut-outs (pictures with an alpha channel) in front of a canvas with any rotation, size and light.

Pure functions of their random generator.

Source: copy-paste augmentation, arXiv 2012.07177.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from samhq.errors import ConfigError, ImageError
from samhq.extras import from_extra
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.suffixes import picture_files
from samhq.shapes import UInt8
from samhq.training.augment import HALF
from samhq.training.compose.canvas import Composite
from samhq.training.compose.colour import relit, with_shadow

with from_extra("train", "Composing training pictures"):
    import cv2

#: Pasted objects with fewer pixels are left out.
FEWEST_PIXELS = 24
_ENDINGS = (".png", ".webp", ".tif", ".tiff")
#: Longer side of a pasted object, as a share of the canvas.
_SIZE = (0.10, 0.8)
#: Largest enlargement of a cut-out.
_MOST_ENLARGED = 3.0


def cutout_files(folder: Path) -> list[Path]:
    """The pictures of a folder that may have an alpha channel, sorted by name.

    Raises:
        ConfigError: no such folder, or none in it.
    """
    files = picture_files(folder, _ENDINGS)
    if not files:
        raise ConfigError(
            f"Expected a folder of cut-outs ({', '.join(_ENDINGS)}) with an alpha channel, got {folder} without any. "
            "Name another folder with paste= (--paste)."
        )
    return files


@lru_cache(maxsize=1024)
def read_cutout(path: Path) -> UInt8[np.ndarray, "H W 4"]:
    """A cut-out as uint8 RGBA [H,W,4]; colours are not multiplied by alpha.

    Raises:
        ImageError: it cannot be read, or has no alpha channel.
    """
    try:
        with Image.open(path) as picture:
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                raise ImageError(
                    f"Expected a cut-out with an alpha channel, got {path} of mode {picture.mode}. Save it as an RGBA "
                    "PNG, or take it out of the folder."
                )
            return np.asarray(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(
            f"Expected a cut-out, got {path}, which cannot be read: {error}. Remove or mend it."
        ) from error


@lru_cache(maxsize=256)
def read_background(path: Path, channels: Channels = AS_SHOWN) -> UInt8[np.ndarray, "H W 3"]:
    """A picture without annotations, uint8 RGB, with its channels shown that way.

    Raises:
        ImageError: it cannot be read.
    """
    return channels.read(path)


def paste(canvas: Composite, files: Sequence[Path], rng: np.random.Generator) -> Composite:
    """The canvas with one of the cut-outs in front; unchanged if too little of it would be visible."""
    rgba = read_cutout(files[int(rng.integers(len(files)))])
    placed = _placed(rgba, canvas.side, rng)
    alpha = placed[..., 3] / 255
    solid = alpha > HALF / 255
    if np.count_nonzero(solid) < FEWEST_PIXELS:
        return canvas
    plain = placed[..., :3] / np.maximum(alpha[..., None], 1e-3)
    colour = relit(plain, plain[solid].mean(0), canvas.image[solid].mean(0), rng)
    if rng.random() < 0.3:
        canvas = canvas.with_image(with_shadow(canvas.image, alpha, rng))
    soft = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 0.9)) if rng.random() < 0.4 else None
    return canvas.pasted(colour, alpha, "cutout", soft)


def _placed(rgba: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """The cut-out rotated, scaled and moved, float32 [S,S,4], with colours multiplied by alpha."""
    height, width = rgba.shape[:2]
    target = side * np.exp(rng.uniform(*np.log(_SIZE)))
    ratio = min(target / max(height, width), _MOST_ENLARGED)
    angle = np.deg2rad(rng.uniform(-180, 180) if rng.random() < 0.6 else rng.uniform(-15, 15))
    cos, sin = np.cos(angle) * ratio, np.sin(angle) * ratio
    stretch = rng.uniform(0.75, 1.3) * rng.choice([-1, 1])
    turned = np.array([[cos * stretch, -sin], [sin * stretch, cos]])
    moved = rng.uniform(0.05, 0.95, 2) * side - turned @ np.array([width / 2, height / 2])
    source = rgba.astype(np.float32)
    source[..., :3] *= source[..., 3:] / 255
    soft = cv2.GaussianBlur(source, (0, 0), 0.3 / ratio) if ratio < 0.6 else source
    return cv2.warpAffine(soft, np.c_[turned, moved], (side, side), flags=cv2.INTER_LINEAR)
