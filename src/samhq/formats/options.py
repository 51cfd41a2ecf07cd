"""The options of all formats together.

Imports no NumPy: flags of the command line grow from the options, and help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from samhq.config import Order
from samhq.errors import ConfigError
from samhq.masks.finish import Finish
from samhq.options import one_of, real_number, yes_or_no

Shapes = Literal["mask", "polygon"]


@dataclass(frozen=True)
class WriteOptions:
    """How masks are written; each format uses the options that concern it."""

    shapes: Shapes = "mask"
    """Exact masks, or polygons to edit. For formats with both: coco, cvat, labelme, labelstudio, supervisely."""

    tolerance: float = 0.0
    """Largest distance in pixels between a simplified outline and the exact one. 0: keep every corner."""

    labels: tuple[str, ...] = ()
    """Class names in the order of their numbers. Other classes get the next numbers."""

    order: Order = "area"
    """Which of several objects owns a pixel of a label map: the smallest, or the one with the best score."""

    embed: bool = False
    """Embed the picture in the SVG instead of a link to it."""

    image_url: str = "/data/local-files/?d="
    """Prefix of a picture's name in the URL from which Label Studio fetches it."""

    finish: Finish = field(default_factory=Finish)
    """How masks are cleaned before they are written."""

    def __post_init__(self) -> None:
        one_of("shapes", self.shapes, Shapes)
        one_of("order", self.order, Order)
        object.__setattr__(self, "tolerance", real_number("tolerance", self.tolerance, 0))
        object.__setattr__(self, "embed", yes_or_no("embed", self.embed))
        if isinstance(self.labels, str) or not all(isinstance(label, str) for label in self.labels):
            raise ConfigError(f"Expected labels as a list of names, got {self.labels!r:.80}. Write ['cat', 'dog'].")
