"""Pictures of a data set as training asks about them: which picture comes when, how it is seen, what is asked.

Question `i` is a pure function of the seed and `i`: its picture follows from a new order in every epoch, its view
from a generator of its own, or is one of a few fixed copies. Knows nothing about the network.
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
from samhq.training.config import Kind, TrainConfig, parse_kinds
from samhq.training.data import Features, TrainingExample
from samhq.training.prompts import TrainingPrompt, draw_kind, draw_prompt

#: Pictures in a row without an object before a data set is given up.
PATIENCE = 200

#: What is known of a picture's copy, (picture, copy) -> its view and features; None where no object is in it.
Stored = Callable[[int, int], tuple[np.ndarray, Features] | None]


@dataclass(frozen=True)
class Asking:
    """How prompts are asked of a view."""

    prompts: int
    kinds: dict[Kind, float]
    clicks: int = 10
    published: bool = False

    @classmethod
    def of(cls, config: TrainConfig) -> Asking:
        """What a run's configuration says."""
        return cls(config.prompts_per_picture, parse_kinds(config.kinds), config.clicks, config.published)

    def ask(
        self, image: np.ndarray | None, cover: np.ndarray, rng: np.random.Generator, features: Features | None = None
    ) -> TrainingExample:
        """That many prompts, for different objects as long as there are some; `cover` uint8 [K,S,S] has one or more."""
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
        """What stands in for a prompt of clicks: the published training drops them for a whole batch."""
        others = {kind: share for kind, share in self.kinds.items() if kind != "clicks"}
        total = sum(others.values())
        if not len(prompt.labels) or not others:
            return prompt
        return draw_prompt(mask, draw_kind({kind: share / total for kind, share in others.items()}, rng), rng)


@dataclass(frozen=True)
class LabelledPictures:
    """Question `index` about a data set; `copies` fixed views of each picture, or a new view each time for 0."""

    pictures: Pictures
    how: Augmentation
    asking: Asking
    seed: int = 0
    copies: int = 0
    stored: Stored | None = None

    def __call__(self, index: int) -> TrainingExample:
        """The question of that number; a view without an object gives way to the next picture's.

        Raises:
            ImageError: a picture cannot be read.
            ConfigError: many pictures in a row have no object.
        """
        rng = np.random.default_rng((self.seed, index))
        for picture, copy in islice(self._from(index), PATIENCE):
            asked = self._try(picture, copy, index, rng)
            if asked is not None:
                return asked
        raise ConfigError(
            f"Expected objects in the pictures of {self.pictures.name}, got {PATIENCE} pictures in a row without one "
            "that can be asked for. Check the annotations, or name another data set."
        )

    def _try(self, picture: int, copy: int, index: int, rng: np.random.Generator) -> TrainingExample | None:
        if self.stored is not None:
            kept = self.stored(picture, copy)
            return None if kept is None else self.asking.ask(None, kept[0], rng, kept[1])
        sample = self.pictures[picture]
        view = view_of(sample, copy, self.how) if self.copies else augment(sample, self.how, rng)
        return self.asking.ask(view.image, view.cover, rng) if len(view.cover) else None

    def _from(self, index: int):  # type: ignore[no-untyped-def]
        """Pictures and copies from question `index` on, without an end."""
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


def view_of(sample: Sample, copy: int, how: Augmentation) -> AugmentedView:
    """The fixed view number `copy` of a picture: it follows from the picture's own pixels, whatever the run."""
    content = digest.of_bytes(digest.canonical(list(sample.image.shape)), np.ascontiguousarray(sample.image).data)
    return augment(sample, how, np.random.default_rng((int(content[:16], 16), copy)))
