"""`samhq everything`: pictures to masks of all that is in them. Flags have the names of segment-anything's `amg.py`.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from samhq.cli.flags import STARTER, ModelFlags
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags, failure_record
from samhq.cli.looks import NO_TILES, TileFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.config import NO_DEFAULTS, Defaults
from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.batch.job import Item, Outcome
    from samhq.inference.segment import Segmenter
    from samhq.results.automatic_config import AutomaticConfig
    from samhq.results.everything import Everything


@Parameter(name="*")
@dataclass(frozen=True)
class AutomaticFlags:
    """Where to look and what to keep; see `samhq.AutomaticConfig`, whose defaults these are."""

    points_per_side: int = 32
    """Points along each side of the picture; their square is what is asked of the model."""

    points_per_batch: int = 64
    """At most so many points at a time."""

    pred_iou_thresh: float | None = None
    """Keep masks whose predicted IoU is above this. [default: what the weights bring, else 0.88]"""

    stability_score_thresh: float | None = None
    """Keep masks that hardly change where the threshold on their logits does. [default: what the weights bring, else
    0.95]"""

    stability_score_offset: float = 1.0
    """How far that threshold is moved, in logits."""

    box_nms_thresh: float = 0.7
    """Of two masks whose boxes have a larger IoU than this, keep the better."""

    crop_n_layers: int = 0
    """Look at crops too, for small objects: 4 in the first layer, 16 more in the second."""

    crop_nms_thresh: float = 0.7
    """As --box-nms-thresh, between crops."""

    crop_overlap_ratio: float = 512 / 1500
    """How much crops overlap, as a part of the picture's shorter side."""

    crop_n_points_downscale_factor: int = 1
    """Divide the points per side by this in each further layer of crops."""

    min_mask_region_area: int = 0
    """Fill holes and drop islands of fewer pixels than this."""

    def config(self, model: ModelFlags, defaults: Defaults = NO_DEFAULTS) -> AutomaticConfig:
        """What is asked of a model whose weights bring these defaults.

        Raises:
            ConfigError: a value that means nothing.
        """
        from samhq.results.automatic_config import AutomaticConfig

        candidates = {None: None, True: "all", False: "single"}[model.multimask]
        given = {name: value for name, value in {**asdict(self), "hq": model.hq_mode}.items() if value is not None}
        return AutomaticConfig.suited_to(defaults, **given, candidates=candidates)


@Parameter(name="*")
@dataclass(frozen=True)
class EverythingOutputFlags:
    """What is written."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder for the results; made if it is not there."""

    convert_to_rle: Annotated[bool, Parameter(negative="")] = False
    """Leave out the folder of PNG files; the masks are in the JSON record."""

    overlay: bool = True
    """Write the picture with its masks in colour."""

    label_map: Annotated[bool, Parameter(negative="")] = False
    """Write one PNG with each pixel's mask number, the smallest mask's where several overlap."""

    def options(self) -> dict[str, Any]:
        """What of these flags results depend on, as JSON values."""
        return {"convert_to_rle": self.convert_to_rle, "overlay": self.overlay, "label_map": self.label_map}


def everything(
    *images: str,
    automatic: AutomaticFlags = AutomaticFlags(),
    model: ModelFlags = STARTER,
    look: TileFlags = NO_TILES,
    embeddings: EmbeddingFlags = NO_EMBEDDINGS,
    job: JobFlags = PLAIN_JOB,
    output: EverythingOutputFlags,
) -> int:
    """Write masks of all that is in every picture, without prompts.

    For example: samhq everything photo.jpg --points-per-side 16 --output masks

    Results are called after the picture: NAME/0.png, NAME/1.png, ... with
    NAME/metadata.csv, as segment-anything's amg.py writes them; NAME.json in the
    form of SA-1B, with the masks as COCO RLE; NAME_overlay.jpg and
    NAME_labels.png. Of several pictures manifest.jsonl keeps a line each, and
    with --resume those that are finished are not done again.

    Exit code 0: all done. 1: some of several pictures failed, each with a
    NAME.json that says why. 2: wrong use, such as a single picture that cannot
    be read. 130: interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
    """
    from samhq.batch.job import Item, run_job

    automatic.config(model)
    look.check(embeddings.embeddings)
    job.check()
    pictures = find_pictures(images, output.output, recursive=job.recursive)
    names = result_names(pictures, output.output, quiet=job.quiet)
    check_results_spare_inputs(pictures, names, output.output)
    check_own_results_spare_inputs(pictures, names, output.output)
    make_folder(output.output)
    several = len(pictures) > 1
    kept = several or job.resume
    shown = {**look.options(), **embeddings.options(), **output.options()}
    options = {"command": "everything", **asdict(automatic), **shown}
    tally = run_job(
        [Item(path, name) for path, name in zip(pictures, names, strict=True)],
        EverythingWork(automatic, model, look, embeddings, output, bar=not several and sys.stderr.isatty()),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=job.tell,
        on_failure=partial(failure_record, output.output),
    )
    return job.conclude(tally)


