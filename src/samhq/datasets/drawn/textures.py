"""Random colour textures of many spectra, fast enough to be drawn anew for every object.

A texture is a grey field (noise, stripes, cells, ...) sent through a random palette. The noise comes from banks
that each process makes once from a fixed seed: equal arguments give equal pixels everywhere. Knows nothing about
objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from samhq.datasets.drawn.shapes import Rng, between, chance, count, log_between, pick

BANK_SIDE = 1024
SLOPES = (0.0, 0.5, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2)  #: amplitude falls as frequency ** -slope


@lru_cache(maxsize=1)
def banks() -> tuple[np.ndarray, ...]:
    """Grey noise fields uint8 [1024,1024]: one per slope of `SLOPES`, then cell and leaf mosaics."""
    rng = np.random.default_rng(20240229)
    return (
        *(power_noise(rng, slope) for slope in SLOPES),
        *(cells(rng, n) for n in (150, 1500)),
        *(dead_leaves(rng, low) for low in (3, 8)),
    )


def power_noise(rng: Rng, slope: float) -> np.ndarray:
    """Periodic noise uint8 [1024,1024] whose amplitude spectrum falls as frequency ** -slope."""
    frequency = np.hypot(np.fft.fftfreq(BANK_SIDE)[:, None], np.fft.rfftfreq(BANK_SIDE)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(BANK_SIDE, BANK_SIDE))) * frequency**-slope
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (BANK_SIDE, BANK_SIDE))
    return np.clip(128 + 46 / field.std() * field, 0, 255).astype(np.uint8)


def cells(rng: Rng, number: int) -> np.ndarray:
    """Voronoi cells of random grey uint8 [1024,1024], darker towards their borders."""
    seeds = np.full((BANK_SIDE, BANK_SIDE), 255, np.uint8)
    seeds[tuple(rng.integers(0, BANK_SIDE, (2, number)))] = 0
    far, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    tone = rng.integers(60, 250, int(label.max()) + 1)[label]
    return np.clip(tone - far * (50 / far.mean() * 0.4), 0, 255).astype(np.uint8)


def dead_leaves(rng: Rng, smallest: float) -> np.ndarray:
    """Overlapping ellipses of random grey uint8 [1024,1024], sizes by a power law as in photographs."""
    field = np.full((BANK_SIDE, BANK_SIDE), 128, np.uint8)
    for _ in range(6000):
        size = min(smallest / math.sqrt(max(rng.random(), 1e-4)), 200)
        x, y = rng.integers(0, BANK_SIDE, 2).tolist()
        axes = (int(size), int(size * between(rng, 0.3, 1)))
        cv2.ellipse(field, (x, y), axes, between(rng, 0, 180), 0, 360, int(rng.integers(20, 236)), -1)
    return field


def crop(rng: Rng, field: np.ndarray, h: int, w: int, zoom: float, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """A random window [h,w] of a bank field, each bank pixel `zoom` pixels wide, perhaps flipped."""
    rows, columns = min(max(int(h / zoom), 2), BANK_SIDE), min(max(int(w / zoom), 2), BANK_SIDE)
    if abs(zoom - 1) < 0.25 and max(h, w) <= BANK_SIDE:
        rows, columns = h, w
    y, x = int(rng.random() * (BANK_SIDE - rows + 1)), int(rng.random() * (BANK_SIDE - columns + 1))
    window = field[y : y + rows, x : x + columns]
    if chance(rng, 0.5):
        window = window.T if rows == columns else window[::-1]
    if (rows, columns) != (h, w):
        return cv2.resize(window, (w, h), interpolation=interpolation)
    return np.ascontiguousarray(window)


def power_law_noise(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """Power-law noise uint8 [h,w], sometimes stretched into fur, bark or brushed metal."""
    field = banks()[int(rng.random() ** 0.8 * len(SLOPES))]
    zoom = pick(rng, [1.0, log_between(rng, 0.7, 6 * unit + 0.8)])
    if chance(rng, 0.25):
        stretch = log_between(rng, 2, 12)
        longer = crop(rng, field, h, max(int(w / stretch), 2), zoom)
        return cv2.resize(longer, (w, h), interpolation=cv2.INTER_LINEAR)
    return crop(rng, field, h, w, zoom)


def mosaic(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """Voronoi cells or dead leaves uint8 [h,w]."""
    return crop(rng, pick(rng, banks()[len(SLOPES) :]), h, w, log_between(rng, 0.4, 3 * unit + 0.5))


def phase(rng: Rng, h: int, w: int, period: float, warp: float) -> np.ndarray:
    """A tilted ramp uint8 [h,w] that wraps every `period` pixels, bent by noise of `warp` periods."""
    angle = between(rng, 0, math.pi)
    step = 65536 / period
    columns = np.arange(w, dtype=np.float32) * (step * math.cos(angle))
    rows = np.arange(h, dtype=np.float32) * (step * math.sin(angle)) + 65536 * 64
    ramp = rows.astype(np.int64).astype(np.uint16)[:, None] + (columns.astype(np.int64)).astype(np.uint16)[None]
    if warp > 0:
        bend = crop(rng, banks()[6], h, w, log_between(rng, 0.7, 4))
        ramp = ramp + bend.astype(np.uint16) * np.uint16(min(warp * 256, 65535))
    return (ramp >> 8).astype(np.uint8)


@lru_cache(maxsize=64)
def waveform(kind: str, duty: int) -> np.ndarray:
    """A table uint8 [256] from phase to grey: sine, square, saw or thin lines of `duty`/16."""
    t = np.arange(256) / 256
    if kind == "sine":
        return (127.5 + 127.5 * np.sin(2 * math.pi * t)).astype(np.uint8)
    if kind == "saw":
        return (255 * t).astype(np.uint8)
    return np.clip((duty / 16 - np.abs(t - 0.5) * 2) * 8 * 255 + 128, 0, 255).astype(np.uint8)


def wave(rng: Rng, h: int, w: int, unit: float, warp: float | None = None) -> np.ndarray:
    """Stripes, ripples, wood grain or marble uint8 [h,w]."""
    period = log_between(rng, 3, max(120 * unit, 12))
    bend = warp if warp is not None else pick(rng, [0.0, 0.0, between(rng, 0.2, 1), between(rng, 1, 6)])
    table = waveform(pick(rng, ["sine", "saw", "line", "line"]), count(rng, 2, 12))
    return cv2.LUT(phase(rng, h, w, period, bend), table)


def checks(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """Checks, tiles, bricks, dots or weave uint8 [h,w]: two waves combined."""
    first, second = wave(rng, h, w, unit, 0.0), wave(rng, h, w, unit, 0.0)
    kind = rng.random()
    if kind < 0.5:
        return cv2.max(first, second) if kind < 0.25 else cv2.min(first, second)
    return cv2.bitwise_xor(first, second) if kind < 0.75 else cv2.absdiff(first, second)


def ramp(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """A linear or radial gradient uint8 [h,w]."""
    if chance(rng, 0.5):
        corners = rng.integers(0, 256, (2, 2)).astype(np.uint8)
        return cv2.resize(corners, (w, h), interpolation=cv2.INTER_LINEAR)
    y = np.square(np.linspace(-1, 1, h, dtype=np.float32) + np.float32(between(rng, -1, 1)))
    x = np.square(np.linspace(-1, 1, w, dtype=np.float32) + np.float32(between(rng, -1, 1)))
    return np.minimum((y[:, None] + x[None]) * 80, 255).astype(np.uint8)


def writing(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """Lines of random characters uint8 [h,w]: labels, signs, pages."""
    field = np.full((h, w), int(rng.integers(0, 256)), np.uint8)
    size, ink = log_between(rng, 0.25, 0.3 + 3 * unit), int(rng.integers(0, 256))
    font, bold = count(rng, 0, 7), max(int(size * between(rng, 0.7, 3)), 1)
    for y in range(int(size * 20), h + int(size * 20), max(int(size * between(rng, 28, 60)), 6)):
        text = "".join(map(chr, rng.integers(33, 123, count(rng, 2, 3 + int(w / (15 * size)))).tolist()))
        cv2.putText(field, text, (int(between(rng, -0.1, 0.3) * w), y), font, size, ink, bold, cv2.LINE_AA)
    return field


def uniform(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """One grey uint8 [h,w]."""
    return np.full((h, w), int(rng.integers(0, 256)), np.uint8)


def mixed(rng: Rng, h: int, w: int, unit: float) -> np.ndarray:
    """Two other fields, blended or one chosen by the other."""
    first, second = pick(rng, FIELDS[:-1])(rng, h, w, unit), pick(rng, FIELDS[:-1])(rng, h, w, unit)
    share = between(rng, 0.25, 0.75)
    return cv2.addWeighted(first, share, second, 1 - share, 0) if chance(rng, 0.7) else cv2.max(first, second)


Field = Callable[[Rng, int, int, float], np.ndarray]
FIELDS: tuple[Field, ...] = (
    power_law_noise,
    power_law_noise,
    power_law_noise,
    power_law_noise,
    mosaic,
    wave,
    checks,
    writing,
    ramp,
    ramp,
    uniform,
    mixed,
)


@dataclass(frozen=True)
class Texture:
    """A recipe that several objects may share: a field, a palette uint8 [256,1,3], grain in grey levels."""

    field: Field
    palette: np.ndarray
    grain: float
    seed: int

    def paint(self, h: int, w: int, unit: float) -> np.ndarray:
        """The texture uint8 [h,w,3]; `unit` is the picture's side over 512. The same arguments give the same pixels."""
        rng = np.random.default_rng(self.seed)
        painted = cv2.applyColorMap(self.field(rng, h, w, unit), self.palette)
        if self.grain > 0:
            grain = crop(rng, banks()[pick(rng, [0, 1, 3, 4])], h, w, 1.0)
            grain = cv2.convertScaleAbs(grain, alpha=self.grain / 46, beta=128 * (1 - self.grain / 46))
            painted = cv2.multiply(painted, cv2.merge([grain, grain, grain]), scale=1 / 128)
        return painted


