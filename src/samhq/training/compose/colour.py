"""Changes of colour and quality as from cameras, screens and files. Masks do not change.

Pure functions of their random generator.
"""

from __future__ import annotations

import numpy as np

from samhq.extras import from_extra
from samhq.shapes import UInt8

with from_extra("train", "Composing training pictures"):
    import cv2


def recoloured(image: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """The picture with another contrast, brightness, white balance and saturation; unchanged in three of ten cases."""
    if rng.random() >= 0.7:
        return image
    changed = (image.astype(np.float32) - 127) * rng.uniform(0.75, 1.25) + 127 + rng.uniform(-22, 22)
    changed *= rng.normal(1, 0.05, 3).astype(np.float32)
    grey = changed.mean(2, keepdims=True)
    return np.clip(grey + (changed - grey) * rng.uniform(0.5, 1.4), 0, 255).astype(np.uint8)


def degraded(image: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """The picture from a worse camera or file: grey or inverted, blurred, noisy, JPEG; mostly unchanged."""
    kind = rng.random()
    if kind < 0.08:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    elif kind < 0.11:
        image = 255 - image
    if rng.random() < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 10), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))])
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(image)


def relit(
    colour: np.ndarray, object_colour: np.ndarray, place_colour: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Colours [...,3] of a pasted object, moved some way towards the light of its new place.

    `object_colour` and `place_colour` are the mean colours (0..255) of the object and of the place.
    """
    gain, pull = rng.uniform(0.6, 1.25), rng.uniform(0, 0.35)
    tint = rng.normal(1, 0.06, 3)
    return np.clip(colour * gain * tint + (place_colour - object_colour) * pull, 0, 255)


def with_shadow(
    image: UInt8[np.ndarray, "S S 3"], alpha: np.ndarray, rng: np.random.Generator
) -> UInt8[np.ndarray, "S S 3"]:
    """The picture with the soft shadow of an object with that cover, a little beside it."""
    side = len(image)
    right, down = rng.normal(0, 0.02, 2) * side
    moved = cv2.warpAffine(alpha.astype(np.float32), np.array([[1, 0, right], [0, 1, down]]), (side, side))
    soft = cv2.GaussianBlur(moved, (0, 0), side * rng.uniform(0.004, 0.02))
    return (image * (1 - soft[..., None] * rng.uniform(0.15, 0.5))).astype(np.uint8)
