"""`samhq everything`: pictures to masks of all that is in them. Flags have the names of segment-anything's `amg.py`.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from samhq.batch.settings import EverythingFiles
from samhq.cli.flags import STARTER, ModelFlags
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags
from samhq.cli.looks import NO_TILES, TileFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.config import NO_DEFAULTS, Defaults
from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.batch.job import Report
    from samhq.results.automatic_config import AutomaticConfig


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
        from samhq.batch.everything import whole_image_config

        return whole_image_config(asdict(self), model, defaults)


@Parameter(name="*")
@dataclass(frozen=True)
class EverythingOutputFlags(EverythingFiles):
    """What to write."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder for the results. It is created if it does not exist."""

    convert_to_rle: Annotated[bool, Parameter(negative="")] = False
    """Leave out the folder of PNG files; the masks are in the JSON record."""

    label_map: Annotated[bool, Parameter(negative="")] = False
    """Write one PNG with each pixel's mask number, the smallest mask's where several overlap."""


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
    from samhq.batch.everything import EverythingWork
    from samhq.batch.job import Item, failure_record, run_job

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
        EverythingWork(output, asdict(automatic), model, look, embeddings, bar=not several and sys.stderr.isatty()),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=partial(_tell_in_flags, job),
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


def _tell_in_flags(job: JobFlags, report: Report) -> None:
    """What is said about a picture; fields of `AutomaticConfig` by the names of their flags."""
    job.tell(replace(report, said=_as_flags(report.said)))


def _as_flags(text: str) -> str:
    """A sentence about fields of `AutomaticConfig` with the names of the flags.

    >>> _as_flags("lower pred_iou_thresh 0.88")
    'lower --pred-iou-thresh 0.88'
    """
    for field in fields(AutomaticFlags):
        text = text.replace(field.name, f"--{field.name.replace('_', '-')}")
    return text
