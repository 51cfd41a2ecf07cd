"""Whether a run may begin or continue in a folder, and which settings of a continued run differ.

Knows nothing about networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samhq.errors import ConfigError
from samhq.training.checkpoint import STATE
from samhq.training.config import TrainConfig
from samhq.training.journal import LOG

#: Fields that a resumed run must have with the same values, because its saved state fits nothing else.
_SAME = ("mode", "what", "init", "model", "preset", "fresh_heads", "lora_rank", "lora_alpha", "optimiser")
#: Fields that do not change the training of a resumed run; `weights` follow from `loss`.
_OWN = ("output", "resume", "weights")


def check_run_folder(config: TrainConfig) -> None:
    """Refuses a folder that holds a run, or a part of one that this run would overwrite.

    Without a saved state `resume` begins, because a run that was killed early leaves at most its log.

    Raises:
        ConfigError: it does.
    """
    if (config.folder / STATE).exists():
        if config.resume:
            return
        raise ConfigError(
            f"Expected a folder without a run, got {config.output}, which holds one. "
            "Give resume=True (--resume) to continue it, or name another folder."
        )
    weights = (f"{name}.{form}" for name in ("best", "last") for form in ("safetensors", "pth"))
    for name in (*weights, *(() if config.resume else (LOG,))):
        path = config.folder / name
        if path.is_file() and path.stat().st_size:
            begin = ", give resume=True (--resume) to begin again" if name == LOG else ""
            raise ConfigError(
                f"Expected a folder without a run, got {config.output}, which holds {name} of one without a saved "
                f"state. Name another folder{begin}, or remove what is there."
            )


def check_same_kind(config: TrainConfig, earlier: Mapping[str, Any]) -> None:
    """Refuses to continue a run of another kind; `earlier` is its configuration as JSON values.

    Raises:
        ConfigError: a field that must stay has another value.
    """
    current = config.to_dict()
    for name in _SAME:
        if name in earlier and earlier[name] != current[name]:
            raise ConfigError(
                f"Expected {name}={earlier[name]!r}, as in the run in {config.output}, got {current[name]!r}. "
                "Give the same value to continue it, or name another folder."
            )


def changed_fields(config: TrainConfig, earlier: Mapping[str, Any]) -> str:
    """The fields that differ from the earlier start, as text; a field that is not given has the recipe's value."""
    current = config.to_dict()
    names = [name for name in current if name in earlier and name not in _OWN and earlier[name] != current[name]]
    return ", ".join(f"{name}={current[name]!r} (was {earlier[name]!r})" for name in names)
