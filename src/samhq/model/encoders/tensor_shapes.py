"""Shapes of named tensors, from which encoders are recognised. Knows nothing about files or models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samhq.encoder_config import EncoderConfig
from samhq.errors import CheckpointError


class TensorShapes:
    """Shapes by original tensor name; errors name the missing tensor."""

    def __init__(self, state: Mapping[str, object]) -> None:
        self.keys = state.keys()
        self._state = state

    def __call__(self, key: str, rank: int, *, empty: bool = False) -> tuple[int, ...]:
        """The shape of one tensor. It must have `rank` axes and, unless `empty`, at least one value.

        Raises:
            CheckpointError: there is no such tensor, or it has other axes.
        """
        if key not in self._state:
            raise CheckpointError(f"Expected the tensor {key}, got a file without it. Load a complete checkpoint.")
        value: Any = self._state[key]
        shape: tuple[int, ...] = tuple(getattr(value, "shape", value))
        if len(shape) != rank or not (all(shape) or empty):
            raise CheckpointError(f"Expected {key} to have {rank} axes, got {list(shape)}. Download the file again.")
        return shape

    def has(self, *beginnings: str) -> bool:
        """Whether a tensor's name begins like this."""
        return any(key.startswith(beginnings) for key in self.keys)

    def count(self, beginning: str) -> int:
        """The number of numbered children of `beginning`; they must be 0, 1, 2, … without a gap.

        Raises:
            CheckpointError: there is none, or a number is missing.
        """
        children = {key[len(beginning) :].split(".")[0] for key in self.keys if key.startswith(beginning)}
        numbers = {int(part) for part in children if part.isdecimal() and len(part) < 6}
        if not numbers or numbers != set(range(len(numbers))):
            raise CheckpointError(
                f"Expected tensors {beginning}0., 1., … without a gap, got {sorted(numbers)[:9]}. "
                "Load a complete checkpoint."
            )
        return len(numbers)


@dataclass(frozen=True)
class Recognised:
    """An encoder's numbers, and the picture's side, as far as its tensors show them.

    `undecided` names fields that no tensor shows ("encoder.norm_eps", "side"); the values stored beside the tensors
    decide these.
    """

    encoder: EncoderConfig
    side: int | None = None
    undecided: tuple[str, ...] = ()
