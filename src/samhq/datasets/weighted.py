"""The chance of pictures by their origin, and a split of pictures that does not change when pictures are added.

Knows nothing about files or the use of pictures.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from samhq.datasets.sample import Pictures, picture_file_name_of, source_of
from samhq.datasets.views import Chosen
from samhq.errors import ConfigError
from samhq.shapes import Float


def parse_source_weights(text: str) -> dict[str, float]:
    """Weights by source from a text like `coco:3,pets:0.5`; any part of a source's name selects it.

    >>> parse_source_weights("coco:3,pets:0.5")
    {'coco': 3.0, 'pets': 0.5}

    Raises:
        ConfigError: a part without a name or without a number from 0 up.
    """
    weights = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, number = part.rpartition(":")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name.strip() or not 0 <= weight < math.inf:
            raise ConfigError(
                f"Expected SOURCE:NUMBER with a number from 0 up, got {part!r}. Write coco:3, for instance."
            )
        weights[name.strip().lower()] = weight
    return weights


def chances(pictures: Pictures, weights: tuple[tuple[str, float], ...]) -> Float[np.ndarray, " N"]:
    """The probability of each picture, 0..1; they add up to 1.

    A picture has the weight of the longest name in `weights` that is part of its source's name, ignoring case; 1 if
    there is none.

    Raises:
        ConfigError: a name that no source has, or no picture with a weight above 0.
    """
    sources = [source_of(pictures, index).lower() for index in range(len(pictures))]
    for name, _ in weights:
        if not any(name in source for source in sources):
            known = ", ".join(sorted(set(filter(None, sources)))[:8]) or "none"
            raise ConfigError(
                f"Expected the name of a source of {pictures.name}, got {name!r}. Name one of its sources: {known}."
            )
    weight_of_each = np.array([_weight(source, weights) for source in sources])
    if not weight_of_each.sum():
        raise ConfigError(f"Expected a picture of {pictures.name} with a weight above 0, got none. Raise a weight.")
    return weight_of_each / weight_of_each.sum()


def _weight(source: str, weights: tuple[tuple[str, float], ...]) -> float:
    fitting = [(len(name), weight) for name, weight in weights if name in source]
    return max(fitting)[1] if fitting else 1.0


def is_held_out(file_name: str, percent: int) -> bool:
    """Whether the file of that name is among the `percent` (0..100) for validation.

    It depends only on the name, so adding files never moves another file.

    >>> [i for i in range(20) if is_held_out(f"{i}.jpg", 10)]
    [4, 7, 11, 18]
    """
    return _hash(file_name) % 100 < percent


def _hash(file_name: str) -> int:
    return int(hashlib.sha256(file_name.encode()).hexdigest()[:8], 16)


def split(pictures: Pictures, percent: int) -> tuple[Pictures, Pictures]:
    """The pictures for training, and those for validation, as `is_held_out` says.

    If that holds out fewer than half of the share, as may happen with few pictures, the next ones by hash are held out
    too. With two pictures or more both parts have some.
    """
    names = [picture_file_name_of(pictures, place) for place in range(len(pictures))]
    order = sorted(range(len(names)), key=lambda place: (_hash(names[place]) % 100, _hash(names[place]), place))
    count = sum(is_held_out(name, percent) for name in names)
    if percent and len(names) > 1:
        count = min(max(count, 1, int(len(names) * percent / 200)), len(names) - 1)
    held_out = set(order[:count])
    training = [place for place in range(len(names)) if place not in held_out]
    return Chosen(pictures, training), Chosen(pictures, sorted(held_out))
