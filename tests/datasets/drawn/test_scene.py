"""Scenes: the same everywhere, exact masks, honest thin flags, and as varied as the training needs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest

from samhq.datasets.drawn.assemblies import ASSEMBLED, ASSEMBLED_THIN
from samhq.datasets.drawn.config import SceneConfig
from samhq.datasets.drawn.raster import Place, rasterise
from samhq.datasets.drawn.scene import Scene, draw_scene
from samhq.datasets.drawn.shapes import SOLID, THIN
from samhq.datasets.drawn.textures import FIELDS, Texture

pytest.importorskip("cv2")


SMALL = SceneConfig(side=96)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(seed, SMALL) for seed in range(80)]


def wholes(scene: Scene) -> np.ndarray:
    return scene.masks[scene.parts < 0]


def digest(scene: Scene) -> str:
    return hashlib.sha256(scene.image.tobytes() + scene.masks.tobytes() + scene.parts.tobytes()).hexdigest()


def test_another_process_draws_the_same_pixels() -> None:
    code = (
        "import hashlib; from samhq.datasets.drawn.scene import *\n"
        "for i in (5, 3):\n"
        "    s = draw_scene(i, SceneConfig(side=96))\n"
        "    print(hashlib.sha256(s.image.tobytes() + s.masks.tobytes() + s.parts.tobytes()).hexdigest())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == [digest(draw_scene(seed, SMALL)) for seed in (5, 3)]
    assert out[0] != out[1]


def test_types_and_shapes(scenes: list[Scene]) -> None:
    for scene in scenes:
        masks = len(scene.masks)
        assert scene.image.shape == (96, 96, 3)
        assert scene.image.dtype == np.uint8
        assert scene.masks.shape == (masks, 96, 96)
        assert scene.masks.dtype == bool
        assert scene.thin.shape == scene.parts.shape == (masks,)
        assert scene.thin.dtype == bool
        assert scene.parts.dtype == np.int64


@pytest.mark.parametrize("side", [48, 160, 257])
def test_any_side_can_be_drawn(side: int) -> None:
    scene = draw_scene(11, SceneConfig(side=side))
    assert scene.image.shape == (side, side, 3)
    assert scene.masks.any((1, 2)).all()


def test_every_mask_is_large_enough_to_ask_for(scenes: list[Scene]) -> None:
    assert min(int(mask.sum()) for scene in scenes for mask in scene.masks) >= SMALL.smallest


def test_whole_objects_never_share_a_pixel(scenes: list[Scene]) -> None:
    assert max(int(wholes(scene).sum(0).max()) for scene in scenes) == 1


def test_parts_lie_inside_their_whole_and_apart(scenes: list[Scene]) -> None:
    seen = 0
    for scene in scenes:
        for parent in np.unique(scene.parts[scene.parts >= 0]):
            assert scene.parts[parent] == -1
            pieces = scene.masks[scene.parts == parent]
            assert not (pieces & ~scene.masks[parent]).any()
            assert pieces.sum(0).max() == 1
            assert len(pieces) <= SMALL.parts
            assert pieces.sum((1, 2)).max() < scene.masks[parent].sum()
            seen += len(pieces)
    assert seen > 50


def test_a_mask_is_where_the_object_was_painted() -> None:
    """Without a camera's and a neighbour's doing, the picture changes its colours at the mask's edge."""
    config = SceneConfig(side=128, objects=(1, 1), thin=0, camouflage=0, size=(0.3, 0.6))
    stronger = []
    for seed in range(60):
        scene = draw_scene(seed, config)
        mask = scene.masks[0].astype(np.uint8)
        soft = cv2.GaussianBlur(scene.image, (0, 0), 0.8).astype(np.float32)
        slope = np.hypot(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)).sum(2)
        rim = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        moved = np.roll(rim, (9, 9), (0, 1)) & ~rim
        stronger.append(slope[rim].mean() > slope[moved].mean())
    assert np.mean(stronger) > 0.85


def test_thin_masks_vanish_under_erosion_and_thick_ones_stay(scenes: list[Scene]) -> None:
    """Erosion by 3 % of the side takes nearly all of a thin mask; by one pixel, never the most of a thick one."""
    config = SceneConfig(side=256, thin=0.5)
    thin_left, thick_left = [], []
    for seed in range(25):
        scene = draw_scene(seed, config)
        for mask, thin in zip(scene.masks.astype(np.uint8), scene.thin, strict=True):
            framed = cv2.copyMakeBorder(mask, 8, 8, 8, 8, cv2.BORDER_CONSTANT)
            if thin:
                disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
                thin_left.append(cv2.erode(framed, disc).sum() / mask.sum())
            else:
                thick_left.append(cv2.erode(framed, np.ones((3, 3), np.uint8)).sum() / mask.sum())
    assert len(thin_left) > 20
    assert len(thick_left) > 20
    assert np.mean(thin_left) < 0.08
    assert max(thin_left) < 0.4
    assert min(thick_left) > 0.4


