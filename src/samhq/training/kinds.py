"""The kinds of prompts that training draws, and their shares as text. Knows nothing about how prompts are drawn."""

from __future__ import annotations

from typing import Literal, get_args

from samhq.errors import ConfigError, did_you_mean

#: Kinds of prompts, first those that people give.
Kind = Literal["box", "point", "points", "box_points", "mask", "tight_box", "clicks", "noise_mask", "noise_mask_255"]


def parse_kinds(text: str) -> dict[Kind, float]:
    """The share of each kind of prompt; the shares add up to one.

    >>> parse_kinds("box:3,point")
    {'box': 0.75, 'point': 0.25}

    Raises:
        ConfigError: an unknown kind, a weight that is no positive number, or no kind at all.
    """
    weights: dict[Kind, float] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, weight = part.partition(":")
        if name not in get_args(Kind):
            raise ConfigError(f"Expected a kind of prompt, got {name!r}. {did_you_mean(name, get_args(Kind))}")
        try:
            weights[name] = float(weight or 1)  # type: ignore[index]
        except ValueError as error:
            raise ConfigError(f"Expected KIND:WEIGHT with a number, got {part!r}. Write box:2 for instance.") from error
    if not weights or not all(0 < weight < float("inf") for weight in weights.values()):
        raise ConfigError(f"Expected kinds of prompts with weights above 0, got {text!r}. Write box:2,point:1.")
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
