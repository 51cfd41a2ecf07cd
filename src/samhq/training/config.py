"""The configuration of a training run: plain frozen values that fit on a command line.

The default of a field depends on the kind of run; `training/recipes.py` has the table. Knows nothing about torch,
models or data.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from samhq.config import MODELS
from samhq.errors import ConfigError, did_you_mean
from samhq.image.channels import Channels
from samhq.options import real_number, whole_number, yes_or_no
from samhq.training.kinds import parse_kinds
from samhq.training.plan import Schedule, ScheduleStage, parse_stages
from samhq.training.recipes import LossWeights, parse_loss, recipe_of

Mode = Literal["hq", "finetune", "scratch"]
What = Literal["decoder", "decoder+prompt", "lora", "all"]
Precision = Literal["float32", "bfloat16", "float16"]

#: A field that the recipe of the mode fills in.
BY_MODE: Any = None


@dataclass(frozen=True)
class TrainConfig:
    """A training run: HQ tuning, fine-tuning, or training from scratch on drawn scenes.

    A field that is not given has the value of the mode's recipe. A resumed run continues on the plan it is given, at
    the point that its finished epochs (or steps, or minutes) determine. So the plan may change between two starts.

    Raises:
        ConfigError: a value that cannot be used, or fields that do not go together.
    """

    output: Path | str = "runs/train"
    """Folder of the run: checkpoints, their configuration, a log, and the state for resuming."""

    mode: Mode = "finetune"
    """hq: train HQ heads, keep SAM unchanged. finetune: train what --what names. scratch: random weights, drawn
    scenes."""

    data: str | Path | None = BY_MODE
    """Pictures with masks: a COCO JSON file, a folder, data.yaml@train of YOLO, hqseg44k:train@FOLDER, or scenes:COUNT
    for drawn scenes. A folder has masks, or the files of a labelling tool."""

    images: Path | str | None = None
    """Folder of the pictures of a file of labels, if it is not beside the file."""

    skip_missing: bool = False
    """Leave out pictures whose files are missing. Otherwise the run does not start if files are missing."""

    bands: tuple[int, ...] | None = None
    """Channels for red, green and blue, or one for grey, counted from 1: 4,3,2. Needs the extra `geo`."""

    stretch: tuple[float, float] | None = None
    """Percentiles of each channel that become black and white, for 12-bit, 16-bit and float pictures: 2,98. Needs the
    extra `geo`."""

    validation: str | Path | None = None
    """Pictures for validation, in the same forms as data. [default: none; scratch: drawn scenes]"""

    validation_images: Path | str | None = None
    """Folder of the validation pictures, if it is not beside the file of labels."""

    init: str | Path | None = BY_MODE
    """Initial weights: a model's name, file, folder or hub id, random, or imagenet for the starter's encoder.
    [default: starter; scratch: random]"""

    model: str = "sam_hq_vit_tiny"
    """Architecture, for random weights (--init random)."""

    what: What = "decoder"
    """The weights that mode finetune trains. lora: the decoder and low-rank changes of the encoder's attention."""

    fresh_heads: bool = False
    """Begin HQ tuning with new HQ heads, even if the weights have some."""

    preset: Literal["paper"] | None = None
    """paper: HQ tuning as published, quirks included."""

    epochs: float = BY_MODE
    """How many times each picture is used."""

    batch: int = BY_MODE
    """Pictures in a batch, on each device."""

    accumulate: int = BY_MODE
    """Number of batches in one optimiser step."""

    stages: str = BY_MODE
    """Plan in place of epochs and batch: side:batch:length,...
    A length is a number of steps, 40m (minutes) or 2e (epochs)."""

    prompts_per_picture: int = BY_MODE
    """Prompts for each picture in a batch."""

    kinds: str = BY_MODE
    """Kinds of prompts, optionally with weights (box:2,point:1): box, tight_box, point, points, box_points,
    mask, clicks, noise_mask."""

    clicks: int = 10
    """Foreground points of a prompt of kind clicks. An object with fewer pixels gets fewer."""

    correct: float = BY_MODE
    """Share of the prompts that get further clicks on the errors of their masks."""

    rounds: int = 1
    """Number of such clicks, one after the other. Each comes with the mask of the round before."""

    flip: float = 0.5
    """Probability that a picture is mirrored."""

    scale: tuple[float, float] = BY_MODE
    """Each picture is resized by a factor between these two, then cut or padded to the model's side: 0.5,1.5."""

    paste: Path | str | None = None
    """Folder of cut-outs (pictures with an alpha channel). Some are pasted onto four of ten pictures."""

    backgrounds: Path | str | None = None
    """Folder of pictures without masks, as more backgrounds for cut-outs and thin things."""

    thin: float = 0.0
    """Share of the pictures with drawn cables, branches and other thin things, with exact masks."""

    parts: float = 0.0
    """Share of the pictures that also get prompts for distinct regions, such as an eye or a window."""

    close: float = 0.0
    """Share of the pictures that are cropped around one object."""

    source_weights: str = ""
    """Relative frequency of pictures by source, by a part of its name in the COCO file: coco:3,pets:0.5."""

    hold_out: int = 0
    """Percent of the pictures to keep for validation, chosen by a hash of their file names."""

    copies: int = 0
    """Number of different resized versions of each picture. 0: a new one each time."""

    cache: Path | str | None = None
    """Folder for the frozen encoder's features of those copies. Epochs after the first then run only the decoder."""

    cache_dtype: Literal["float32", "float16"] = "float16"
    """Number type of cached features. float16 takes half the space; float32 gives the losses of a run without cache."""

    lora_rank: int = 8
    """Rank of LoRA's changes to the encoder."""

    lora_alpha: float = 16.0
    """LoRA's changes are multiplied by alpha / rank."""

    loss: str = ""
    """Weights of parts of the loss that differ from the recipe's, for example points:3136,hq:1."""

    optimiser: Literal["adamw", "adam"] = BY_MODE
    """adamw, or adam as in the published training."""

    learning_rate: float = BY_MODE
    """The highest learning rate. [default: 0.001 for hq and scratch; finetune 0.0005, with lora and all 0.0001]"""

    encoder_rate: float | None = None
    """The highest learning rate of the image encoder, if it learns. [default: as learning_rate]"""

    encoder_wait: int = 0
    """Steps before the image encoder begins to learn."""

    shape: Literal["linear", "cosine", "step"] = BY_MODE
    """How the learning rate falls: evenly, as half a cosine wave, or in one step."""

    hold: float = BY_MODE
    """Share of the plan before the learning rate begins to fall."""

    final_rate: float = BY_MODE
    """The last learning rate, as a share of the highest."""

    warmup: int = BY_MODE
    """Number of steps in which the learning rate rises; at most a tenth of the plan."""

    weight_decay: float = BY_MODE
    """Weight decay of matrices. Other weights do not decay."""

    beta2: float = BY_MODE
    """Adam's decay of the second moment."""

    clip: float = BY_MODE
    """Largest gradient norm. 0: no clipping."""

    average: float = BY_MODE
    """Decay of the averaged weights, which are validated and saved. 0: use the weights themselves."""

    norm_pictures: int = 64
    """Scratch: number of pictures for a new estimate of BatchNorm statistics before each validation."""

    seed: int = 0
    """Seed of all random numbers."""

    precision: Precision = "float32"
    """Number type of the arithmetic. Weights stay float32. float16 needs a GPU."""

    device: str | None = None
    """cpu, cuda, cuda:1, mps. For several GPUs start with torchrun. [default: cuda where there is one, else cpu]"""

    threads: int = 0
    """CPU threads. 0: PyTorch's own choice."""

    workers: int = 1
    """Processes that prepare pictures. 0: the training process, between steps."""

    log_steps: int = 20
    """Number of steps between lines of the log. Each validation also writes one."""

    save_minutes: float = 5.0
    """Minutes between saved states."""

    validate_minutes: float = BY_MODE
    """Minutes between validations. 0: after each epoch, or at the end of the plan."""

    validate_pictures: int | None = None
    """Largest number of pictures for validation. [default: all; scratch: 24]"""

    best: Literal["iou", "boundary_iou"] = BY_MODE
    """The score that decides which checkpoint is the best, with a box, or with one click if no kind of prompt has a
    box. [default: boundary_iou for hq, else iou]"""

    format: Literal["safetensors", "pth"] = "safetensors"
    """File format of the checkpoints. Both have the original layout."""

    tensorboard: bool | None = None
    """Write scalars for TensorBoard. [default: if it is installed]"""

    resume: bool = False
    """Continue the run in the output folder."""

    def __post_init__(self) -> None:
        self._check_words()
        if self.preset == "paper" and self.mode != "hq":
            raise ConfigError(f"Expected mode 'hq' with the preset 'paper', got {self.mode!r}. Say mode='hq'.")
        if self.stages is None and (self.epochs, self.batch) != (None, None):
            object.__setattr__(self, "stages", "")  # Given epochs or batch replace the stages of a recipe.
        for name, value in recipe_of(self.preset or self.mode, self.what).items():
            if name != "weights" and getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self._check_numbers()
        self._check_together()
        if self.cache is not None and not self.copies:
            object.__setattr__(self, "copies", 4)
        if self.cache is not None and (self.mode == "scratch" or self.learns_encoder):
            raise ConfigError(
                f"Expected a frozen encoder with cache=, got mode {self.mode!r} with what={self.what!r}, which changes "
                "it. Leave the cache out, or tune hq, decoder or decoder+prompt."
            )
        self._check_composed()
        parse_kinds(self.kinds)
        parse_loss(self.loss, self.weights)
        if self.source_weights:
            from samhq.datasets.weighted import parse_source_weights  # NumPy, which the help does without

            parse_source_weights(self.source_weights)
        self.plan(16)

    def _check_words(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value, words = getattr(self, name), _words(hint)
            if words and value is not None and value not in words:
                raise ConfigError(f"Expected a known value of {name}, got {value!r}. {did_you_mean(str(value), words)}")
        for name in ("model", "loss", "kinds", "stages", "source_weights"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and getattr(type(self), name) is BY_MODE):
                raise ConfigError(f"Expected {name} as text, got {value!r:.80}. Write it in quotes.")
        if self.model not in MODELS:
            raise ConfigError(f"Expected the name of a model, got {self.model!r}. {did_you_mean(self.model, MODELS)}")

    def _check_numbers(self) -> None:
        """Replaces each number by its checked, plain value."""
        checked: dict[str, Any] = {name: whole_number(name, getattr(self, name), 1) for name in _COUNTS}
        checked |= {name: whole_number(name, getattr(self, name), 0) for name in _WHOLE_FROM_ZERO}
        checked |= {name: real_number(name, getattr(self, name), 0, above=True) for name in _ABOVE_ZERO}
        checked |= {name: real_number(name, getattr(self, name), 0) for name in _FROM_ZERO}
        checked |= {name: real_number(name, getattr(self, name), 0, 1) for name in _SHARES}
        checked |= {name: yes_or_no(name, getattr(self, name)) for name in ("fresh_heads", "resume", "skip_missing")}
        checked["beta2"] = real_number("beta2", self.beta2, 0, 1, below=True)
        checked["hold_out"] = real_number("hold_out", self.hold_out, 0, 100, below=True)
        checked["scale"] = _checked_scale(self.scale)
        checked |= {"bands": self.channels.bands, "stretch": self.channels.stretch}
        if self.validate_pictures is not None:
            checked["validate_pictures"] = whole_number("validate_pictures", self.validate_pictures, 0)
        if self.encoder_rate is not None:
            checked["encoder_rate"] = real_number("encoder_rate", self.encoder_rate, 0, above=True)
        if self.tensorboard is not None:
            checked["tensorboard"] = yes_or_no("tensorboard", self.tensorboard)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _check_together(self) -> None:
        """Refuses fields that would have no effect. A field with its default value counts as not given."""
        if self.init != "random" and self.model != type(self).model:
            raise ConfigError(
                f"Expected init='random' with model={self.model!r}, got init={str(self.init)!r}, whose architecture is "
                f"its own. Say init={self.model!r} (--init {self.model}) to begin with that model's weights."
            )
        if self.mode != "finetune" and self.what != type(self).what:
            raise ConfigError(
                f"Expected mode='finetune' with what={self.what!r}, got mode {self.mode!r}, which fixes what "
                "learns. Leave what out, or give mode='finetune'."
            )
        if self.mode != "hq" and self.fresh_heads:
            raise ConfigError(f"Expected mode='hq' with fresh_heads, got mode {self.mode!r}. Say mode='hq'.")
        recipe = recipe_of(self.preset or self.mode, self.what)
        for name in ("epochs", "batch"):
            if self.stages and getattr(self, name) != recipe[name]:
                raise ConfigError(
                    f"Expected stages, or epochs and batch, got {name}={getattr(self, name)} with "
                    f"stages={self.stages!r}. Leave {name} out and write it in stages (--stages SIDE:BATCH:LENGTH)."
                )

    def _check_composed(self) -> None:
        """Refuses fields that have no effect on composed pictures."""
        if (self.encoder_rate is not None or self.encoder_wait) and not self.learns_encoder:
            raise ConfigError(
                f"Expected an encoder that learns with encoder_rate= or encoder_wait=, got mode {self.mode!r} with "
                f"what={self.what!r}, which keeps it as it is. Leave them out, or say what='all'."
            )
        if self.composed and (self.copies or self.cache is not None or self.published):
            raise ConfigError(
                "Expected pictures that are new each time with paste, backgrounds, thin, parts, close and "
                "source_weights, got copies=, cache= or the preset 'paper', which keep them. Leave one of them out."
            )

    @property
    def composed(self) -> bool:
        """Whether training pictures are composed of several, see `samhq.training.compose`."""
        shares = self.thin or self.parts or self.close
        return bool(self.paste or self.backgrounds or shares or self.source_weights)

    @property
    def channels(self) -> Channels:
        """How the channels of picture files are shown.

        Raises:
            ConfigError: bands or percentiles that cannot be used.
        """
        return Channels(self.bands, self.stretch)

    @property
    def judged_with(self) -> Literal["box", "1p"]:
        """The prompt whose score decides which checkpoint is the best: a box, or a click if no prompt has a box."""
        return "box" if any("box" in kind for kind in parse_kinds(self.kinds)) else "1p"

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.output)

    @cached_property
    def weights(self) -> LossWeights:
        """The weight of each part of the loss: the recipe's, with the changes of `loss`."""
        return parse_loss(self.loss, recipe_of(self.preset or self.mode, self.what)["weights"])

    @property
    def published(self) -> bool:
        """Whether to follow the quirks of the published training."""
        return self.preset == "paper"

    @property
    def learns_encoder(self) -> bool:
        """Whether steps change the image encoder."""
        return self.mode == "scratch" or (self.mode == "finetune" and self.what in ("lora", "all"))

    def plan(self, side: int) -> Schedule:
        """The stages of the run. `side` is the model's, for a plan that gives none."""
        if self.stages:
            return Schedule(parse_stages(self.stages))
        return Schedule((ScheduleStage(side, self.batch, self.epochs, "epochs"),))

    def to_dict(self) -> dict[str, Any]:
        """The whole configuration as JSON values."""
        everything = dataclasses.asdict(self) | {"weights": dataclasses.asdict(self.weights)}
        return json.loads(json.dumps(everything, default=str))


_COUNTS = ("batch", "accumulate", "prompts_per_picture", "clicks", "rounds", "lora_rank", "log_steps", "norm_pictures")
_WHOLE_FROM_ZERO = ("seed", "copies", "workers", "threads", "warmup", "encoder_wait")
_ABOVE_ZERO = ("epochs", "learning_rate", "lora_alpha")
_FROM_ZERO = ("weight_decay", "clip", "save_minutes", "validate_minutes")
_SHARES = ("correct", "flip", "hold", "final_rate", "average", "thin", "parts", "close")


def _checked_scale(scale: Any) -> tuple[float, float]:
    """Two rising factors.

    Raises:
        ConfigError: anything else.
    """
    factors = tuple(scale) if isinstance(scale, (list, tuple)) else ()
    if len(factors) != 2:
        raise ConfigError(f"Expected scale as two rising factors up to 10, got {scale!r:.80}. Write (0.5, 1.5).")
    low = real_number("scale", factors[0], 0, 10, above=True)
    return low, real_number("scale", factors[1], low, 10)


def _words(hint: Any) -> tuple[str, ...]:
    """The words that a field allows, if its type is a `Literal`; empty otherwise."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(word for part in get_args(hint) for word in _words(part))