def test_thin_strokes_of_a_pixel_or_two_exist_at_every_side() -> None:
    for side in (96, 256):
        config = SceneConfig(side=side, thin=1.0, assembled=0.0)
        widths = []
        for seed in range(20):
            for mask in draw_scene(seed, config).masks:
                widths.append(4 * cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)[mask].mean() - 2)
        assert min(widths) < 2.5


def test_sizes_spread_from_specks_to_most_of_the_picture(scenes: list[Scene]) -> None:
    sizes = []
    for scene in scenes:
        for mask in wholes(scene):
            rows, columns = np.nonzero(mask)
            sizes.append(max(np.ptp(rows), np.ptp(columns)) + 1)
    shares = np.array(sizes) / 96
    assert np.quantile(shares, 0.1) < 0.12
    assert np.quantile(shares, 0.9) > 0.45
    assert shares.max() < 0.95
    assert 0.15 < np.mean((shares > 0.1) & (shares < 0.3)) < 0.7


def test_some_objects_are_cut_by_the_border(scenes: list[Scene]) -> None:
    border = np.ones((96, 96), bool)
    border[1:-1, 1:-1] = False
    cut = np.mean([bool((mask & border).any()) for scene in scenes for mask in wholes(scene)])
    assert 0.05 < cut < 0.6


def spectral_slope(image: np.ndarray) -> float:
    """Minus the slope of log amplitude over log frequency; photographs have about 1."""
    grey = image.astype(np.float64).mean(2)
    window = np.hanning(len(grey))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(window, window))) ** 2
    frequency = np.hypot(np.fft.fftfreq(len(grey))[:, None], np.fft.fftfreq(len(grey))[None])
    edges = np.geomspace(3 / len(grey), 0.5, 9)
    rings = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(edges)]
    return -float(np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), 0.5 * np.log(np.array(rings) + 1e-9), 1)[0])


def test_spectra_spread_about_those_of_photographs(scenes: list[Scene]) -> None:
    slopes = np.array([spectral_slope(scene.image) for scene in scenes])
    assert 0.7 < np.median(slopes) < 1.7
    assert np.quantile(slopes, 0.05) < 0.8
    assert np.quantile(slopes, 0.95) > 1.5


def test_tones_spread_and_are_not_clipped(scenes: list[Scene]) -> None:
    means = np.array([scene.image.mean() for scene in scenes])
    assert means.std() > 20
    assert 70 < np.median(means) < 170
    assert np.mean([((s.image == 0) | (s.image == 255)).mean() for s in scenes]) < 0.2


def test_whole_objects_hold_several_colours(scenes: list[Scene]) -> None:
    """Following one colour must not be enough: many objects vary as much inside as the picture does."""
    ratios = []
    for scene in scenes:
        for mask in wholes(scene):
            if mask.sum() > 200:
                ratios.append(scene.image[mask].std(0).mean() / (scene.image.reshape(-1, 3).std(0).mean() + 1))
    assert np.mean(np.array(ratios) > 0.7) > 0.25
    assert np.mean(np.array(ratios) < 0.4) > 0.1


@pytest.mark.parametrize("family", sorted({*SOLID, *THIN, *ASSEMBLED, *ASSEMBLED_THIN}, key=lambda f: f.__name__))
def test_every_family_draws_about_the_size_asked_for(family) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    for _ in range(15):
        cover = rasterise(family(rng), Place(100, 100, 120.0, turn=rng.random() * 6), 200)
        assert cover is not None
        rows, columns = np.nonzero(cover.whole > 127)
        # Strokes drawn a pixel or two wide, or with widest points inside, may fall short or stand out a little.
        assert 55 < max(np.ptp(rows), np.ptp(columns)) + 1 <= 126


@pytest.mark.parametrize("field", sorted(set(FIELDS), key=lambda f: f.__name__))
def test_every_field_fills_its_window_and_repeats(field) -> None:  # type: ignore[no-untyped-def]
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2)
    for h, w in ((2, 2), (7, 130), (64, 48)):
        painted = Texture(field, grey, 5.0, 9).paint(h, w, 0.25)
        assert painted.shape == (h, w, 3)
        assert np.array_equal(painted, Texture(field, grey, 5.0, 9).paint(h, w, 0.25))
