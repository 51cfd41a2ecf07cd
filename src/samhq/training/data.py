"""Batches of drawn scenes with prompts and targets; picture `i` is a pure function of (seed, i, side).

So a resumed run sees exactly the pictures it would have seen. Knows nothing about the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from samhq.image.transform import normalise_and_pad
from samhq.scenes.scene import Scene, SceneConfig, draw_scene
from samhq.training.prompts import Prompt, draw_kind, draw_prompt, gather, soft_target
from samhq.types import Prompts

#: Objects of fewer pixels are not asked for.
FEWEST_PIXELS = 40
#: Pictures a run may use before scene seeds would meet those of the next run seed; validation lies beyond it.
_SEEDS_PER_RUN = 1 << 32


@dataclass(frozen=True)
class Sample:
    """One picture [H,W,3], its prompts, and the target of each: the share of each cell that the object covers."""

    image: np.ndarray
    prompts: list[Prompt]
    targets: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Normalised pixels, all prompts of all pictures, soft targets, and which prompts are ambiguous."""

    pixels: Float[Tensor, "I 3 S S"]
    prompts: Prompts
    targets: Float[Tensor, "P F F"]
    ambiguous: Bool[Tensor, " P"]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved = self.prompts.to(device)
        return Batch(self.pixels.to(device), moved, self.targets.to(device), self.ambiguous.to(device))


def draw_sample(seed: int, index: int, side: int, prompts: int, fine: int = 1) -> Sample:
    """Picture `index` of run `seed` with that many prompts; a scene with nothing to ask for is drawn again."""
    for attempt in range(100):
        scene = draw_scene(scene_seed(seed, index, attempt), scenes_at(side))
        areas = scene.masks.sum((1, 2))
        if (areas >= FEWEST_PIXELS).any():
            return _ask(scene, areas, np.random.default_rng((seed, index, side)), prompts, fine)
    raise AssertionError("a hundred scenes without a visible object")


def scenes_at(side: int) -> SceneConfig:
    """How scenes are drawn for training at a side: the smaller the pictures, the larger and plainer the objects.

    What a small picture is too coarse to show cannot be learnt from it, and slows what can be.

    >>> scenes_at(112).size, scenes_at(512).size
    ((0.2, 0.85), (0.04, 0.85))
    """
    small = side < 320
    return SceneConfig(
        side=side,
        objects=(1, 8) if small else (1, 12),
        size=(round(max(0.04, 0.26 - side / 1867), 3), 0.85),
        thin=0.1 if small else 0.25,
        camouflage=0.05 if small else 0.15,
    )


def scene_seed(seed: int, index: int, attempt: int = 0) -> int:
    """The seed of a scene: its own for each picture of each run.

    >>> scene_seed(0, 5) == scene_seed(1, 5)
    False
    """
    return seed * _SEEDS_PER_RUN + index + attempt * (1 << 28)


def _ask(scene: Scene, areas: np.ndarray, rng: np.random.Generator, count: int, fine: int) -> Sample:
    # Large objects are asked for more often: they are learnt first, and small ones are many.
    chances = np.where(areas >= FEWEST_PIXELS, np.sqrt(areas), 0)
    owners = rng.choice(len(areas), count, p=chances / chances.sum())
    prompts = [draw_prompt(scene.masks[owner], draw_kind(rng), rng) for owner in owners]
    soft = {owner: soft_target(scene.masks[owner], fine) for owner in set(owners.tolist())}
    return Sample(scene.image, prompts, np.stack([soft[owner] for owner in owners.tolist()]))


def collate(samples: list[Sample]) -> Batch:
    """One batch from samples of one side."""
    index = [i for i, sample in enumerate(samples) for _ in sample.prompts]
    prompts = [prompt for sample in samples for prompt in sample.prompts]
    return Batch(
        normalised(np.stack([sample.image for sample in samples])),
        gather(prompts, index),
        torch.from_numpy(np.concatenate([sample.targets for sample in samples])),
        torch.tensor([prompt.ambiguous for prompt in prompts]),
    )


def normalised(images: np.ndarray) -> Float[Tensor, "I 3 S S"]:
    """Pixels as the encoder takes them, from uint8 RGB [I,S,S,3].

    >>> round(normalised(np.zeros((1, 1, 1, 3), np.uint8))[0, 0].item(), 4)
    -2.1179
    """
    return normalise_and_pad(torch.from_numpy(images).permute(0, 3, 1, 2), images.shape[1])


class _Pictures(Dataset[Sample]):
    def __init__(self, draw: Callable[[int], Sample]) -> None:
        self.draw = draw

    def __getitem__(self, index: int) -> Sample:
        return self.draw(index)


def batches(
    seed: int, first: int, side: int, size: int, prompts: int, fine: int = 1, workers: int = 1
) -> Iterator[Batch]:
    """Endless batches from picture `first` on, drawn by `workers` processes, or between steps for 0."""

    def indices() -> Iterator[list[int]]:
        start = first
        while True:
            yield list(range(start, start + size))
            start += size

    pictures = _Pictures(partial(_draw, seed, side, prompts, fine))
    context = "fork" if workers else None
    loader = DataLoader(
        pictures,
        batch_sampler=indices(),
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_quiet_worker,
        multiprocessing_context=context,
        # Its own generator: starting a loader must not move the one that training draws from.
        generator=torch.Generator(),
    )
    return iter(loader)


def _draw(seed: int, side: int, prompts: int, fine: int, index: int) -> Sample:
    return draw_sample(seed, index, side, prompts, fine)


def _quiet_worker(_: int) -> None:
    """One thread, and deaf to the signals that ask the run to save: only the main process answers them.

    A signal to the whole group, as a terminal or a scheduler sends it, would otherwise end the workers first and the
    run without its last save. Workers end when the loader tells them to.
    """
    import signal

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
