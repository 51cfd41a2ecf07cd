"""Pictures of results: masks and their prompts drawn over a photograph, and cut-outs.

Colours are distinguishable for colour-blind people, and clicks differ in shape as well as in colour. Knows only arrays
of pixels, in image coordinates; nothing of models or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from samhq.errors import ImageError
from samhq.image.boxes import boxes_from_masks
from samhq.image.read import as_array
from samhq.options import real_number
from samhq.shapes import UInt8

#: Source: M. Okabe and K. Ito, Color Universal Design, 2008; their palette without black, bright ones first.
PALETTE = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (213, 94, 0), (0, 114, 178))
_GREEN, _RED = (30, 200, 90), (225, 45, 45)
_SMOOTH = 4  #: Markers are drawn this much larger and then reduced, for smooth edges.


def colour(index: int) -> tuple[int, int, int]:
    """The RGB colour of the mask with this number: seven hues, then the same hues lighter, then darker.

    >>> colour(0), colour(7)
    ((86, 180, 233), (162, 213, 242))
    """
    base = PALETTE[index % len(PALETTE)]
    shade = index // len(PALETTE) % 3
    if shade == 0:
        return base
    paper, weight = (255, 0.45) if shade == 1 else (0, 0.35)
    red, green, blue = (int(level + (paper - level) * weight) for level in base)
    return red, green, blue


def overlay(
    image: UInt8[np.ndarray, "H W 3"],
    masks: Any,
    points: Any = None,
    labels: Any = None,
    boxes: Any = None,
    alpha: float = 0.5,
    numbers: Sequence[int] | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of the picture with every mask tinted and outlined, and the prompts on top.

    `masks` is bool [K,H,W] or [H,W]. Mask i has the colour `colour(i)`, or `colour(numbers[i])`; small masks are drawn
    over large ones. `points` [N,2] (x, y) with `labels` [N] are drawn as green stars (1, or no labels) and red dots
    (0). `boxes` [B,4] (x0, y0, x1, y1) have the colours of the masks if there are as many boxes as masks. `alpha` is
    the strength of the tint.

    >>> overlay(np.zeros((9, 9, 3), np.uint8), np.ones((1, 9, 9), bool))[4, 4].tolist()
    [43, 90, 117]

    Raises:
        ImageError: not uint8 [H,W,3], or masks that are not bool of its size.
        ConfigError: `alpha` outside 0..1.
    """
    stack = _checked(image, masks)
    alpha = real_number("alpha", alpha, 0, 1)
    canvas, width = image.copy(), line_width(image.shape[:2])
    frames = boxes_from_masks(stack)
    for index in np.argsort([-np.count_nonzero(mask) for mask in stack], kind="stable"):
        number = int(index) if numbers is None else numbers[index]
        _tint(canvas, stack[index], frames[index], colour(number), alpha, width)
    if boxes is not None:
        _draw_boxes(canvas, as_array(boxes).reshape(-1, 4), len(stack), width)
    if points is not None:
        xy = as_array(points).reshape(-1, 2)
        _draw_points(canvas, xy, np.ones(len(xy)) if labels is None else as_array(labels).reshape(-1))
    return canvas


def cutout(image: UInt8[np.ndarray, "H W 3"], mask: Any, crop: bool = False) -> UInt8[np.ndarray, "h w 4"]:
    """The object as RGBA: alpha 255 on the bool mask [H,W], all zeros elsewhere; cut to the mask's box if `crop`.

    An empty mask has no box and gives the whole picture, all transparent.

    >>> cutout(np.full((4, 4, 3), 7, np.uint8), np.eye(4, dtype=bool)[:, :2], crop=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    samhq.errors.ImageError: Expected bool masks of the picture's size [4, 4], got bool [4, 2]. ...

    Raises:
        ImageError: not uint8 [H,W,3], or a mask that is not bool of its size.
    """
    (region,) = _checked(image, as_array(mask)[None])
    picture = np.zeros((*region.shape, 4), np.uint8)
    picture[..., :3] = np.where(region[..., None], image, 0)
    picture[..., 3] = region * np.uint8(255)
    if not crop or not region.any():
        return picture
    x0, y0, x1, y1 = boxes_from_masks(region)
    return np.ascontiguousarray(picture[y0 : y1 + 1, x0 : x1 + 1])


def line_width(size_hw: tuple[int, ...]) -> int:
    """The width of lines in a picture of this size: 1 to 3 pixels.

    >>> line_width((480, 640))
    2
    """
    return min(3, max(1, round(math.sqrt(size_hw[0] * size_hw[1]) / 300)))