def check_own_results_spare_inputs(inputs: Sequence[Path], names: Sequence[str], output: Path) -> None:
    """Refuse where a mask or a label map would take the place of a picture that is still to be read.

    Raises:
        ConfigError: a picture lies in the folder of some picture's masks, or has the name of a label map.
    """
    folders = {(output / name).resolve() for name in names}
    maps = {(output / f"{name}_labels.png").resolve() for name in names}
    for path in inputs:
        place = path.resolve()
        if place.parent in folders or place in maps:
            raise ConfigError(
                f"Expected pictures that no result overwrites, got {path}. Give another folder as --output."
            )


@dataclass(frozen=True)
class EverythingWork:
    """What a process needs for pictures; called, it loads the model and gives the function for one picture."""

    automatic: AutomaticFlags
    model: ModelFlags
    look: TileFlags
    embeddings: EmbeddingFlags
    output: EverythingOutputFlags
    bar: bool = False

    def __call__(self) -> Callable[[Item], Outcome]:
        """The function that writes one picture's results."""
        segmenter = self.model.load()
        return partial(self.one, segmenter, self.automatic.config(self.model, segmenter.defaults))

    def one(self, segmenter: Segmenter, config: AutomaticConfig, item: Item) -> Outcome:
        """Writes the results of one picture.

        Raises:
            ImageError: it cannot be read.
        """
        from samhq.batch.job import Outcome

        result, flags = self.found(segmenter, config, item.path), self.output
        files = result.save(
            flags.output,
            item.name,
            masks=not flags.convert_to_rle,
            overlay=flags.overlay,
            labels=flags.label_map,
            file_name=str(item.path),
        )
        return Outcome(files, summary(result))

    def found(self, segmenter: Segmenter, config: AutomaticConfig, path: Path) -> Everything:
        """What is in a picture, looked at as one or in tiles.

        Raises:
            ImageError: it cannot be read.
        """
        if self.look.tile is None:
            from samhq.inference.everything import segment_everything

            picture = self.embeddings.picture(segmenter, self.look.picture(path))
            return segment_everything(picture, segmenter, config=config, progress=self.bar)
        from samhq.inference.mosaic import segment_mosaic

        return segment_mosaic(
            self.look.source(path),
            segmenter,
            tile=self.look.tile,
            overlap=self.look.overlap,
            config=config,
            pixels=self.output.overlay,
            progress=self.bar,
        )


def summary(result: Everything) -> str:
    """How many masks, and how much of the picture is in one; without any, what kept them out."""
    count = len(result)
    covered = 100 * result.covered
    said = f"{count} {'mask' if count == 1 else 'masks'}, {covered:.0f} % of the picture"
    return f"{said} ({_as_flags(result.why_empty)})" if result.why_empty else said


def _as_flags(text: str) -> str:
    """A sentence about fields of `AutomaticConfig` with the names of the flags.

    >>> _as_flags("lower pred_iou_thresh 0.88")
    'lower --pred-iou-thresh 0.88'
    """
    for field in fields(AutomaticFlags):
        text = text.replace(field.name, f"--{field.name.replace('_', '-')}")
    return text
