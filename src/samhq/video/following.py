"""The interface by which a video's tracker follows objects from frame to frame. Coordinates are the video's pixels.

It has two implementations: with the memory of SAM 2 (`memory_following`), or by matching features (`matching_tracker`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from samhq.results.prompt import Prompt
from samhq.shapes import Bool, Float32, UInt8

#: Masks bool [P,H,W] at the video's size, and their scores [P].
Shown = tuple[Bool[np.ndarray, "P H W"], Float32[np.ndarray, " P"]]


@runtime_checkable
class VideoFrame(Protocol):
    """A received frame, with its number."""

    @property
    def index(self) -> int:
        """The frame's number, from 0."""
        ...

    @property
    def image(self) -> UInt8[np.ndarray, "H W 3"]:
        """The frame, RGB."""
        ...


@runtime_checkable
class Tracked(Protocol):
    """One followed object."""

    def at(self, frame: int) -> Any:
        """The object's latest answer on a frame, or None."""
        ...

    @property
    def prompts_in_memory(self) -> Collection[int]:
        """The prompted frames that later frames use."""
        ...


@runtime_checkable
class Following(Protocol):
    """Follows objects, identified by any integers. `at` and `follow` give answers, which `shown` turns into masks."""

    @property
    def objects(self) -> Mapping[int, Tracked]:
        """The objects with prompts on frames that have come."""
        ...

    def encode(self, image: UInt8[np.ndarray, "H W 3"], index: int) -> Any:
        """The frame with this number, ready for prompts and tracking."""
        ...

    def prompt(self, video_frame: Any, object_id: int, prompt: Prompt) -> None:
        """Sets the object's mask on a frame. A new number is a new object. Raises PromptError: a wrong prompt."""
        ...

    def remember(self) -> None:
        """Puts all prompts since the last call into memory."""
        ...

    def follow(
        self, video_frame: Any, *, reverse: bool = False, only: Collection[int] | None = None
    ) -> Mapping[int, Any]:
        """The answers of the objects on the next frame; `only` leaves out all other objects."""
        ...

    def shown(self, video_frame: Any, answers: Sequence[Any], *, overlap: bool) -> Shown:
        """Answers as masks at the video's size; None is an object without an answer."""
        ...

    def remove(self, object_id: int) -> None:
        """Forgets an object. Raises PromptError: there is none."""
        ...

    def saved(self) -> dict[int, dict[str, Any]]:
        """The objects as plain values and tensors."""
        ...

    def restore(self, state: dict[int, dict[str, Any]]) -> None:
        """Replaces the objects by those of `saved`."""
        ...
