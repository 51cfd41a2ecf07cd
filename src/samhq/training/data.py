"""Batches of pictures with prompts and targets, prepared by other processes; picture `i` is a function of `i`.

So a resumed run sees exactly the pictures that it would have seen. Knows nothing about the source of pictures or the
network.
"""

from __future__ import annotations

import atexit
import multiprocessing.synchronize
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import BaseContext
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from samhq.device import to_device
from samhq.encoder_config import IMAGENET, Normalisation
from samhq.errors import SamHQError
from samhq.image.transform import normalise_and_pad
from samhq.training.prompts import TrainingPrompt, gather
from samhq.types import Prompts


class Features(NamedTuple):
    """A frozen encoder's features of pictures: features [I,C,g,g], and the other maps that the decoder reads.

    `early` [I,h,w,e] is the first level, for SAM-HQ; `levels` are the two finer maps of SAM 2, as in `ImageEmbedding`.
    """

    features: Tensor
    early: Tensor | None
    levels: tuple[Tensor, ...] = ()

    def to(self, device: torch.device | str) -> Features:
        """The same in float32 on a device."""
        place = torch.device(device)
        early = None if self.early is None else to_device(self.early, place).float()
        levels = tuple(to_device(level, place).float() for level in self.levels)
        return Features(to_device(self.features, place).float(), early, levels)


@dataclass(frozen=True)
class TrainingExample:
    """A picture uint8 [h,w,3] at the model's scale, or its features; prompts; and the target of each prompt.

    Targets [P,F,F] are the share of each cell that the object covers: floats 0..1, or whole numbers up to 255. `spare`
    holds other prompts for the same targets, to be used if some picture of a batch is `short` of points.
    """

    image: np.ndarray | None
    prompts: Sequence[TrainingPrompt]
    targets: np.ndarray
    features: Features | None = None
    spare: Sequence[TrainingPrompt] = ()
    short: bool = False