def _checked(image: np.ndarray, masks: Any) -> np.ndarray:
    """Masks as bool [K,H,W]."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"Expected a picture of uint8 values [H, W, 3], got {image.dtype} {list(image.shape)}. "
            "Read it with samhq.image.read.read_image."
        )
    stack = as_array(masks)
    stack = stack[None] if stack.ndim == 2 else stack
    if stack.dtype != np.bool_ or stack.ndim != 3 or stack.shape[1:] != image.shape[:2]:
        raise ImageError(
            f"Expected bool masks of the picture's size {list(image.shape[:2])}, got {stack.dtype} "
            f"{list(stack.shape[1:])}. Pass `logits > 0`, [K, H, W]."
        )
    return stack


def _tint(
    canvas: np.ndarray, mask: np.ndarray, box: np.ndarray, rgb: tuple[int, int, int], alpha: float, width: int
) -> None:
    """Fills and outlines one mask in place; changes only its box and the dark rim around it."""
    x0, y0, x1, y1 = box.tolist()
    window = slice(max(0, y0 - 1), y1 + 2), slice(max(0, x0 - 1), x1 + 2)
    region, part = mask[window], canvas[window]
    outside = ~region
    for step in range(width):
        outside = _grown(outside, corners=step % 2 == 1, beyond=True)
    for channel, level in enumerate(rgb):  # A lookup table per channel is much faster than masked arithmetic.
        tinted = (np.arange(256) * (1 - alpha) + level * alpha + 0.5).astype(np.uint8)
        np.copyto(part[..., channel], tinted.take(part[..., channel]), where=region)
    part[_pixels_of(region & outside)] = [level + (255 - level) // 3 for level in rgb]
    part[_pixels_of(_grown(region, corners=True, beyond=False) & ~region)] //= 2


def _pixels_of(few: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the true pixels; for few pixels in a large mask ten times as fast as indexing by mask."""
    rows, columns = np.divmod(np.flatnonzero(few), few.shape[1])
    return rows, columns


def _grown(mask: np.ndarray, corners: bool, beyond: bool) -> np.ndarray:
    """The mask and its neighbours, diagonal ones too if `corners`. Pixels past the border count as `beyond`."""
    padded = np.pad(mask, 1, constant_values=beyond)
    middle = padded[1:-1] | padded[:-2] | padded[2:]
    if corners:
        return middle[:, 1:-1] | middle[:, :-2] | middle[:, 2:]
    return middle[:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _draw_boxes(canvas: np.ndarray, boxes: np.ndarray, masks: int, width: int) -> None:
    for index, box in enumerate(boxes.tolist()):
        x0, y0, x1, y1 = (round(value) for value in box)
        corners = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        _draw_frame(canvas, (corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1), (0, 0, 0), width + 2)
        _draw_frame(canvas, corners, colour(index) if len(boxes) == masks else _GREEN, width)


def _draw_frame(canvas: np.ndarray, box: tuple[int, int, int, int], rgb: tuple[int, int, int], width: int) -> None:
    """Draws a rectangle's border in place, inside its corners (last pixel included), where the picture is."""
    x0, y0, x1, y1 = box
    for left, top, right, bottom in (
        (x0, y0, x1 + 1, y0 + width),
        (x0, y1 + 1 - width, x1 + 1, y1 + 1),
        (x0, y0, x0 + width, y1 + 1),
        (x1 + 1 - width, y0, x1 + 1, y1 + 1),
    ):
        canvas[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = rgb


def _draw_points(canvas: np.ndarray, points: np.ndarray, labels: np.ndarray) -> None:
    radius = max(5, round(math.sqrt(canvas.shape[0] * canvas.shape[1]) / 55))
    for (x, y), label in zip(points.tolist(), labels.tolist(), strict=True):
        marker = _marker(round(radius * 1.25), star=True) if label else _marker(round(radius * 0.8), star=False)
        left, top = round(x + 0.5 - marker.width / 2), round(y + 0.5 - marker.height / 2)
        part = canvas[max(0, top) : max(0, top + marker.height), max(0, left) : max(0, left + marker.width)]
        if part.size:
            picture = Image.fromarray(part)
            picture.paste(marker, (min(0, left), min(0, top)), marker)
            part[:] = np.asarray(picture)


def _marker(radius: int, star: bool) -> Image.Image:
    """A green five-pointed star or a red dot with a white border, RGBA, `2 * radius + 1` pixels a side."""
    side = (2 * radius + 1) * _SMOOTH
    marker = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    pen = ImageDraw.Draw(marker)
    border = max(1.0, radius / 5) * _SMOOTH
    for reach, fill in ((side / 2 - 1, (255, 255, 255)), (side / 2 - 1 - border * (1.6 if star else 1), None)):
        if star:
            pen.polygon(_star(side / 2, reach), fill or _GREEN)
        else:
            pen.ellipse((side / 2 - reach, side / 2 - reach, side / 2 + reach, side / 2 + reach), fill or _RED)
    return marker.resize((side // _SMOOTH,) * 2, Image.Resampling.BOX)


def _star(centre: float, reach: float) -> list[tuple[float, float]]:
    """Corners of a star that points up."""
    arms = ((math.pi * k / 5, reach if k % 2 == 0 else reach * 0.45) for k in range(10))
    return [(centre + r * math.sin(angle), centre - r * math.cos(angle)) for angle, r in arms]
