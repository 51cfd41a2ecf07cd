"""Drawn scenes to train on: endless ones for training from scratch, a set of any size as a source of pictures.

Picture `i` is a pure function of (seed, i, side). Knows nothing about the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from samhq.datasets.drawn.config import SceneConfig
from samhq.datasets.drawn.scene import Scene, draw_scene
from samhq.datasets.sample import Sample, labelled, stamp_of_files
from samhq.errors import ConfigError
from samhq.training.config import Kind
from samhq.training.data import TrainingExample
from samhq.training.prompts import draw_kind, draw_prompt, soft_target

#: Objects of fewer pixels are not asked for.
FEWEST_PIXELS = 40
#: Scene seeds of validation start here, beyond any that a run draws from.
VALIDATION_SEED = 1 << 60
#: Pictures a run may use before scene seeds would meet those of the next run seed; validation lies beyond it.
_SEEDS_PER_RUN = 1 << 32
#: Where sets of scenes begin, beyond training's and before validation's.
_SETS = 1 << 58
#: How a set of scenes is asked for: scenes:COUNT, scenes:COUNT:thin.
PREFIX = "scenes"


@dataclass(frozen=True)
class EndlessScenes:
    """Picture `index` of run `seed`, with that many prompts; a scene with nothing to ask for is drawn again."""

    seed: int
    side: int
    prompts: int
    kinds: dict[Kind, float]
    fine: int = 1

    def __call__(self, index: int) -> TrainingExample:
        """The picture of that number."""
        for attempt in range(100):
            scene = draw_scene(scene_seed(self.seed, index, attempt), scenes_at(self.side))
            areas = scene.masks.sum((1, 2))
            if (areas >= FEWEST_PIXELS).any():
                return self._ask(scene, areas, np.random.default_rng((self.seed, index, self.side)))
        raise AssertionError("a hundred scenes without a visible object")

    def _ask(self, scene: Scene, areas: np.ndarray, rng: np.random.Generator) -> TrainingExample:
        # Large objects are asked for more often: they are learnt first, and small ones are many.
        chances = np.where(areas >= FEWEST_PIXELS, np.sqrt(areas), 0)
        owners = rng.choice(len(areas), self.prompts, p=chances / chances.sum())
        prompts = [draw_prompt(scene.masks[owner], draw_kind(self.kinds, rng), rng) for owner in owners]
        soft = {owner: soft_target(scene.masks[owner], self.fine) for owner in set(owners.tolist())}
        return TrainingExample(scene.image, prompts, np.stack([soft[owner] for owner in owners.tolist()]))


def scenes_at(side: int) -> SceneConfig:
    """How scenes are drawn for training at a side: the smaller the pictures, the larger and plainer the objects.

    What a small picture is too coarse to show cannot be learnt from it, and slows what can be. Other uses of the same
    drawing want another mix: validation during training is always asked for all that scenes have, at every side, so
    that its scores compare (`unseen_scenes`); `samhq data make` shows what a data set of one's own may hold.

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


def unseen_scenes(count: int, side: int) -> Iterator[Scene]:
    """That many scenes of that side, always the same, from seeds kept out of training."""
    return (draw_scene(VALIDATION_SEED + i, SceneConfig(side=side)) for i in range(count))


class DrawnPictures:
    """A set of scenes as a source of pictures, each drawn when it is asked for.

    Sets of different `seed` share no scene. With `thin` two objects of three are from thin families: cables,
    branches, meshes, spokes.
    """

    def __init__(self, count: int, side: int, *, thin: bool = False, seed: int = 0) -> None:
        self.name = f"{count} drawn scenes"
        self.count, self.seed = count, seed
        self.config = replace(scenes_at(side), thin=0.66) if thin else scenes_at(side)

    def __len__(self) -> int:
        return self.count

    def names(self) -> Sequence[str]:
        """The scenes' names, one number each."""
        return [f"scene-{index:06}" for index in range(self.count)]

    def stamp(self, index: int) -> str:
        """Of how the picture is drawn, see `samhq.datasets.sample.Stamped`."""
        return stamp_of_files([], [self.seed, index, asdict(self.config)])

    def __getitem__(self, index: int) -> Sample:
        scene = self.scene(index)
        return labelled(f"scene-{index:06}", scene.image, scene.masks)

    def scene(self, index: int) -> Scene:
        """A scene of the set, which also says what in it is thin."""
        index = range(self.count)[index]
        return draw_scene(_SETS + self.seed * _SEEDS_PER_RUN + index, self.config)


def open_drawn(source: str, side: int, seed: int = 0) -> DrawnPictures:
    """The set of scenes that `scenes:COUNT` or `scenes:COUNT:thin` means, drawn at the model's side.

    >>> len(open_drawn("scenes:3:thin", 64))
    3

    Raises:
        ConfigError: another form.
    """
    parts = source.split(":")
    if parts[0] != PREFIX or len(parts) not in (2, 3) or not parts[1].isdecimal() or parts[2:] not in ([], ["thin"]):
        raise ConfigError(f"Expected scenes:COUNT or scenes:COUNT:thin, got {source!r}. Write scenes:400, say.")
    return DrawnPictures(int(parts[1]), side, thin=len(parts) == 3, seed=seed)
