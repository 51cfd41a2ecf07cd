"""A run's state on disk: written whole or not at all, read back to go on exactly.

Knows nothing about what the state means; the run hands over a dictionary of tensors and plain values.
"""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samhq.errors import CheckpointError
from samhq.storage.atomic import whole_file

#: The one file of a run folder that is needed to go on.
STATE = "state.pt"


def save_state(folder: Path, state: dict[str, Any], config_json: str) -> Path:
    """The path of the saved state. A crash while writing leaves the previous file in place."""
    target = folder / STATE
    with whole_file(target) as part:
        torch.save(state, part)
    with whole_file(folder / "config.json") as part:
        part.write_text(config_json)
    return target


def load_state(folder: Path) -> dict[str, Any]:
    """The state that a run saved in `folder`.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    path = folder / STATE
    if not path.is_file():
        raise CheckpointError(
            f"Expected a run's {STATE} in {folder}, got none. Start without --resume; where other files of a run are "
            "there, in another folder."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"Expected a run's state in {path}, could not read it ({error}); start again.") from error


def seed_all(seed: int) -> None:
    """Seeds every generator."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


def seed_step(seed: int, step: int, process: int = 0) -> None:
    """Seeds torch's generators on every device for one step of one process.

    So what a step draws follows from its number alone, and a resumed run draws it again.
    """
    torch.manual_seed(int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0]) >> 1)
