"""How scenes are drawn. Knows nothing about the drawing itself."""

from __future__ import annotations

from dataclasses import dataclass

from samhq.errors import ConfigError
from samhq.options import whole_number


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
        object.__setattr__(self, "side", whole_number("side", self.side, 32, 8192))
        low, high = self.objects
        if not 1 <= low <= high <= 200 or not 0 < self.size[0] <= self.size[1] <= 2:
            raise ConfigError(
                "SceneConfig: expected 1 <= objects[0] <= objects[1] <= 200, 0 < size[0] <= size[1] <= 2, "
                f"got objects={self.objects}, size={self.size}. Change these values."
            )


def scenes_at(side: int) -> SceneConfig:
    """How scenes are drawn for training at a side: the smaller the pictures, the larger and plainer the objects.

    What a small picture is too coarse to show cannot be learnt from it, and slows down the rest. Other uses of scenes
    have their own mix: scenes to measure on (`unseen_scenes`) hold everything at every side, so that scores compare,
    and `samhq data make` shows what a data set of one's own may hold.

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
