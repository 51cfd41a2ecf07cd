"""The state of a training run: network, optimiser, average, position on the plan, and their files.

Knows nothing about the computation of a step.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from samhq.checkpoint import declared, files
from samhq.checkpoint.save import check_described
from samhq.checkpoint.save import save_state as save_weights
from samhq.datasets.sample import Pictures
from samhq.errors import ConfigError, SamHQError
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.training import sources, validation
from samhq.training.accelerator import start_accelerator
from samhq.training.checkpoint import STATE, load_run, save_run, seed_all
from samhq.training.config import TrainConfig
from samhq.training.data import TrainingBatch, batches
from samhq.training.features import FeatureCache, KeptViews, size_in_bytes
from samhq.training.journal import TrainingLog
from samhq.training.lora import merged_state
from samhq.training.norms import estimate_norms
from samhq.training.optimise import Average, load_optimiser, optimiser
from samhq.training.plan import ScheduleStage
from samhq.training.run_folder import changed_fields, check_run_folder, check_same_kind
from samhq.training.start import at_side, learning, start
from samhq.training.task import TrainingTask


class Run:
    """A network with everything that its training needs; `say` gets each line of progress.

    Nothing is written before weights, pictures and folder have been checked.
    """

    def __init__(
        self, config: TrainConfig, data: Pictures | None, validation: Pictures | None, say: Callable[[str], None]
    ) -> None:
        self.config = config
        check_run_folder(config)
        self.accelerator = start_accelerator(config.device, config.precision)
        self.say = say if self.accelerator.is_main_process else _nothing
        if config.threads:
            torch.set_num_threads(config.threads)
        seed_all(config.seed)
        self.sam = start(config).to(self.accelerator.device)
        if config.format == "pth":
            check_described(merged_state(self.sam), self.sam.config)
        side = self.sam.config.side
        self.plan = config.plan(side)
        self.pictures = data if data is not None else sources.training_pictures(config, side)
        self.validation = validation if validation is not None else sources.validation_pictures(config, side)
        if self.pictures is None and self.plan.unit == "epochs":
            plan_words = (
                f"stages={config.stages!r}" if config.stages else f"epochs={config.epochs} and batch={config.batch}"
            )
            raise ConfigError(
                f"Expected a plan in steps or minutes for endless scenes, which have no epochs, got {plan_words}. "
                "Give stages (--stages), 112:8:40m for instance."
            )
        self.average = Average(learning(self.sam).items(), config.average)
        self.step, self.images, self.spent, self.skipped = 0, 0, 0.0, 0
        self.before: dict[str, float] = {}
        self.after: dict[str, float] = {}
        self.validated = -1
        self.kept: KeptViews | None = None
        self._equip()
        if config.resume and (config.folder / STATE).exists():
            self.load()
        elif config.resume:
            self.say(f"Nothing was saved in {config.output} yet: the run begins.")
        self.kept = self._keep_views()
        self._clock = self._saved_at = self._validated_at = time.monotonic()

    def _equip(self) -> None:
        # Channels last saves a fifth of the encoder's time on a CPU, where most of it is 1x1 convolutions.
        self.sam.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # BatchNorm statistics move only from scratch: a few pictures of one kind would spoil good ones.
        self.sam.train(self.config.mode == "scratch")
        plain_optimiser = optimiser(learning(self.sam).items(), self.config)
        self.task, self.optimiser = self.accelerator.prepare(TrainingTask(self.sam, self.config), plain_optimiser)

    def _keep_views(self) -> KeptViews | None:
        """Every view's features on disk, if the configuration asks for it."""
        config = self.config
        if config.cache is None or self.pictures is None:
            return None
        views = len(self.pictures) * config.copies
        gigabytes = size_in_bytes(self.sam, views, config.cache_dtype) / 1e9
        self.say(
            f"{plural(views, 'view')} of {plural(len(self.pictures), 'picture')}; "
            f"their features take up to {gigabytes:.2f} GB"
        )
        augmentation = sources.augmentation(config, self.sam.config.side)
        cache = FeatureCache(Path(config.cache), augmentation, config.copies, config.cache_dtype, config.precision)
        source = [str(Path(part).absolute()) for part in (config.data, config.images) if part is not None]
        kept = cache.fill(self.pictures, self.sam, source=source, share=self.share, at_once=config.batch, say=self.say)
        self.accelerator.wait_for_everyone()
        return kept

    @property
    def share(self) -> tuple[int, int]:
        """This process's number, and the number of processes."""
        return self.accelerator.process_index, self.accelerator.num_processes

    @property
    def done(self) -> float:
        """The finished share of the plan, 0..1."""
        return min(1.0, self.spent / self.plan.length)

    def change_side(self, side: int) -> None:
        """Continues with the same weights at another picture side."""
        if side == self.sam.config.side:
            return
        state = self.optimiser.state_dict()
        self.accelerator.free_memory()
        self.sam = at_side(self.sam, side)
        self._equip()
        self.optimiser.load_state_dict(state)
        if self.kept is not None:  # Those had the other side.
            self.kept = self._keep_views()

    def stream(self, stage: ScheduleStage) -> Iterator[TrainingBatch]:
        """Batches from the run's position on, without an end."""
        draw = sources.questions(self.config, stage.side, self.pictures, self.kept)
        self._clock = time.monotonic()
        return batches(
            draw,
            stage.side,
            stage.batch,
            normalisation=self.sam.config.encoder.normalisation,
            first=self.images,
            workers=self.config.workers,
            share=self.share,
        )

    def pictures_a_step(self, stage: ScheduleStage) -> int:
        """The number of pictures in a step, over all processes and accumulated batches."""
        return stage.batch * self.config.accumulate * self.share[1]

    def spend(self, stage: ScheduleStage) -> None:
        """Moves the position on the plan by one step."""
        self.step += 1
        self.images += self.pictures_a_step(stage)
        now = time.monotonic()
        if self.plan.unit == "steps":
            self.spent += 1
        elif self.plan.unit == "minutes":
            self.spent += self._agreed(now - self._clock) / 60
        else:
            assert self.pictures is not None
            self.spent += self.pictures_a_step(stage) / len(self.pictures)
        self._clock = now

    def _agreed(self, value: float) -> float:
        """The main process's value, in every process."""
        if self.share[1] == 1:
            return value
        from accelerate.utils import broadcast

        return float(broadcast(torch.tensor(value, device=self.accelerator.device)))

    def stopped(self, stop: list[int]) -> bool:
        """Whether this process, or one that trains with it, was asked to end."""
        if self.share[1] == 1:
            return bool(stop)
        flag = torch.tensor(float(bool(stop)), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag) > 0)

    def place(self, stage: ScheduleStage) -> dict[str, Any]:
        """The run's position, for the log."""
        return {"step": self.step, "images": self.images, "side": stage.side, self.plan.unit: round(self.spent, 3)}

    def journal(self) -> TrainingLog:
        """The run's log, to which a resumed run appends; only the main process writes one."""
        main = self.accelerator.is_main_process
        return TrainingLog(
            self.config.folder if main else None,
            every=self.config.log_steps,
            step=self.step,
            board=self.config.tensorboard,
            say=self.say,
        )

    def due_to_save(self) -> bool:
        """Whether more than `save_minutes` have passed since the state was saved."""
        return time.monotonic() - self._saved_at > 60 * self.config.save_minutes

    def due_to_validate(self, before: float) -> bool:
        """Whether the step that began at `before` on the plan ended an epoch, or the last validation is old."""
        if self.config.validate_minutes:
            return bool(self._agreed(time.monotonic() - self._validated_at) > 60 * self.config.validate_minutes)
        return self.plan.unit == "epochs" and int(self.spent + 1e-6) > int(before + 1e-6)

    def validate(self, journal: TrainingLog, note: str = "") -> None:
        """Validates the averaged network; writes scores to the log, checkpoints and the run's state to its folder."""
        self.validated = self.step
        journal.catch_up()  # Steps only: validation has its own time.
        if self.accelerator.is_main_process:
            with self.settled() as sam:
                scores = self._scores(sam)
                if scores:
                    journal.scores(self.step, scores, note)
                self._keep(sam, scores)
        self.save()
        self.accelerator.wait_for_everyone()
        journal.restart_clock()
        self._validated_at = self._clock = time.monotonic()

    def _scores(self, sam: Sam) -> dict[str, float]:
        if self.validation is not None:
            return validation.picture_scores(sam, self.validation, published=self.config.published)
        if self.config.mode == "scratch":
            return validation.scene_scores(sam, sources.validation_scenes(self.config, sam.config.side))
        return {}

    def _keep(self, sam: Sam, scores: dict[str, float]) -> None:
        """Writes the checkpoints; before the first step it only remembers the score."""
        if not self.step:
            self.before = scores
            return
        self._write("last", sam, scores)
        if scores and (not self.after or scores[self.score] > self.after[self.score]):
            self.after = scores
            self._write("best", sam, scores)

    def about(self) -> str:
        """One line about the run: what learns, from how many pictures, for how long."""
        learnt, whole = _millions(learning(self.sam).values()), _millions(self.sam.parameters())
        pictures = "drawn scenes" if self.pictures is None else plural(len(self.pictures), "picture")
        length = f"{self.plan.length:g} {self.plan.unit}"
        if self.plan.unit == "epochs" and self.pictures is not None:
            steps = sum(stage.amount * len(self.pictures) / self.pictures_a_step(stage) for stage in self.plan.stages)
            length += f" ({plural(math.ceil(steps - 1e-6), 'step')})"
        line = f"{learnt} of {whole} million parameters learn from {pictures}: {length}, learning rate up to"
        shown = "" if self.validation is None else f", validation on {plural(len(self.validation), 'picture')}"
        return f"{line} {self.config.learning_rate:g}{shown}"

    def keep_beginning(self) -> None:
        """Writes the initial weights as the last ones, because the run was stopped before its first step."""
        if self.accelerator.is_main_process:
            with self.settled() as sam:
                self._write("last", sam, self.before)
        self.accelerator.wait_for_everyone()

    @property
    def score(self) -> str:
        """The name of the score that decides which checkpoint is the best."""
        return f"{self.config.judged_with} {self.config.best}"

    def checkpoint(self, name: str) -> Path:
        """The file of the best or the last weights."""
        return self.config.folder / f"{name}.{self.config.format}"

    def _write(self, name: str, sam: Sam, scores: Mapping[str, float]) -> None:
        """Writes a merged checkpoint in the original layout, and beside it its configuration and scores."""
        path = self.checkpoint(name)
        save_weights(merged_state(sam), declared.with_published_name(sam.config), path)
        progress = {"step": self.step, "images": self.images, self.plan.unit: self.spent, "scores": dict(scores)}
        files.write_object(path.with_suffix(".json"), progress | {"config": self.config.to_dict()})

    @contextmanager
    def settled(self) -> Iterator[Sam]:
        """A context in which the network has the averaged weights, in evaluation mode.

        From scratch its BatchNorm statistics are estimated again, over some of the run's pictures or new scenes.
        """
        current = {name: tensor.clone() for name, tensor in self._moving(self.sam).items()}
        training = self.sam.training
        try:
            self.average.apply_to(self.sam)
            if self.config.mode == "scratch":
                self._estimate_norms()
            yield self.sam.eval()
        finally:
            with torch.no_grad():
                for name, tensor in self._moving(self.sam).items():
                    tensor.copy_(current[name])
            self.sam.train(training)

    def _estimate_norms(self) -> None:
        """Estimates the statistics on the training pictures: other pictures would give other values."""
        draw = None
        if self.pictures is not None:
            draw = sources.questions(self.config, self.sam.config.side, self.pictures)
        estimate_norms(self.sam, self.config.norm_pictures, self.config.seed, draw)

    def _moving(self, sam: Sam) -> dict[str, torch.Tensor]:
        """The tensors that differ from the initial weights: all of them from scratch, else those that learn."""
        return sam.state_dict() if self.config.mode == "scratch" else dict(learning(sam))

    def save(self) -> None:
        """Writes everything that is needed to continue.

        After several steps without a finite loss the weights may be spoilt, so an earlier state stays.
        """
        self._saved_at = time.monotonic()
        spoilt = self.skipped > 1 and (self.config.folder / STATE).exists()
        if spoilt or not self.accelerator.is_main_process:
            return
        state = {
            "model": {name: tensor.detach() for name, tensor in self._moving(self.sam).items()},
            "side": self.sam.config.side,
            "architecture": declared.to_metadata(self.sam.config),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
            "place": [self.step, self.images, self.spent],
            "scores": [self.before, self.after],
        }
        save_run(self.config.folder, state, json.dumps(self.config.to_dict(), indent=1))

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """A context for steps: after one of the library's errors, the state is saved with all finished steps."""
        try:
            yield
        except SamHQError:
            if self.step:
                self.save()
            raise

    def load(self) -> None:
        """Continues from the state in the run's folder.

        Raises:
            CheckpointError: the folder holds no run.
            ConfigError: it holds a run of another kind.
        """
        state = load_run(self.config.folder)
        earlier = files.read_object(self.config.folder / "config.json")
        check_same_kind(self.config, earlier)
        if changes := changed_fields(self.config, earlier):
            self.say(f"Continues with other settings: {changes}")
        self.change_side(state["side"])
        with torch.no_grad():
            for name, tensor in self._moving(self.sam).items():
                tensor.copy_(state["model"][name])
        self.average.load_state_dict(state["average"])
        load_optimiser(self.optimiser, state["optimiser"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step, self.images, self.spent = state["place"]
        self.before, remembered = state.get("scores", ({}, {}))
        self.after = self._scores_of_best(remembered)

    def _scores_of_best(self, remembered: dict[str, float]) -> dict[str, float]:
        """The scores of the existing best checkpoint.

        After a kill it may be newer, and better, than the saved state.
        """
        path = self.checkpoint("best")
        if not path.is_file():
            return {}
        beside = path.with_suffix(".json")
        summary: dict[str, Any] = files.read_object(beside) if beside.is_file() else {}
        return summary.get("scores", remembered)


def _millions(parameters: Iterable[torch.Tensor]) -> str:
    return f"{sum(parameter.numel() for parameter in parameters) / 1e6:.2f}"


def _nothing(_: str) -> None:
    """The `say` of all processes but the main one."""
