"""`samhq train`: trains a model on pictures with masks. Its flags are the fields of `samhq.TrainConfig`.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from samhq.training.config import TrainConfig

RECIPE = TrainConfig()  #: The values of the flags when none is given.


def train(*, config: Annotated[TrainConfig, Parameter(name="*", negative_iterable=())] = RECIPE) -> int:
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

    trained = run(config, say=_say)
    if not is_main_process():  # Of several processes only one prints.
        return 0
    for line in table(trained.before, trained.after):
        print(line)
    if not trained.steps:
        print(f"{trained.last}: stopped before the first step; these are the weights that it began with.")
        return 0
    print(f"{trained.best}: after {trained.steps} steps")
    if trained.improved is False:
        print(f"No better than before by {trained.score}: keep the weights that it began with, or train otherwise.")
    return 0


def table(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Scores before and after as aligned lines of text; no lines without scores.

    >>> table({"box iou": 0.5}, {"box iou": 0.75})
    ['validation  before   after', 'box iou      0.500   0.750']
    """
    if not before or not after:
        return []
    wide = max(map(len, ("validation", *before)))
    rows = [f"{name:{wide}} {before[name]:7.3f} {after[name]:7.3f}" for name in before if name in after]
    return [f"{'validation':{wide}} {'before':>7} {'after':>7}", *rows]


def _say(line: str) -> None:
    print(line, flush=True)
