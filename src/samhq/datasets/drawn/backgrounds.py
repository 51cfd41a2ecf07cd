"""Random backgrounds: plain, horizon with ground, room, hills, mosaics. Knows nothing about objects or masks."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from samhq.datasets.drawn.camera import lit
from samhq.datasets.drawn.raster import Place, rasterise
from samhq.datasets.drawn.shapes import SOLID, Rng, between, chance, count, log_between, pick
from samhq.datasets.drawn.textures import Texture, banks, crop, random_colour, random_texture, related_texture

Colours = list[np.ndarray]


def background(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """A background uint8 [S,S,3] and a texture like it, for camouflage."""
    image, texture = pick(rng, KINDS)(rng, side, colours)
    if chance(rng, 0.5):
        light = 128 + (rng.random((3, 3)).astype(np.float32) - 0.5) * between(rng, 20, 160)
        image = lit(image, cv2.resize(light, (8, 8), interpolation=cv2.INTER_LINEAR))
    return image, texture


def one_texture(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """One texture all over."""
    texture = random_texture(rng, pick(rng, colours), colours)
    return texture.paint(side, side, side / 512), texture


def horizon(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """Sky or wall above, ground or floor below, the ground's pattern wider towards the viewer."""
    unit, line = side / 512, int(side * between(rng, 0.2, 0.85))
    image, _ = one_texture(rng, side, colours)
    ground = random_texture(rng, pick(rng, colours), colours)
    floor = ground.paint(side, side, unit)
    deep = side - line
    if chance(rng, 0.5):
        near = between(rng, 0.3, 0.9) * side / 2
        corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
        onto = np.array([(0, 0), (side, 0), (side + near * 3, deep), (-near * 3, deep)], np.float32)
        floor = cv2.warpPerspective(floor, cv2.getPerspectiveTransform(corners, onto), (side, deep))
    image[line:] = floor[:deep]
    if chance(rng, 0.3):
        fog = np.abs(np.linspace(-line / side, 1 - line / side, 32))[:, None]
        image = lit(image, np.repeat(128 + between(rng, -60, 80) * np.exp(-fog * 8), 4, 1))
    return image, ground


def hills(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """Layers of ridges one behind another."""
    image, texture = one_texture(rng, side, colours)
    tone = random_texture(rng, pick(rng, colours), colours)
    for level in np.sort(rng.uniform(0.15, 0.95, count(rng, 2, 5))):
        texture = related_texture(rng, tone, 25)
        x = np.linspace(0, side, 40)
        waves = sum(np.sin(x / side * f + rng.random() * 6) / f for f in rng.uniform(3, 40, 5))
        ridge = np.stack([x, (level + waves * between(rng, 0.1, 0.6)) * side], 1)
        outline = np.concatenate([ridge, [(side, side), (0, side)]]).astype(np.int32)
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [outline], 255)
        cv2.copyTo(texture.paint(side, side, side / 512), mask, image)
    return image, texture


def panels(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """A room or a street front: rectangles and slanted planes of different textures."""
    image, texture = one_texture(rng, side, colours)
    for _ in range(count(rng, 2, 7)):
        texture = random_texture(rng, pick(rng, colours), colours)
        (x0, x1), (y0, y1) = np.sort(rng.uniform(-0.2, 1.2, (2, 2)), 1) * side
        slant = rng.normal(size=(4, 2)) * side * pick(rng, [0.0, 0.0, 0.08])
        outline = (np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) + slant).astype(np.int32)
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA)
        cv2.copyTo(texture.paint(side, side, side / 512), mask, image)
    return image, texture


def litter(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """Foliage, gravel or a crowd of leaves in many colours."""
    zoom = log_between(rng, 0.3, 2.5) * side / 512 + 0.2
    # Neighbouring greys get unlike colours, so the greys must not be interpolated; the colours may be.
    field = crop(rng, pick(rng, banks()[-2:]), side, side, zoom, cv2.INTER_NEAREST)
    base = pick(rng, colours)
    spread = log_between(rng, 10, 60)
    table = np.stack(
        [(pick(rng, colours) if chance(rng, 0.2) else base) + rng.normal(size=3) * spread for _ in range(256)]
    )
    palette = np.clip(table, 0, 255).astype(np.uint8)[:, None]
    image = cv2.GaussianBlur(cv2.applyColorMap(field, palette), (0, 0), between(rng, 0.4, 0.8))
    return image, random_texture(rng, base, colours)


def crowd(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """Many overlapping things without names, mostly out of focus: what stands behind a subject."""
    image, texture = one_texture(rng, side, colours)
    for _ in range(count(rng, 4, 15)):
        size = log_between(rng, 0.05, 0.7) * side
        place = Place(side * rng.random(), side * rng.random(), size, between(rng, 0, 6), log_between(rng, 0.4, 2.5))
        cover = rasterise(pick(rng, SOLID)(rng), place, side)
        if cover is not None:
            texture = random_texture(rng, pick(rng, colours), colours)
            window = image[cover.window]
            painted = texture.paint(window.shape[0], window.shape[1], side / 512)
            if chance(rng, 0.5):
                painted = lit(painted, 128 + (rng.random((2, 2)).astype(np.float32) - 0.5) * 160)
            blend(window, painted, cover.whole)
    if chance(rng, 0.8):
        image = cv2.stackBlur(image, (2 * int(log_between(rng, 1.5, 16) * side / 512) + 1,) * 2)
    return image, texture


def blend(window: np.ndarray, painted: np.ndarray, cover: np.ndarray) -> None:
    """Paint over a window of a picture, in place, by coverage 0..255."""
    share = cover.astype(np.float32) * np.float32(1 / 255)
    window[:] = cv2.blendLinear(painted, np.ascontiguousarray(window), share, 1 - share)


def sky(rng: Rng, side: int, colours: Colours) -> tuple[np.ndarray, Texture]:
    """A smooth gradient: sky, studio backdrop, out-of-focus wall."""
    corners = np.stack([random_colour(rng, 0.7) if chance(rng, 0.5) else pick(rng, colours) for _ in range(4)])
    mean = corners.mean(0)
    corners = np.clip(mean + (corners - mean) * between(rng, 0.1, 1), 0, 255).astype(np.uint8).reshape(2, 2, 3)
    image = cv2.resize(corners, (side, side), interpolation=cv2.INTER_LINEAR)
    return image, random_texture(rng, mean, colours)


KINDS: tuple[Callable[[Rng, int, Colours], tuple[np.ndarray, Texture]], ...] = (
    one_texture, one_texture, horizon, horizon, hills, panels, crowd, crowd, litter, sky,
)  # fmt: skip
