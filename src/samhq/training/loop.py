"""A training run, top to bottom: random weights and drawn scenes in, a checkpoint folder and a network out.

The plan is a timeline of stages, each at its own picture side; the learning rate follows the share of the plan
that is behind, so a run planned in minutes ends in time. SIGTERM and SIGINT save and end it; `resume` goes on.
"""

from __future__ import annotations

import copy
import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samhq.config import model_config
from samhq.errors import SamHQError
from samhq.evaluation.scenes import Score, evaluate_scenes
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.scenes.scene import Scene, SceneConfig, draw_scene
from samhq.training.checkpoint import load_state, random_state, save_state, seed_all, set_random_state
from samhq.training.config import Stage, TrainConfig
from samhq.training.data import Batch, batches
from samhq.training.initialise import initialise
from samhq.training.losses import Losses, pooled, prompt_losses
from samhq.training.optimise import Average, optimiser, rate
from samhq.training.prompts import corrected
from samhq.types import ImageEmbedding, Prompts

#: Scene seeds of validation start here, beyond any that a run draws from.
VALIDATION_SEED = 1 << 60
#: Consecutive steps with a loss that is no number before a run gives up.
_PATIENCE = 20


class Run:
    """A network with all that its training needs to go on: optimiser, average, place on the plan."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.device = config, torch.device(config.device)
        self.model = build(replace(model_config(config.model), side=config.stages[0].side)).to(self.device)
        initialise(self.model)
        self._equip()
        self.average = Average(self.model, config.average)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self.step, self.images, self.spent, self.skipped = 0, 0, 0.0, 0

    def _equip(self) -> None:
        # Channels last saves a fifth of the encoder's time on a CPU, where most of it is 1x1 convolutions.
        self.model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = optimiser(self.model, self.config)

    def change_side(self, side: int) -> None:
        """Goes on with the same weights at another picture side."""
        if side == self.model.config.side:
            return
        old, state = self.model, self.optimiser.state_dict()
        self.model = build(replace(old.config, side=side)).to(self.device)
        self.model.load_state_dict(old.state_dict())
        self._equip()
        self.optimiser.load_state_dict(state)

    def save(self) -> Path:
        """The path of the saved state."""
        state = {
            "model": self.model.state_dict(),
            "side": self.model.config.side,
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": random_state(),
            "place": [self.step, self.images, self.spent],
        }
        return save_state(self.config.output, state, self.config.to_json())

    def load(self) -> None:
        """Goes on from the state in the run's folder."""
        state = load_state(self.config.output)
        self.change_side(state["side"])
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        set_random_state(state["random"])
        self.step, self.images, self.spent = state["place"]


def train(config: TrainConfig) -> Sam:
    """The trained network with averaged weights; its run's folder is `config.output`.

    Raises:
        CheckpointError: `config.resume` is set and the folder holds no run.
        SamHQError: the loss was no number for many steps in a row.
    """
    torch.set_num_threads(config.threads)
    seed_all(config.seed)
    run = Run(config)
    if config.resume:
        run.load()
    with _stop_requests() as stop, _Journal(config.output, append=config.resume) as journal:
        while not stop and (stage := config.stage_at(run.spent)):
            _run_stage(run, stage, journal, stop)
        run.save()
    return averaged(run.model, run.average, config)


def _run_stage(run: Run, stage: Stage, journal: _Journal, stop: list[int]) -> None:
    """Steps until the stage is over or a stop is asked for."""
    config = run.config
    run.change_side(stage.side)
    stream = batches(config.seed, run.images, stage.side, stage.batch, config.prompts, config.loss.fine, config.workers)
    saved = validated = before = time.monotonic()
    while not stop and config.stage_at(run.spent) == stage:
        parts = train_step(run, next(stream))
        now = time.monotonic()
        run.spent += 1 if config.unit == "steps" else (now - before) / 60
        before = now
        journal.add(run, parts, stage)
        if now - saved > 60 * config.save_minutes:
            run.save()
            saved = now
        if now - validated > 60 * config.validate_minutes:
            journal.scores(run, validate(run))
            validated = time.monotonic()


def train_step(run: Run, batch: Batch) -> dict[str, float]:
    """One update; the parts of its loss, its mean IoU by kind of prompt, and the gradient's norm."""
    config = run.config
    batch = batch.to(run.device)
    lr = rate(config, run.step, run.spent / config.planned)
    for group in run.optimiser.param_groups:
        group["lr"] = lr
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[config.precision]
    with torch.autocast(run.device.type, dtype, enabled=config.precision != "float32"):
        loss, parts = batch_loss(run.model, batch, config)
    run.step += 1
    run.images += len(batch.pixels)
    if not _finite(run, loss):
        return {}
    run.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    run.scaler.unscale_(run.optimiser)
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), config.clip)
    # A gradient that is no number would poison every weight: such a step changes nothing.
    if _finite(run, norm):
        run.scaler.step(run.optimiser)
        run.average.update(run.model)
    run.scaler.update()
    run.optimiser.zero_grad(set_to_none=True)
    return {name: float(value) for name, value in parts.items()} | {"norm": float(norm), "lr": lr}


