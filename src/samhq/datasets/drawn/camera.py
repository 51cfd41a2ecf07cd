"""Effects of a camera on a drawn picture: blur, light fall-off, colour cast, tone, noise, compression.

All functions take and return uint8 [H,W,3]; nothing moves, so masks stay exact. Knows nothing about objects.
"""

from __future__ import annotations

import cv2
import numpy as np

from samhq.datasets.drawn.shapes import Rng, between, chance, count, log_between, pick
from samhq.datasets.drawn.textures import banks, crop


def photograph(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The picture after a random camera."""
    unit = image.shape[0] / 512
    if chance(rng, 0.4):
        image = vignetted(rng, image)
    image = graded(rng, image)
    if chance(rng, 0.35):
        image = softened(rng, image, unit)
    if chance(rng, 0.7):
        image = noisy(rng, image)
    if chance(rng, 0.12):
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return jpeg_compressed(rng, image) if chance(rng, 0.5) else image


def vignetted(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The picture with darker corners or one darker side."""
    coarse = np.linspace(-1, 1, 16, dtype=np.float32) + np.float32(between(rng, -0.4, 0.4))
    other = np.linspace(-1, 1, 16, dtype=np.float32) + np.float32(between(rng, -0.4, 0.4))
    light = 128 * np.clip(1.1 - between(rng, 0.1, 0.45) * (coarse[:, None] ** 2 + other[None] ** 2), 0.1, 1.6)
    return lit(image, light)


def lit(image: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The picture times a light map of any size, in which 128 changes nothing."""
    light = np.clip(light, 0, 255).astype(np.uint8)
    full = cv2.resize(light, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, cv2.merge([full, full, full]), scale=1 / 128)


def graded(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The picture with another white balance, saturation, gamma, contrast and black point."""
    cast = np.exp(rng.normal(size=3) * pick(rng, [0.03, 0.08, 0.2]))
    if chance(rng, 0.6):
        grey, keep = np.array([[0.3, 0.59, 0.11]]), between(rng, 0.15, 1.15)
        image = cv2.transform(image, (keep * np.eye(3) + (1 - keep) * np.repeat(grey, 3, 0)) * cast[:, None])
        cast = np.ones(3)
    t = np.linspace(0, 1, 256) ** exposure(rng, image)
    contrast = log_between(rng, 0.25, 0.8) if chance(rng, 0.12) else between(rng, 0.75, 1.3)
    t = 0.5 + (t - 0.5) * contrast + between(rng, -0.12, 0.12)
    table = np.clip(t[:, None] * cast * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[:, None])


def exposure(rng: Rng, image: np.ndarray) -> float:
    """The gamma of a camera that meters: it brings the mean near mid-grey, mostly."""
    if chance(rng, 0.2):
        return float(np.exp(rng.normal() * 0.3))
    mean = min(max(sum(cv2.mean(image)[:3]) / 765, 0.02), 0.98)
    target = min(max(0.45 + 0.12 * rng.normal(), 0.12), 0.85)
    return min(max(float(np.log(target) / np.log(mean)), 0.35), 2.5)


def softened(rng: Rng, image: np.ndarray, unit: float) -> np.ndarray:
    """The picture slightly blurred, sharpened, or enlarged from fewer pixels."""
    kind, h, w = rng.random(), *image.shape[:2]
    if kind < 0.4:
        return cv2.GaussianBlur(image, (0, 0), between(rng, 0.4, 0.7 + 0.8 * unit))
    if kind < 0.75:
        soft = cv2.GaussianBlur(image, (0, 0), between(rng, 0.6, 0.8 + unit))
        gain = between(rng, 0.2, 1.2)
        return cv2.addWeighted(image, 1 + gain, soft, -gain, 0)
    scale = between(rng, 0.5, 0.9)
    small = cv2.resize(image, (max(int(w * scale), 8), max(int(h * scale), 8)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=pick(rng, [cv2.INTER_LINEAR, cv2.INTER_CUBIC]))


def noisy(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The picture with sensor noise: even or growing with the light, fine or coarse, in colour or grey."""
    h, w = image.shape[:2]
    level, zoom = log_between(rng, 1, 22) / 46, pick(rng, [1.0, 1.0, 1.0, between(rng, 1.3, 2.5)])
    grains = [crop(rng, banks()[0], h, w, zoom) for _ in range(1 if chance(rng, 0.3) else 3)]
    grain = cv2.merge(grains * (3 // len(grains)))
    if chance(rng, 0.5):
        return cv2.addWeighted(image, 1.0, grain, level, -128 * level)
    return cv2.multiply(image, cv2.convertScaleAbs(grain, alpha=level, beta=128 * (1 - level)), scale=1 / 128)


def jpeg_compressed(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The picture after JPEG compression of quality 25 to 95."""
    quality = count(rng, 25, 95)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # It was encoded above.
    return decoded
