"""Procedural training pictures with exact masks: `draw_scene(seed, config)`.

Defines what a scene is; `canvas.py` draws it. Knows nothing about models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samhq.datasets.drawn.config import SceneConfig
from samhq.errors import ConfigError
from samhq.extras import from_extra

_DEFAULT = SceneConfig()


@dataclass(frozen=True)
class Scene:
    """A drawn picture and the exact masks of its objects.

    `image` uint8 [H,W,3] RGB. `masks` bool [K,H,W]: the visible part of whole objects (disjoint), then of their parts
    (inside their whole). `thin` bool [K]: mostly thinner than 3 % of the side. `parts` int64 [K]: for a part the index
    of its whole, -1 for a whole.
    """

    image: np.ndarray
    masks: np.ndarray
    thin: np.ndarray
    parts: np.ndarray


def draw_scene(seed: int, config: SceneConfig = _DEFAULT) -> Scene:
    """The scene of this seed: equal arguments give equal pixels in every process; at least one mask.

    Raises: MissingExtraError without OpenCV.

    >>> draw_scene(7, SceneConfig(side=64)).image.shape
    (64, 64, 3)
    """
    with from_extra("train", "drawing scenes"):
        from samhq.datasets.drawn.canvas import compose
    # A scene without any visible object is drawn again from the next stream of its seed.
    for attempt in range(100):
        image, masks, thin, parts = compose(np.random.default_rng((seed, attempt)), config)
        if len(masks):
            return Scene(image, masks, thin, parts)
    raise ConfigError(
        f"Expected a visible object in one of 100 scenes of {config}, got none. "
        "Lower `smallest` or `visible`, or raise `size`."
    )