def batch_loss(sam: Sam, batch: Batch, config: TrainConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of all prompts, and of a second round for some: a click on the error, beside the mask they gave."""
    embedding = sam.encode(batch.pixels.contiguous(memory_format=torch.channels_last))
    first, masks = _round(sam, embedding, batch.prompts, batch.targets, batch.ambiguous, config)
    parts = dict(first.parts)
    for name, rows in (("point", batch.ambiguous), ("box", _boxed(batch.prompts))):
        if bool(rows.any()):
            parts[f"iou_{name}"] = first.true_iou[rows].mean()
    total = first.total
    count = round(config.correct * len(masks))
    if count:
        rows = torch.randperm(len(masks), device="cpu")[:count].to(masks.device)
        targets = batch.targets[rows]
        again = corrected(batch.prompts[rows], masks[rows], pooled(targets, masks.shape[-1]))
        second, _ = _round(sam, embedding, again, targets, torch.zeros_like(batch.ambiguous[rows]), config)
        total = total + config.loss.corrected * config.correct * second.total
        parts["iou_again"] = second.true_iou.mean()
    parts["loss"] = total.detach()
    return total, {name: value.detach() for name, value in parts.items()}


def _round(
    sam: Sam, embedding: ImageEmbedding, prompts: Prompts, targets: Tensor, ambiguous: Tensor, config: TrainConfig
) -> tuple[Losses, Tensor]:
    """What one round of prompts costs, and SAM's chosen mask [P,G,G] of each."""
    attended = sam.attend(embedding, prompts)
    every = torch.arange(attended.iou.shape[1], device=targets.device).expand(len(targets), -1)
    plain, refined = sam.mask_decoder.logits(attended, embedding, every, "add" if sam.config.hq else "off")
    assert plain is not None
    plain, refined = plain.float(), None if refined is None else refined.float()
    losses = prompt_losses(plain, refined, attended.iou, targets, ambiguous, config.loss)
    return losses, plain.detach()[torch.arange(len(plain), device=plain.device), losses.chosen]


def _boxed(prompts: Prompts) -> Tensor:
    assert prompts.boxes is not None
    return ~prompts.boxes.isnan().any(1)


def _finite(run: Run, value: Tensor) -> bool:
    """Whether the value is a number; raises when it was not for many steps in a row."""
    if bool(torch.isfinite(value)):
        run.skipped = 0
        return True
    run.skipped += 1
    if run.skipped >= _PATIENCE:
        raise SamHQError(
            f"Expected a loss or gradient that is a number, got none in {_PATIENCE} steps up to step {run.step}; "
            "lower the learning rate or use float32, then resume from the last saved state."
        )
    return False


def averaged(model: Sam, average: Average, config: TrainConfig) -> Sam:
    """A copy of the network with averaged weights and BatchNorm statistics estimated for them, ready for use."""
    sam = copy.deepcopy(model)
    average.apply_to(sam)
    estimate_norms(sam, config)
    return sam.eval()


@torch.no_grad()
def estimate_norms(sam: Sam, config: TrainConfig) -> None:
    """Sets every BatchNorm's statistics to the mean over `config.norm_pictures` fresh scenes."""
    norms = [m for m in sam.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    sam.train()
    batch = 16
    stream = batches(config.seed + 1, 0, sam.config.side, batch, 1, workers=0)
    for _ in range(math.ceil(config.norm_pictures / batch)):
        sam.encode(next(stream).pixels.to(sam.device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def validate(run: Run) -> list[Score]:
    """Scores of the averaged network on the scenes that no run trains on."""
    quick = replace(run.config, norm_pictures=min(64, run.config.norm_pictures))
    sam = averaged(run.model, run.average, quick)
    scenes = unseen_scenes(run.config.validate_pictures, sam.config.side)
    return evaluate_scenes(sam, scenes, modes=("add", "only", "off"))


def unseen_scenes(count: int, side: int) -> Iterator[Scene]:
    """That many scenes of that side, always the same, from seeds kept out of training."""
    return (draw_scene(VALIDATION_SEED + i, SceneConfig(side=side)) for i in range(count))


def export(folder: Path, *, side: int | None = None, norm_pictures: int = 256) -> Sam:
    """The averaged network of a run's folder, at the side it was last trained at or another.

    Raises:
        CheckpointError: the folder holds no run.
    """
    state = load_state(folder)
    name = json.loads((folder / "config.json").read_text())["model"]
    sam = build(replace(model_config(name), side=side or state["side"]))
    sam.load_state_dict(state["model"])
    average = Average(sam, 0.999)
    average.load_state_dict(state["average"])
    return averaged(sam, average, TrainConfig(model=name, norm_pictures=norm_pictures))


class _Journal:
    """Means over a few steps, as a line for people and a line of JSON."""

    def __init__(self, folder: Path, *, append: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / "log.jsonl").open("a" if append else "w")
        self.rows: list[dict[str, float]] = []
        self.since, self.images = time.monotonic(), 0

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(self, run: Run, parts: dict[str, float], stage: Stage) -> None:
        """Takes in a step; every `log_steps` a line goes out."""
        self.rows.append(parts)
        self.images += stage.batch
        if run.step % run.config.log_steps:
            return
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        means = {n: _mean([row[n] for row in self.rows if n in row]) for n in names}
        now = time.monotonic()
        place = {"step": run.step, "images": run.images, "side": stage.side, "spent": round(run.spent, 3)}
        self._write({**place, "images_s": self.images / (now - self.since), **means})
        self.rows, self.since, self.images = [], now, 0

    def scores(self, run: Run, scores: list[Score]) -> None:
        """A validation's result."""
        for score in scores:
            print(f"  step {run.step}  {score}", flush=True)
        self.file.write(json.dumps({"step": run.step, "scores": [vars(score) for score in scores]}) + "\n")
        self.since = time.monotonic()

    def _write(self, row: dict[str, Any]) -> None:
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """A list that fills when the process is asked to end; a second request ends it at once."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
