"""A tracker's memory as plain values, so that an interrupted job can continue."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from samhq.errors import CheckpointError
from samhq.storage import digest
from samhq.storage.atomic import whole_file
from samhq.video.memory import Remembered
from samhq.video.tracker import Clicks, ObjectTracker, TrackedObject

_MEMORY = ("logits", "pointer", "object_score", "map")


def tracker_state(tracker: ObjectTracker) -> dict[int, dict[str, Any]]:
    """The objects with their memories and clicks; tensors are shared with the tracker, which never changes them."""
    return {
        number: {
            "prompted": _values_by_frame(tracked.memory.prompted),
            "tracked": _values_by_frame(tracked.memory.tracked),
            "backward": dict(tracked.memory.backward),
            "fixed": sorted(tracked.memory.fixed),
            "clicks": {frame: (clicks.points, clicks.labels) for frame, clicks in tracked.clicks.items()},
        }
        for number, tracked in tracker.objects.items()
    }


def restore(tracker: ObjectTracker, state: dict[int, dict[str, Any]]) -> None:
    """Replaces a tracker's objects by those of a state."""
    device = tracker.model.device
    tracker.objects.clear()
    for number, saved in state.items():
        tracked = tracker.objects[number] = TrackedObject()
        for name in ("prompted", "tracked"):
            memories = {frame: _remembered(values, device) for frame, values in saved[name].items()}
            setattr(tracked.memory, name, memories)
        tracked.memory.backward = dict(saved["backward"])
        tracked.memory.fixed = set(saved["fixed"])
        tracked.clicks = {frame: Clicks(*clicks) for frame, clicks in saved["clicks"].items()}


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Writes plain values and tensors."""
    with whole_file(path) as part:
        torch.save(state, part)


def read_state(path: Path) -> dict[str, Any]:
    """Reads a file of `write_state`.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        digest.check_zip(path)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"Expected the state of an interrupted job in {path}, which cannot be read: {error}. Start without "
            "--resume."
        ) from error
    return state


def _values_by_frame(memories: Mapping[int, Remembered]) -> dict[int, tuple[torch.Tensor | None, ...]]:
    return {frame: tuple(getattr(remembered, name) for name in _MEMORY) for frame, remembered in memories.items()}


def _remembered(values: tuple[torch.Tensor | None, ...], device: torch.device) -> Remembered:
    assert len(fields(Remembered)) == len(_MEMORY)
    moved = [None if value is None else value.to(device) for value in values]
    return Remembered(*moved)  # type: ignore[arg-type]
