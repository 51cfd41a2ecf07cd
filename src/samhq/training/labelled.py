"""Training examples from a data set: the order of pictures, their views, their prompts.

Example `i` is a pure function of the seed and `i`. Each epoch has a new order. A view comes from its own generator, or
is one of a few fixed copies. Knows nothing about the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from samhq.datasets.sample import Pictures, Sample
from samhq.errors import ConfigError
from samhq.storage import digest
from samhq.training.augment import HALF, Augmentation, AugmentedView, augment
from samhq.training.config import TrainConfig
from samhq.training.data import Features, TrainingExample
from samhq.training.kinds import Kind, parse_kinds
from samhq.training.prompts import TrainingPrompt, draw_kind, draw_prompt

#: Number of pictures in a row without an object before a data set is refused.
PATIENCE = 200

#: From (picture, copy) to its view and features; None for a view without objects.
Stored = Callable[[int, int], tuple[np.ndarray, Features] | None]


@dataclass(frozen=True)
class PromptDrawing:
    """The settings by which prompts for a view are drawn."""

    prompts: int
    kinds: dict[Kind, float]
    clicks: int = 10
    published: bool = False

    @classmethod
    def of(cls, config: TrainConfig) -> PromptDrawing:
        """The settings in a run's configuration."""
        return cls(config.prompts_per_picture, parse_kinds(config.kinds), config.clicks, config.published)

    def draw(
        self, image: np.ndarray | None, cover: np.ndarray, rng: np.random.Generator, features: Features | None = None
    ) -> TrainingExample:
        """An example with prompts for different objects if possible; `cover` uint8 [K,S,S] has at least one object."""
        rounds = -(-self.prompts // len(cover))
        owners = np.concatenate([rng.permutation(len(cover)) for _ in range(rounds)])[: self.prompts]
        masks = [cover[owner] >= HALF for owner in owners]
        prompts = [draw_prompt(mask, draw_kind(self.kinds, rng), rng, self.clicks) for mask in masks]
        if not self.published:
            return TrainingExample(image, prompts, cover[owners], features)
        spare = [self._spare(mask, prompt, rng) for mask, prompt in zip(masks, prompts, strict=True)]
        short = any(int(mask.sum()) < self.clicks for mask in masks)
        return TrainingExample(image, prompts, cover[owners], features, spare, short)

    def _spare(self, mask: np.ndarray, prompt: TrainingPrompt, rng: np.random.Generator) -> TrainingPrompt:
        """The substitute for a prompt of clicks: the published training removes clicks from a whole batch."""
        others = {kind: share for kind, share in self.kinds.items() if kind != "clicks"}
        total = sum(others.values())
        if not len(prompt.labels) or not others:
            return prompt
        return draw_prompt(mask, draw_kind({kind: share / total for kind, share in others.items()}, rng), rng)


@dataclass(frozen=True)
class LabelledPictures:
    """Example `index` of a data set; `copies` fixed views of each picture, or a new view each time for 0."""

    pictures: Pictures
    augmentation: Augmentation
    drawing: PromptDrawing
    seed: int = 0
    copies: int = 0
    stored: Stored | None = None

    def __call__(self, index: int) -> TrainingExample:
        """The example with that number; a view without objects is replaced by the next picture's.

        Raises:
            ImageError: a picture cannot be read.
            ConfigError: many pictures in a row have no object.
        """
        rng = np.random.default_rng((self.seed, index))
        for picture, copy in islice(self._from(index), PATIENCE):
            example = self._try(picture, copy, index, rng)
            if example is not None:
                return example
        raise ConfigError(
            f"Expected objects in the pictures of {self.pictures.name}, got {PATIENCE} pictures in a row without one "
            "large enough for prompts. Check the annotations with `samhq data check`, or name another data set."
        )

    def _try(self, picture: int, copy: int, index: int, rng: np.random.Generator) -> TrainingExample | None:
        if self.stored is not None:
            kept = self.stored(picture, copy)
            return None if kept is None else self.drawing.draw(None, kept[0], rng, kept[1])
        sample = self.pictures[picture]
        view = view_of(sample, copy, self.augmentation) if self.copies else augment(sample, self.augmentation, rng)
        return self.drawing.draw(view.image, view.cover, rng) if len(view.cover) else None

    def _from(self, index: int):  # type: ignore[no-untyped-def]
        """Pictures and copies from example `index` on, without an end."""
        count = len(self.pictures)
        while True:
            epoch, place = divmod(index, count)
            picture = int(order(self.seed, epoch, count)[place])
            yield picture, (picture + epoch) % max(1, self.copies)
            index += 1


@lru_cache(maxsize=4)
def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The pictures 0..count-1 in the order of that epoch.

    >>> sorted(order(0, 1, 4).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng((seed, epoch, count)).permutation(count)


def view_of(sample: Sample, copy: int, augmentation: Augmentation) -> AugmentedView:
    """The fixed view number `copy` of a picture; it depends on the picture's own pixels, not on the run."""
    content = digest.of_bytes(digest.canonical(list(sample.image.shape)), np.ascontiguousarray(sample.image).data)
    return augment(sample, augmentation, np.random.default_rng((int(content[:16], 16), copy)))