def random_colour(rng: Rng, vivid: float = 1.0) -> np.ndarray:
    """A random RGB colour float [3] in 0..255; most are dull, as in photographs.

    >>> random_colour(np.random.default_rng(0)).shape
    (3,)
    """
    hue = np.clip(np.abs((rng.random() * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    saturation = min(rng.random() ** pick(rng, [0.8, 2.0, 4.0]) * vivid, 1)
    return 255 * (0.04 + 0.94 * rng.random()) * (1 - saturation * (1 - hue))


def colour_ramp(rng: Rng, base: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """A table uint8 [256,1,3] from grey to colour: a faint or strong ramp about `base`, or several colours or steps."""
    kind = rng.random()
    if kind < 0.5:
        spread = log_between(rng, 6, 110)
        ends = base + np.outer([-1, 1], spread * (1 + rng.normal(size=3) * 0.35))
        stops = np.stack([ends[0], base, ends[1]])
    elif kind < 0.85:
        stops = np.stack([base, *(pick(rng, others) + rng.normal(size=3) * 12 for _ in range(count(rng, 1, 3)))])
    else:
        stops = base + rng.normal(size=(count(rng, 3, 12), 3)) * log_between(rng, 10, 70)
    levels = np.arange(256.0)
    if chance(rng, 0.35):
        steps = np.linspace(20, 236, len(stops) + 1)
        table = stops[np.clip(np.searchsorted(steps, levels) - 1, 0, len(stops) - 1)]
    else:
        table = cv2.resize(stops[:, None].astype(np.float32), (1, 256), interpolation=cv2.INTER_LINEAR)[:, 0]
        if kind < 0.2:  # Unevenly spread, so that one colour prevails.
            table = table[(np.minimum(levels / 255, 1) ** log_between(rng, 0.3, 3) * 255).astype(int)]
    return np.clip(table, 0, 255).astype(np.uint8)[:, None]


def random_texture(rng: Rng, base: np.ndarray, others: list[np.ndarray]) -> Texture:
    """A texture about the colour `base`, other colours taken from `others`."""
    grain = log_between(rng, 2, 30) if chance(rng, 0.6) else 0.0
    return Texture(pick(rng, FIELDS), colour_ramp(rng, base, others), grain, int(rng.integers(0, 2**31)))


def related_texture(rng: Rng, like: Texture, shift: float) -> Texture:
    """The texture `like`, its colours moved by about `shift` grey levels and its pattern drawn anew: camouflage."""
    gain = between(rng, 1 - shift / 150, 1 + shift / 150)
    moved = like.palette.astype(np.float64) * gain + rng.normal(size=3) * shift
    return Texture(like.field, np.clip(moved, 0, 255).astype(np.uint8), like.grain, int(rng.integers(0, 2**31)))