@dataclass(frozen=True)
class TrainingBatch:
    """Normalised pixels or features, all prompts of all pictures, soft targets, and which prompts are ambiguous."""

    pixels: Float[Tensor, "I 3 S S"] | None
    prompts: Prompts
    targets: Shaped[Tensor, "P F F"]
    ambiguous: Bool[Tensor, " P"]
    features: Features | None = None

    @property
    def pictures(self) -> int:
        """The number of pictures."""
        held = self.pixels if self.features is None else self.features.features
        assert held is not None
        return len(held)

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The same batch on another device, its targets as shares 0..1; a GPU gets it without waiting."""
        place = torch.device(device)
        targets = to_device(self.targets, place)
        if not targets.is_floating_point():
            targets = targets.float() / 255
        kept = None if self.features is None else self.features.to(device)
        pixels = None if self.pixels is None else to_device(self.pixels, place)
        return TrainingBatch(pixels, self.prompts.to(place), targets, to_device(self.ambiguous, place), kept)


def collate(examples: Sequence[TrainingExample], side: int, normalisation: Normalisation = IMAGENET) -> TrainingBatch:
    """One batch of pictures for a model with that side and that normalisation."""
    short = any(example.short for example in examples)
    prompts_of_pictures = [example.spare if short and example.spare else example.prompts for example in examples]
    prompts = [prompt for of_picture in prompts_of_pictures for prompt in of_picture]
    images = [example.image for example in examples if example.image is not None]
    return TrainingBatch(
        torch.cat([normalised(image[None], side, normalisation) for image in images]) if images else None,
        gather(prompts, [i for i, of_picture in enumerate(prompts_of_pictures) for _ in of_picture]),
        torch.from_numpy(np.concatenate([example.targets for example in examples])),
        torch.tensor([prompt.ambiguous for prompt in prompts]),
        _joined([example.features for example in examples if example.features is not None]),
    )


def _joined(features: Sequence[Features]) -> Features | None:
    if not features:
        return None
    early = [part.early for part in features if part.early is not None]
    # Encoders give channels last, and another layout would change the last bits of the results.
    maps_of_pictures = [(part.features, *part.levels) for part in features]
    maps, *levels = (
        torch.cat(same).contiguous(memory_format=torch.channels_last) for same in zip(*maps_of_pictures, strict=True)
    )
    return Features(maps, torch.cat(early) if early else None, tuple(levels))


def normalised(
    images: UInt8[np.ndarray, "I h w 3"], side: int, normalisation: Normalisation = IMAGENET
) -> Float[Tensor, "I 3 S S"]:
    """Pixels as the encoder takes them, from uint8 RGB; padding right and below is the mean colour.

    >>> (normalised(np.zeros((1, 1, 1, 3), np.uint8), 2)[0, 0] * 100).round().tolist()
    [[-212.0, 0.0], [0.0, 0.0]]
    """
    return normalise_and_pad(torch.from_numpy(images).permute(0, 3, 1, 2), side, normalisation)


class _Pictures(Dataset["TrainingExample | SamHQError"]):
    """Returns errors as values from a worker: if raised there, they would become text with a traceback."""

    def __init__(self, draw: Callable[[int], TrainingExample]) -> None:
        self.draw = draw

    def __getitem__(self, index: int) -> TrainingExample | SamHQError:
        try:
            return self.draw(index)
        except SamHQError as error:
            return error


class _Collate:
    def __init__(self, side: int, normalisation: Normalisation) -> None:
        self.side, self.normalisation = side, normalisation

    def __call__(self, drawn: list[TrainingExample | SamHQError]) -> TrainingBatch | SamHQError:
        examples = [value for value in drawn if isinstance(value, TrainingExample)]
        errors = (value for value in drawn if isinstance(value, SamHQError))
        return next(errors, None) or collate(examples, self.side, self.normalisation)


def _raising(results: Iterator[TrainingBatch | SamHQError]) -> Iterator[TrainingBatch]:
    """The batches; an error that a worker returned is raised."""
    for result in results:
        if isinstance(result, SamHQError):
            raise result
        yield result


def batches(
    draw: Callable[[int], TrainingExample],
    side: int,
    size: int,
    *,
    normalisation: Normalisation = IMAGENET,
    first: int = 0,
    workers: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[TrainingBatch]:
    """Endless batches of pictures `draw(first)`, ...: prepared by `workers` processes, or between steps for 0.

    `share` is (rank, count) of processes that train together: each takes every `count`-th batch. Errors that `draw`
    raises on purpose are raised here unchanged.
    """

    def indices() -> Iterator[list[int]]:
        rank, count = share
        start = first + rank * size
        while True:
            yield list(range(start, start + size))
            start += count * size

    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    loader = DataLoader(
        _Pictures(draw),
        batch_sampler=indices(),
        collate_fn=_Collate(side, normalisation),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_Worker(_over(context)) if workers else None,
        multiprocessing_context=context if workers else None,
        # Its own generator: starting a loader must not change the generator of training.
        generator=torch.Generator(),
    )
    return _raising(iter(loader))


@cache
def _over(context: BaseContext) -> multiprocessing.synchronize.Event:
    """The flag that tells workers that the main process ends."""
    over = context.Event()
    atexit.register(over.set)  # Before multiprocessing ends its processes; it registered itself earlier.
    return over


@dataclass(frozen=True)
class _Worker:
    """Prepares a worker: one thread, and SIGINT and SIGTERM ignored, because the main process saves the run on them.

    A terminal or a scheduler sends these signals to the whole group. They would end the workers first, and then the run
    before its last save. Workers end when the loader tells them to, or by SIGTERM once the main process is `over`: if
    an error's traceback keeps the loader alive, they get only SIGTERM.
    """

    over: multiprocessing.synchronize.Event

    def __call__(self, _: int) -> None:
        torch.set_num_threads(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._answer)

    def _answer(self, number: int, _: object) -> None:
        if self.over.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
