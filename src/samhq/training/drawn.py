"""Endless drawn scenes to train on from scratch: picture `i` is a pure function of (seed, i, side).

Knows nothing about the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samhq.datasets.drawn.config import scenes_at
from samhq.datasets.drawn.scene import Scene, draw_scene
from samhq.datasets.drawn.seeds import run_seed
from samhq.training.data import TrainingExample
from samhq.training.kinds import Kind
from samhq.training.prompts import draw_kind, draw_prompt, soft_target

#: Objects of fewer pixels get no prompt.
FEWEST_PIXELS = 40


@dataclass(frozen=True)
class EndlessScenes:
    """Picture `index` of run `seed`, with that many prompts; a scene of only tiny objects is drawn again."""

    seed: int
    side: int
    prompts: int
    kinds: dict[Kind, float]
    fine: int = 1

    def __call__(self, index: int) -> TrainingExample:
        """The example with that number."""
        for attempt in range(100):
            scene = draw_scene(run_seed(self.seed, index, attempt), scenes_at(self.side))
            areas = scene.masks.sum((1, 2))
            if (areas >= FEWEST_PIXELS).any():
                return self._example(scene, areas, np.random.default_rng((self.seed, index, self.side)))
        raise AssertionError("a hundred scenes without a visible object")

    def _example(self, scene: Scene, areas: np.ndarray, rng: np.random.Generator) -> TrainingExample:
        # Large objects get prompts more often: they are learnt first, and there are many small ones.
        chances = np.where(areas >= FEWEST_PIXELS, np.sqrt(areas), 0)
        owners = rng.choice(len(areas), self.prompts, p=chances / chances.sum())
        prompts = [draw_prompt(scene.masks[owner], draw_kind(self.kinds, rng), rng) for owner in owners]
        soft = {owner: soft_target(scene.masks[owner], self.fine) for owner in set(owners.tolist())}
        return TrainingExample(scene.image, prompts, np.stack([soft[owner] for owner in owners.tolist()]))
