"""`samhq everything`: whole-image masks of pictures. Flags have the names of segment-anything's `amg.py`.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from samhq.batch.settings import EverythingFiles, ModelSettings
from samhq.cli.fields import flag_name, grown_from
from samhq.cli.flags import ModelFlags
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags
from samhq.cli.picture_flags import NO_TILES, TileFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.config import NO_DEFAULTS, Defaults
from samhq.errors import ConfigError
from samhq.results.automatic_config import AutomaticConfig

if TYPE_CHECKING:
    from samhq.batch.job import Report


#: Fields of `AutomaticConfig` that are no flags, or that --hq and --multimask set.
_NO_FLAGS = ("point_grids", "candidates", "hq", "mask_threshold", "second_pass", "low_res_region_area")
_OF_WEIGHTS = "that of the weights"


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(
    AutomaticConfig,
    leave_out=_NO_FLAGS,
    unset={"pred_iou_thresh": _OF_WEIGHTS, "stability_score_thresh": _OF_WEIGHTS},
    draft_first=Parameter(negative=""),
)
class AutomaticFlags:
    """Points and crops, and which masks to keep: fields of `samhq.AutomaticConfig`."""

    def config(self, model: ModelFlags, defaults: Defaults = NO_DEFAULTS) -> AutomaticConfig:
        """The settings for a model whose weights have these defaults.

        Raises:
            ConfigError: a value that cannot be used.
        """
        from samhq.batch.everything import whole_image_config

        return whole_image_config(asdict(self), model, defaults)


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(
    EverythingFiles,
    output=Parameter(alias="-o"),
    convert_to_rle=Parameter(negative=""),
    label_map=Parameter(negative=""),
)
class EverythingOutputFlags(EverythingFiles):
    """What to write."""


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(
    ModelSettings,
    model=Parameter(
        alias="-m",
        help="A name from `samhq models`, a weights file, a folder or a hub id. [default: the starter in the package]",
    ),
    multimask=Parameter(
        help="Three masks for each point, or only the best. [default: the best with HQ models, else three]"
    ),
    device=Parameter(help="cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]"),
)
class WholeImageModelFlags(ModelFlags):
    """The flags of `ModelFlags`, with the help for whole images."""


def everything(
    *images: str,
    automatic: AutomaticFlags = AutomaticFlags(),
    model: WholeImageModelFlags = WholeImageModelFlags(),
    tiling: TileFlags = NO_TILES,
    embeddings: EmbeddingFlags = NO_EMBEDDINGS,
    job: JobFlags = PLAIN_JOB,
    output: EverythingOutputFlags,
) -> int:
    """Write masks of everything in every picture, without prompts.

    For example: samhq everything photo.jpg --points-per-side 16 --output masks

    Results have the name of the picture: NAME/0.png, NAME/1.png, ... with
    NAME/metadata.csv, as segment-anything's amg.py writes them; NAME.json in the
    form of SA-1B, with the masks as COCO RLE; NAME_overlay.jpg and NAME_labels.png.
    For several pictures, manifest.jsonl has one line for each. With --resume,
    finished pictures are skipped.

    Exit code 0: all done. 1: some of several pictures failed; NAME.json has the
    reason. 2: wrong use, such as a single picture that cannot be read. 130:
    interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
    """
    from samhq.batch.everything import EverythingWork
    from samhq.batch.job import Item, failure_record, run_job

    automatic.config(model)
    tiling.check(embeddings.embeddings)
    job.check()
    pictures = find_pictures(images, output.output, recursive=job.recursive)
    names = result_names(pictures, output.output, quiet=job.quiet)
    check_results_spare_inputs(pictures, names, output.output)
    check_own_results_spare_inputs(pictures, names, output.output)
    make_folder(output.output)
    several = len(pictures) > 1
    kept = several or job.resume
    bar = not several and not job.quiet
    shown = {**tiling.options(), **embeddings.options(), **output.options()}
    options = {"command": "everything", **asdict(automatic), **shown}
    tally = run_job(
        [Item(path, name) for path, name in zip(pictures, names, strict=True)],
        EverythingWork(output, asdict(automatic), model, tiling, embeddings, bar=bar, resume=job.resume),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=partial(_tell_in_flags, job),
        progress=not job.quiet,
        on_failure=partial(failure_record, output.output),
    )
    return job.conclude(tally, output.output)


def check_own_results_spare_inputs(inputs: Sequence[Path], names: Sequence[str], output: Path) -> None:
    """Refuses to run if a mask or a label map would overwrite a picture that is still to be read.

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
    """Prints the outcome of a picture; names the flags in place of fields of `AutomaticConfig`."""
    job.tell(replace(report, summary=_as_flags(report.summary)))


def _as_flags(text: str) -> str:
    """A sentence about fields of `AutomaticConfig` with the names of the flags.

    >>> _as_flags("lower pred_iou_thresh from 0.88")
    'lower --pred-iou-thresh from 0.88'
    """
    for field in fields(AutomaticFlags):
        text = text.replace(field.name, flag_name(field.name))
    return text
