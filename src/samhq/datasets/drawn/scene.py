"""Procedural training pictures with exact masks: `draw_scene(seed, config)`.

What a scene is and how many objects it has; the drawing itself is in `canvas.py`. Knows nothing about models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samhq.errors import ConfigError
from samhq.extras import from_extra


@dataclass(frozen=True)
class SceneConfig:
    """How scenes are drawn: sizes in shares of the side, shares as probabilities."""

    side: int = 512  #: pixels, height and width
    objects: tuple[int, int] = (1, 12)  #: fewest and most whole objects drawn; small numbers are likelier
    size: tuple[float, float] = (0.03, 0.8)  #: longer side of an object, log-uniform
    thin: float = 0.25  #: of objects that come from thin families
    assembled: float = 0.4  #: of objects made of several parts
    camouflage: float = 0.15  #: of objects textured like what lies behind them
    parts: int = 3  #: most parts of an object that are listed as masks of their own
    visible: float = 0.15  #: objects of which less is left in view are not listed
    smallest: int = 12  #: pixels; smaller masks are not listed

    def __post_init__(self) -> None:
        low, high = self.objects
        if self.side < 32 or not 1 <= low <= high <= 200 or not 0 < self.size[0] <= self.size[1] <= 2:
            raise ConfigError(
                "SceneConfig: expected side >= 32, 1 <= objects[0] <= objects[1] <= 200, 0 < size[0] <= size[1] <= 2, "
                f"got side={self.side}, objects={self.objects}, size={self.size}. Change these values."
            )


@dataclass(frozen=True)
class Scene:
    """A drawn picture and the exact masks of what is in it.

    `image` uint8 [H,W,3] RGB. `masks` bool [K,H,W]: the visible part of whole objects (disjoint), then of their parts
    (inside their whole). `thin` bool [K]: mostly thinner than 3 % of the side. `parts` int64 [K]: for a part the index
    of its whole, -1 for a whole.
    """

    image: np.ndarray
    masks: np.ndarray
    thin: np.ndarray
    parts: np.ndarray


def draw_scene(seed: int, config: SceneConfig = SceneConfig()) -> Scene:
    """The scene of this seed: equal arguments give equal pixels in every process; at least one mask.

    Raises: MissingExtraError without OpenCV.

    >>> draw_scene(7, SceneConfig(side=64)).image.shape
    (64, 64, 3)
    """
    with from_extra("train", "drawing scenes"):
        from samhq.datasets.drawn.canvas import compose
    # A scene in which everything is hidden or off the picture is drawn again from the next stream of its seed.
    for attempt in range(100):
        image, masks, thin, parts = compose(np.random.default_rng((seed, attempt)), config)
        if len(masks):
            return Scene(image, masks, thin, parts)
    raise ConfigError(f"No visible object in 100 scenes of {config}. Lower `smallest` or `visible`, or raise `size`.")
