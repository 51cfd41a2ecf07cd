"""The configuration of drawn scenes. Knows nothing about the drawing itself."""

from __future__ import annotations

from dataclasses import dataclass

from samhq.errors import ConfigError
from samhq.options import whole_number


@dataclass(frozen=True)
class SceneConfig:
    """The configuration of drawn scenes; sizes are shares of the side, other shares are probabilities."""

    side: int = 512  #: Height and width in pixels.
    objects: tuple[int, int] = (1, 12)  #: Fewest and most whole objects; small numbers are more likely.
    size: tuple[float, float] = (0.03, 0.8)  #: Longer side of an object, log-uniform.
    thin: float = 0.25  #: Share of objects from thin families.
    assembled: float = 0.4  #: Share of objects made of several parts.
    camouflage: float = 0.15  #: Share of objects with the texture of their background.
    parts: int = 3  #: Largest number of parts of an object with their own masks.
    visible: float = 0.15  #: Objects of which a smaller share is visible get no mask.
    smallest: int = 12  #: Smallest mask in pixels.

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", whole_number("side", self.side, 32, 8192))
        low, high = self.objects
        if not 1 <= low <= high <= 200 or not 0 < self.size[0] <= self.size[1] <= 2:
            raise ConfigError(
                "SceneConfig: expected 1 <= objects[0] <= objects[1] <= 200, 0 < size[0] <= size[1] <= 2, "
                f"got objects={self.objects}, size={self.size}. Change these values."
            )


def scenes_at(side: int) -> SceneConfig:
    """The scenes for training at a side: the smaller the pictures, the larger and plainer the objects.

    A model cannot learn detail that a small picture does not show, and trying slows down the rest. Other uses have
    their own mix. Scenes for measuring (`unseen_scenes`) are the same at every side, so that scores can be compared.
    `samhq data make` shows the full variety.

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
