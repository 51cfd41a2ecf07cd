"""A training run, top to bottom: a network and pictures in, a folder of checkpoints out.

The plan is a timeline of stages. The learning rate depends on the finished share of the plan, so that a run planned in
minutes ends in time. SIGTERM and SIGINT save the run and end it. `resume` continues with the same losses, or begins if
nothing was saved yet.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from samhq.datasets.sample import Pictures
from samhq.errors import SamHQError
from samhq.storage.locks import only_one
from samhq.training.accelerator import is_main_process
from samhq.training.checkpoint import seed_step
from samhq.training.config import TrainConfig
from samhq.training.data import TrainingBatch
from samhq.training.optimise import set_rates
from samhq.training.run import Run
from samhq.training.start import learning

#: Number of steps in a row with a loss or gradient that is not finite before a run ends.
PATIENCE = 20


@dataclass(frozen=True)
class Trained:
    """The result of a run: checkpoints in the original layout, and scores on its validation pictures.

    `best` is the checkpoint with the best validation `score`, `last` the one at the end; both are the same file without
    validation. If a run was stopped before its first step, both are its initial weights. `before` and `after` are the
    scores before the first step and of `best`; empty without validation. `done` is the finished share of the plan,
    below 1 if the run was asked to end.
    """

    best: Path
    last: Path
    steps: int
    score: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    done: float = 1.0

    @property
    def improved(self) -> bool | None:
        """Whether `best` is better than the initial weights; None without validation."""
        return self.after[self.score] > self.before[self.score] if self.before and self.after else None


def train(
    config: TrainConfig,
    *,
    data: Pictures | None = None,
    validation: Pictures | None = None,
    say: Callable[[str], None] = print,
) -> Trained:
    """The checkpoints of a training run; its log and its state are in the folder `config.output`.

    `data` and `validation` replace the sources in the configuration; `say` gets each line of progress.

    Raises:
        ConfigError: fields that do not go together, a source that does not exist, a folder that holds another run or in
            which another process trains, or `config.resume` with a folder that holds something else.
        CheckpointError: the initial weights cannot be loaded, or the saved state is damaged.
        ImageError: a picture cannot be read.
        MissingExtraError: Accelerate, or a package for drawing scenes, is not installed.
        SamHQError: the loss was not finite for many steps in a row.
    """
    alone = only_one(config.folder, "training") if is_main_process() else nullcontext()
    with alone:
        return _trained(Run(config, data, validation, say))


def _trained(run: Run) -> Trained:
    """The result of a run after its last step."""
    with stop_requests() as stop, run.journal() as journal, run.kept_on_error():
        run.say(run.about())
        if not run.step:
            run.validate(journal, "before the first step")
        while not run.stopped(stop) and (stage := run.plan.at(run.spent)):
            run.change_side(stage.side)
            stream = run.stream(stage)
            while not run.stopped(stop) and run.plan.at(run.spent) == stage:
                parts, before = update(run, stream), run.spent
                run.spend(stage)
                journal.step(run.place(stage), parts, run.pictures_a_step(stage))
                if run.due_to_validate(before):
                    run.validate(journal)
                elif run.due_to_save():
                    run.save()
        if run.validated != run.step:
            run.save()
            run.validate(journal, "at the end")
        elif not run.step:
            run.keep_beginning()
    last = run.checkpoint("last")
    best = run.checkpoint("best") if run.after else last
    return Trained(best, last, run.step, run.score, run.before, run.after, run.done)


def update(run: Run, stream: Iterator[TrainingBatch]) -> dict[str, float]:
    """One step over the accumulated batches; gives the parts of its loss, its IoU by kind of prompt, the gradient norm.

    Parts and IoU are means over the batches that have them.
    """
    config, accelerator = run.config, run.accelerator
    seed_step(config.seed, run.step, accelerator.process_index)
    lr = set_rates(run.optimiser, config, run.step, run.done)
    total = 0.0
    rows: list[dict[str, Tensor]] = []
    for number in range(config.accumulate):
        last = number + 1 == config.accumulate
        with nullcontext() if last else accelerator.no_sync(run.task):  # Processes add gradients once.
            loss, parts = run.task(next(stream).to(accelerator.device))
            accelerator.backward(loss / config.accumulate)
        total = total + loss.detach() / config.accumulate
        rows.append(parts)
    norm = accelerator.clip_grad_norm_(run.task.parameters(), config.clip or float("inf"))
    # A gradient that is not finite would destroy every weight, so such a step changes nothing. With a loss scale the
    # optimiser does that itself, and lowers the scale.
    if is_number(run, accelerator.reduce(total), norm):
        run.optimiser.step()
        run.average.update(learning(run.sam))
    elif accelerator.scaler is not None:
        run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    return mean_parts(rows) | {"loss": float(total), "norm": float(norm), "lr": lr}


def mean_parts(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """The mean of every part over the batches that have it, because not every batch holds every kind of prompt.

    >>> mean_parts([{"dice": torch.tensor(1.0)}, {"dice": torch.tensor(3.0), "iou_box": torch.tensor(0.5)}])
    {'dice': 2.0, 'iou_box': 0.5}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(torch.stack([row[name] for row in rows if name in row]).mean()) for name in names}


def is_number(run: Run, *values: Tensor) -> bool:
    """Whether all values are finite; the same in every process.

    Raises:
        SamHQError: some were not for many steps in a row.
    """
    if all(bool(torch.isfinite(value)) for value in values):
        run.skipped = 0
        return True
    run.skipped += 1
    if run.skipped >= PATIENCE:
        raise SamHQError(
            f"Expected a loss and a gradient that are numbers, got none in {PATIENCE} steps up to step {run.step}. "
            "Lower the learning rate or use float32, then resume from the last saved state."
        )
    return False


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that fills when the process is asked to end; a second request ends it at once.

    Only the main thread gets signals. In another thread, such as a server's or a notebook's, the list stays empty.
    """
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def note(number: int, _: object) -> None:
        signals.append(number)
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
