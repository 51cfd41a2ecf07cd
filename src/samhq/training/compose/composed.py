"""Training examples from composed pictures: example `i` is a pure function of the seed and `i`.

Knows nothing about the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from samhq.datasets.sample import Pictures, Sample
from samhq.datasets.weighted import chances
from samhq.errors import ConfigError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.training.compose.canvas import Composite, Kind, Layer
from samhq.training.compose.colour import degraded, recoloured
from samhq.training.compose.cutouts import paste, read_background
from samhq.training.compose.regions import distinct_regions
from samhq.training.compose.thin import draw_thin
from samhq.training.compose.views import ViewWindow, close_window, whole_window, window_canvas
from samhq.training.data import TrainingExample
from samhq.training.kinds import Kind as PromptKind
from samhq.training.prompts import draw_kind, draw_prompt

#: Number of canvases in a row without an object before a data set is refused.
PATIENCE = 200
#: Most annotated objects, and most regions, at the start of a canvas.
_MOST_OBJECTS, _MOST_PARTS = 24, 6
#: Objects with fewer pixels get no prompts.
_FEWEST_PIXELS = 24
#: Relative frequency of prompts by kind of object; larger objects get prompts a little more often.
_ASKED: dict[Kind, float] = {"object": 1.0, "part": 0.45, "cutout": 0.8, "thin": 1.3}
#: Factor for another prompt of the same object.
_AGAIN = 0.25
#: A single click on a part or a thin thing is not clear: this share of them become boxes.
_TO_BOXES = 0.6


@dataclass(frozen=True)
class Composition:
    """How pictures are composed; every share is the probability for one picture.

    `cutouts` and `backgrounds` are files; `source_weights` are relative frequencies of sources. `channels` says how
    backgrounds are shown.
    """

    side: int
    cutouts: Sequence[Path] = ()
    backgrounds: Sequence[Path] = ()
    source_weights: dict[str, float] = field(default_factory=dict)
    flip: float = 0.5
    scale: tuple[float, float] = (0.7, 1.8)
    close: float = 0.4
    pasted: float = 0.4
    thin: float = 0.25
    parts: float = 0.45
    empty: float = 0.07
    """Share of pictures that show only a background, with pasted objects."""
    channels: Channels = AS_SHOWN


@dataclass(frozen=True)
class ComposedPictures:
    """Example `index`: a composed picture, and that many prompts for its objects."""

    pictures: Pictures
    composition: Composition
    prompts: int
    kinds: dict[PromptKind, float]
    seed: int = 0

    def __call__(self, index: int) -> TrainingExample:
        """The example with that number.

        Raises:
            ImageError: a file cannot be read.
            ConfigError: many pictures in a row show no object.
        """
        rng = np.random.default_rng((self.seed, index, self.composition.side))
        for canvas in islice(iter(lambda: self.compose(rng), None), PATIENCE):
            layers = canvas.visible(_FEWEST_PIXELS)
            if layers:
                return self._example(canvas.image, layers, rng)
        raise ConfigError(
            f"Expected objects in the pictures of {self.pictures.name}, got {PATIENCE} composed pictures in a row "
            "without one. Check the annotations, or name another data set."
        )

    def compose(self, rng: np.random.Generator) -> Composite:
        """One canvas with all its objects."""
        composition = self.composition
        empty = bool(composition.backgrounds) and rng.random() < composition.empty
        canvas = self._background(rng) if empty else self._photograph(rng)
        if composition.cutouts and (empty or rng.random() < composition.pasted):
            for _ in range(rng.integers(1, 5)):
                canvas = paste(canvas, composition.cutouts, rng)
        if composition.thin and (empty or rng.random() < composition.thin):
            for _ in range(rng.integers(1, 3)):
                canvas = draw_thin(canvas, self._textures(canvas, rng), rng)
        return canvas.with_image(degraded(canvas.image, rng)).padded()

    def _textures(self, canvas: Composite, rng: np.random.Generator) -> list[np.ndarray]:
        other = [self._background(rng).image] if self.composition.backgrounds else []
        return [canvas.image, *other]

    def _background(self, rng: np.random.Generator) -> Composite:
        files = self.composition.backgrounds
        image = recoloured(read_background(files[int(rng.integers(len(files)))], self.composition.channels), rng)
        return window_canvas(image, [], self._window(image.shape[:2], rng), self.composition.side)

    def _window(self, size_hw: tuple[int, ...], rng: np.random.Generator) -> ViewWindow:
        factor = rng.uniform(*self.composition.scale) if rng.random() < 0.7 else 1.0
        return whole_window((size_hw[0], size_hw[1]), factor, rng)

    def _photograph(self, rng: np.random.Generator) -> Composite:
        sample = self.pictures[int(rng.choice(len(self.pictures), p=self._chances))]
        mirrored = rng.random() < self.composition.flip
        image = np.ascontiguousarray(sample.image[:, ::-1]) if mirrored else sample.image
        masks = self._masks(sample, rng)
        if mirrored:
            masks = [(np.ascontiguousarray(mask[:, ::-1]), kind) for mask, kind in masks]
        window = self._window(image.shape[:2], rng)
        if masks and rng.random() < self.composition.close:
            chance = np.array([_ASKED[kind] for _, kind in masks])
            window = close_window(masks[rng.choice(len(masks), p=chance / chance.sum())][0], rng)
        return window_canvas(recoloured(image, rng), masks, window, self.composition.side, _turn(rng))

    @cached_property
    def _chances(self) -> np.ndarray:
        return chances(self.pictures, tuple(sorted(self.composition.source_weights.items())))

    def _masks(self, sample: Sample, rng: np.random.Generator) -> list[tuple[np.ndarray, Kind]]:
        chosen = rng.permutation(sample.objects)[:_MOST_OBJECTS]
        masks: list[tuple[np.ndarray, Kind]] = [(sample.masks[place], "object") for place in chosen]
        if rng.random() < self.composition.parts:
            regions = distinct_regions(sample.image)
            masks += [(regions[place], "part") for place in rng.permutation(len(regions))[:_MOST_PARTS]]
        return masks

    def _example(self, image: np.ndarray, layers: Sequence[Layer], rng: np.random.Generator) -> TrainingExample:
        chance = np.array([_ASKED[layer.kind] * max(layer.area, 60) ** 0.25 for layer in layers])
        masks, prompts = [], []
        for _ in range(self.prompts):
            layer = layers[place := int(rng.choice(len(chance), p=chance / chance.sum()))]
            chance[place] *= _AGAIN
            kind = draw_kind(self.kinds, rng)
            if kind == "point" and layer.kind in ("part", "thin") and "box" in self.kinds and rng.random() < _TO_BOXES:
                kind = "box"
            prompts.append(draw_prompt(layer.cover >= 128, kind, rng))
            masks.append(layer.cover)
        return TrainingExample(image, prompts, np.stack(masks))


def _turn(rng: np.random.Generator) -> float:
    """Rotation in radians: mostly none, small for a quarter of the pictures, any for a tenth."""
    kind = rng.random()
    if kind < 0.1:
        return float(rng.uniform(0, 2 * np.pi))
    return float(rng.normal(0, 0.12)) if kind < 0.35 else 0.0
