"""Drawn scenes as a source of pictures, like a data set on disk: each is drawn on request.

Picture `i` is a pure function of the source's configuration, its first seed and `i`. Knows nothing about networks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from samhq.datasets.drawn.config import SceneConfig, scenes_at
from samhq.datasets.drawn.scene import Scene, draw_scene
from samhq.datasets.drawn.seeds import UNSEEN, set_seed
from samhq.datasets.sample import Sample, stamp_of_files
from samhq.errors import ConfigError
from samhq.plural import plural

#: Forms of sources of drawn scenes: scenes:COUNT, scenes:COUNT:thin, scenes:COUNT@SIDE.
PREFIX = "scenes"
#: The categories of objects.
SOLID, THIN = "object", "thin object"
#: The side of scenes for measuring, unless the source names one.
SIDE = 512
#: For objects in scenes for measuring: the fewest pixels, and the most objects in a scene.
FEWEST_PIXELS, MOST_OBJECTS = 40, 16

_THIN_SHARE = 0.66  #: Share of thin objects in thin sets.


@dataclass(frozen=True)
class DrawnPictures:
    """`count` scenes with consecutive seeds; of each scene at most the first `most_objects` objects."""

    name: str
    count: int
    config: SceneConfig
    first_seed: int
    most_objects: int | None = None

    def __len__(self) -> int:
        return self.count

    def names(self) -> Sequence[str]:
        """`scene-000000`, `scene-000001` and so on."""
        return [f"scene-{index:06}" for index in range(self.count)]

    def stamp(self, index: int) -> str:
        """A text that changes with everything that the picture depends on, see `samhq.datasets.sample.Stamped`."""
        return stamp_of_files([], [self.first_seed, index, self.most_objects, asdict(self.config)])

    def __getitem__(self, index: int) -> Sample:
        """The scene's picture and objects, numbered from 1, in the categories "object" and "thin object".

        Raises:
            MissingExtraError: OpenCV is not installed.
        """
        scene, limit = self.scene(index), self.most_objects
        masks, thin = scene.masks[:limit], scene.thin[:limit]
        ids, categories = range(1, len(masks) + 1), (THIN if flag else SOLID for flag in thin)
        crowd = np.zeros(len(masks), bool)
        return Sample(self.names()[index], scene.image, masks, tuple(ids), tuple(categories), crowd)

    def scene(self, index: int) -> Scene:
        """The scene itself, with all its objects and with the whole of each part."""
        return draw_scene(self.first_seed + range(self.count)[index], self.config)


def learnt_scenes(count: int, side: int, *, thin: bool = False, number: int = 0) -> DrawnPictures:
    """A set of scenes for training; sets of different `number` share no scene.

    With `thin` two of three objects are thin: cables, branches, meshes, spokes.
    """
    config = replace(scenes_at(side), thin=_THIN_SHARE) if thin else scenes_at(side)
    return DrawnPictures(f"{count} drawn scenes", count, config, set_seed(number))


def unseen_scenes(count: int, side: int = SIDE, *, thin: bool = False) -> DrawnPictures:
    """Scenes for measuring, always the same, never used for training; objects have at least `FEWEST_PIXELS` pixels."""
    config = SceneConfig(side=side, smallest=FEWEST_PIXELS)
    config = replace(config, thin=_THIN_SHARE) if thin else config
    name = f"{plural(count, 'unseen thin scene' if thin else 'unseen scene')} of {side} pixels"
    return DrawnPictures(name, count, config, UNSEEN, MOST_OBJECTS)


def open_drawn(source: str, *, side: int | None = None, number: int | None = None) -> DrawnPictures:
    """The scenes of `scenes:COUNT`, `scenes:COUNT:thin`, or either of them with `@SIDE`.

    With `number` it is that set of scenes for training; without it, scenes for measuring, which training never uses. A
    side in `source` is used before `side`, and `SIDE` is the last resort.

    >>> len(open_drawn("scenes:3:thin")), open_drawn("scenes:3@64", side=224).config.side
    (3, 64)

    Raises:
        ConfigError: another form, no scenes, or a side that is too small to draw at.
    """
    parsed = re.fullmatch(rf"{PREFIX}:(\d+)(:thin)?(?:@(\d+))?", source)
    if parsed is None or not int(parsed[1]):
        raise ConfigError(
            f"Expected scenes:COUNT, scenes:COUNT:thin or one of them with @SIDE, got {source!r}. Try scenes:400."
        )
    count, thin = int(parsed[1]), parsed[2] is not None
    side = int(parsed[3]) if parsed[3] else side or SIDE
    if number is None:
        return unseen_scenes(count, side, thin=thin)
    return learnt_scenes(count, side, thin=thin, number=number)
