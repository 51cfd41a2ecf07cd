"""Saves a run's state atomically, and reads it to continue exactly.

Knows nothing about the meaning of the state, a dictionary of tensors and plain values.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samhq.errors import CheckpointError
from samhq.storage import digest
from samhq.storage.atomic import whole_file

#: The one file of a run folder that is needed to continue.
STATE = "state.pt"


def save_run(folder: Path, state: dict[str, Any], config_json: str) -> Path:
    """Saves the state and returns its path. A crash while writing leaves the previous file in place.

    Raises:
        OSError: it cannot be written, for instance because the disk is full.
    """
    target = folder / STATE
    try:
        # Through Python's own file, which reports a full disk.
        with whole_file(target) as part, part.open("wb") as stream:
            torch.save(state, stream)
    except RuntimeError as error:  # torch's own error for it.
        free = shutil.disk_usage(folder).free / 1e6
        raise OSError(f"the state cannot be written to {target}, where {free:.0f} MB are free") from error
    with whole_file(folder / "config.json") as part:
        part.write_text(config_json)
    return target


def load_run(folder: Path) -> dict[str, Any]:
    """The state that a run saved in `folder`.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    path = folder / STATE
    try:
        digest.check_zip(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"Expected a run's {STATE} in {folder}, got none. Start without --resume.") from None
    except Exception as error:
        raise CheckpointError(
            f"Expected a run's state in {path}, got a damaged file ({error}). Bring back a copy of it, or start "
            "again in another folder."
        ) from error


def seed_all(seed: int) -> None:
    """Seeds every generator."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


def seed_step(seed: int, step: int, process: int = 0) -> None:
    """Seeds torch's generators on every device for one step of one process.

    So a step's random numbers depend only on its number, and a resumed run draws the same.
    """
    torch.manual_seed(int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0]) >> 1)
