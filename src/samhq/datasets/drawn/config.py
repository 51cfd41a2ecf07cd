"""How scenes are drawn. Knows nothing about the drawing itself."""

from __future__ import annotations

from dataclasses import dataclass

from samhq.errors import ConfigError


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
