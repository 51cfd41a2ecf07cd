"""`samhq train`: trains a model on pictures with masks. Its flags are the fields of `samhq.TrainConfig`.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cyclopts import Group, Parameter

from samhq.cli.fields import flags_of
from samhq.cli.picture_flags import bands_from_text, stretch_from_text
from samhq.errors import ConfigError
from samhq.garbage import collect_as_usual
from samhq.plural import plural
from samhq.training.config import TrainConfig

#: The fields of `TrainConfig` by the groups of the help.
GROUPS = {
    "Run": ("output", "mode", "preset", "seed", "resume"),
    "Data": (
        *(
            "data",
            "images",
            "skip_missing",
            "bands",
            "stretch",
            "validation",
            "validation_images",
            "hold_out",
            "source_weights",
        ),
        *("copies", "cache", "cache_dtype"),
    ),
    "Weights": ("init", "model", "what", "fresh_heads", "lora_rank", "lora_alpha"),
    "Length and batches": ("epochs", "batch", "accumulate", "stages"),
    "Prompts": ("prompts_per_picture", "kinds", "clicks", "correct", "rounds"),
    "Augmentation": ("flip", "scale", "paste", "backgrounds", "thin", "parts", "close"),
    "Loss and optimiser": (
        *("loss", "optimiser", "learning_rate", "encoder_rate", "encoder_wait", "shape", "hold", "final_rate"),
        *("warmup", "weight_decay", "beta2", "clip", "average", "norm_pictures"),
    ),
    "Machine": ("device", "precision", "threads", "workers"),
    "Validation, log and files": (
        *("validate_minutes", "validate_pictures", "best", "log_steps", "save_minutes", "format", "tensorboard"),
    ),
}
#: Flags with other names than their fields: `--model` is always weights, and `--shapes` belongs to masks.
NAMES = {"output": ("--output", "-o"), "model": "--arch", "shape": "--schedule"}


def train(**given: Any) -> int:
    """Train a model on pictures with masks: HQ tuning, fine-tuning, or from scratch.

    For example: samhq train --data train.json --validation val.json
    samhq train --mode hq --init sam_vit_b --data hqseg44k:train@data
    --validation hqseg44k:val@data --cache features

    Writes best.safetensors and last.safetensors to the folder --output. Both are
    whole models in the original layout, for `samhq segment --model`, and each has a
    .json file with its configuration and scores. log.jsonl has the progress.
    --resume continues after an interruption. A flag that is not given has the value
    of the mode's recipe.

    Exit code 0: done. 2: wrong use. 130: interrupted twice. The first interruption
    saves the run and ends it.
    """
    from samhq.training.accelerator import is_main_process
    from samhq.training.loop import train as run

    collect_as_usual()
    config = TrainConfig(**given)
    trained = run(config, say=_say)
    if not is_main_process():  # Of several processes only one prints.
        return 0
    for line in before_and_after(trained.before, trained.after):
        print(line)
    if trained.steps and trained.done < 1:
        print(f"Stopped after {trained.done:.0%} of the plan. The same command with --resume goes on.")
    if not trained.steps:
        print(f"{trained.last}: stopped before the first step; these are the initial weights.")
        return 0
    print(f"{trained.best}: after {plural(trained.steps, 'step')}")
    if trained.improved and (command := _comparison(config, trained.best)):
        print(f"Tables and pictures of the difference: {command}")
    if trained.improved is False:
        print(f"No better than before by {trained.score}: keep the initial weights, or change the settings.")
    return 0


def scale_from_text(text: str) -> tuple[float, float]:
    """The two factors in `0.5,1.5`.

    >>> scale_from_text("0.5,1.5")
    (0.5, 1.5)

    Raises:
        ConfigError: not two numbers.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise ConfigError(f"expected two factors, got {text!r}. Write --scale 0.5,1.5.") from error
    return low, high


def _flags() -> inspect.Signature:
    """The fields of `TrainConfig` as flags in groups."""
    groups = {title: Group(title, sort_key=number) for number, title in enumerate(GROUPS)}
    about = {
        name: Parameter(name=NAMES.get(name), group=groups[title]) for title, names in GROUPS.items() for name in names
    }
    grown = flags_of(
        TrainConfig,
        words={"scale": scale_from_text, "bands": bands_from_text, "stretch": stretch_from_text},
        parameters=about,
    )
    flags = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=grown[name].default, annotation=grown[name].annotation
        )
        for name in about
    ]
    return inspect.Signature(flags, return_annotation=int)


train.__signature__ = _flags()  # type: ignore[attr-defined]
train.__annotations__ = {name: flag.annotation for name, flag in _flags().parameters.items()}


def before_and_after(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Scores before and after as aligned lines of text; no lines without scores.

    >>> before_and_after({"box iou": 0.5}, {"box iou": 0.75})
    ['validation  before   after', 'box iou      0.500   0.750']
    """
    if not before or not after:
        return []
    wide = max(map(len, ("validation", *before)))
    rows = [f"{name:{wide}} {before[name]:7.3f} {after[name]:7.3f}" for name in before if name in after]
    return [f"{'validation':{wide}} {'before':>7} {'after':>7}", *rows]


def _comparison(config: TrainConfig, best: Path) -> str:
    """The command that compares the best checkpoint with the initial weights on the validation pictures.

    "" if none can: without such pictures or weights.

    >>> _comparison(TrainConfig(data="a.json", validation="b.json"), Path("runs/train/best.safetensors"))
    'samhq evaluate b.json --model starter --model runs/train/best.safetensors --output runs/train/report'
    """
    drawn = config.validation is None or str(config.validation).partition(":")[0] == "scenes"
    if drawn or config.init in ("random", "imagenet"):
        return ""
    shown = {
        "--images": config.validation_images,
        "--bands": _listed(config.bands),
        "--stretch": _listed(config.stretch),
    }
    words = ["samhq", "evaluate", str(config.validation)]
    for flag, value in shown.items():
        words += [] if value is None else [flag, str(value)]
    words += ["--skip-missing"] * config.skip_missing
    words += ["--model", str(config.init), "--model", str(best), "--output", str(config.folder / "report")]
    return shlex.join(words)


def _listed(numbers: Sequence[float] | None) -> str | None:
    return None if numbers is None else ",".join(f"{number:g}" for number in numbers)


def _say(line: str) -> None:
    print(line, flush=True)
