"""`samhq evaluate`: how good models are on a data set, side by side.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from samhq.cli.flags import Dtype
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.config import ClickMask, HQMode
from samhq.errors import ConfigError
from samhq.options import whole_number
from samhq.progress import print_line

if TYPE_CHECKING:
    from samhq.image.channels import Channels
    from samhq.inference.segment import Segmenter

TRUTH = "truth"  #: Value of --detections that stands for the boxes of the true masks.
#: Prefixes of sources that are suites with their own layouts and scores.
SEGINW, DAVIS, YOUTUBE_VIS = "seginw:", "davis:", "ytvis:"


@Parameter(name="*")
@dataclass(frozen=True)
class ComparedFlags:
    """Which models to measure, where, and how."""

    model: Annotated[tuple[str, ...], Parameter(alias="-m", negative="", show_default=False)] = ()
    """A name from `samhq models`, a file, a folder or a hub id. Repeat to compare. [default: the starter]"""

    hq: Annotated[tuple[HQMode, ...], Parameter(negative="", show_default=False)] = ()
    """Add the HQ logits to SAM's, use them alone, or leave them out. Repeat for several. [default: the protocol's]"""

    device: str | None = None
    """cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]"""

    dtype: Dtype = "float32"
    """Number type of the weights."""

    def load(self) -> list[tuple[str, Segmenter]]:
        """The models, each with its name in the tables.

        Raises:
            ConfigError, CheckpointError: as `samhq.inference.segment.load`.
        """
        from samhq.inference.segment import load

        names = self.model or (None,)
        return [
            (label, load(name, device=self.device, dtype=self.dtype))
            for name, label in zip(names, labels(names), strict=True)
        ]


@Parameter(name="*")
@dataclass(frozen=True)
class PromptingFlags:
    """Which prompts to measure with."""

    kinds: str = "box"
    """Kinds of prompts, separated by commas: box, 1p, 5p, 5p+5n, box+1p, curve (1p to 10p+5n), clicks (NoC)."""

    protocol: Literal["exact", "published"] = "exact"
    """exact: as users get masks, HQ added. published: as SAM-HQ's script, squashed to a square, the HQ mask alone."""

    click_mask: ClickMask | None = None
    """Which mask answers a single click: the best of three by predicted IoU, or the single one. [default: the weights'
    own choice, else best]"""

    seed: int = 0
    """Seed of the random points. Another seed gives other points."""

    detections: str | None = None
    """Measure AP with these boxes of a detector or tracker: a JSON file, a folder for seginw:, or the word truth."""

    detector: str | None = None
    """Measure AP with this open-vocabulary detector: a name, hub id or folder. For seginw: and COCO files."""


@Parameter(name="*")
@dataclass(frozen=True)
class ReportFlags:
    """What to write and show."""

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    """Folder for tables, a CSV of all objects, and pictures of the worst. [default: only show tables]"""

    worst: int = 8
    """How many of the objects with the lowest IoU to save as pictures. 0: none."""

    resume: Annotated[bool, Parameter(negative="")] = False
    """Continue an interrupted run with the same settings in the same folder."""

    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
    """Print JSON instead of tables."""


@dataclass(frozen=True)
class _Data:
    """The data set to measure on, as the flags describe it."""

    source: str
    images: Path | None
    limit: int | None
    skip_missing: bool
    channels: Channels

    @property
    def suite(self) -> str:
        """The prefix of the source that names a suite; empty for pictures with masks."""
        return next((prefix for prefix in (SEGINW, DAVIS, YOUTUBE_VIS) if self.source.startswith(prefix)), "")

    @property
    def place(self) -> str:
        """The source without the suite's prefix."""
        return self.source.removeprefix(self.suite)


STARTER, BOXES, SHOWN = ComparedFlags(), PromptingFlags(), ReportFlags()  #: The flags' defaults.


def evaluate(
    source: str,
    /,
    *,
    compared: ComparedFlags = STARTER,
    prompting: PromptingFlags = BOXES,
    images: Path | None = None,
    limit: int | None = None,
    skip_missing: Annotated[bool, Parameter(negative="")] = False,
    bands: BandFlags = ALL_AS_IT_IS,
    report: ReportFlags = SHOWN,
) -> int:
    """Measure models on a data set: IoU, boundary IoU, thin structures, sizes, clicks; or AP, SegInW, J&F.

    For example: samhq evaluate val.json --kinds box,clicks --output report

    Prompts are made from the true masks. "box" is the tight box, "5p+5n" is five
    points on the object and five beside it, "clicks" is up to 20 clicks where the
    error is largest. With --detections, AP and boundary AP are measured on a COCO
    file. --detector NAME makes the boxes; with --output they are saved for a later
    --detections. seginw:FOLDER gives the mean AP over its sets, davis:FOLDER or
    davis:FOLDER@2017/val gives J and F of DAVIS, and ytvis:FILE.json gives AP of
    YouTube-VIS. Their boxes come from --detections, or from the true masks.

    Exit code 0: done. 2: wrong use, such as a picture that cannot be read. With
    --output the finished measurements stay for --resume.

    Parameters:
        source: A COCO JSON file, a folder of pictures and masks or of other tools' labels, data.yaml@PART of YOLO,
            hqseg44k:NAME@FOLDER, seginw:, davis: or ytvis: as above, or drawn scenes that training never uses:
            scenes:COUNT or scenes:COUNT:thin, optionally with @SIDE (by default 512).
        images: The folder of a COCO or YouTube-VIS file's pictures. [default: the one beside or around the file]
        limit: Measure only this many pictures, spread evenly; for davis: and ytvis: the first sequences or videos.
        skip_missing: Leave out pictures whose files are missing. Without this flag the first missing file ends the run.
    """
    data = _Data(source, images, limit, skip_missing, bands.channels)
    if data.suite or prompting.detections or prompting.detector:
        return _by_boxes(data, compared, prompting, report)
    return _by_prompts(data, compared, prompting, report)


def _by_prompts(data: _Data, compared: ComparedFlags, prompting: PromptingFlags, report: ReportFlags) -> int:
    from samhq.datasets.open import open_dataset
    from samhq.evaluation.result import side_by_side, write_tables
    from samhq.evaluation.run import evaluate as measure
    from samhq.evaluation.run import make_plan
    from samhq.evaluation.worst import draw_worst

    whole_number("--worst", report.worst, 0)
    pictures = open_dataset(
        data.source,
        images=data.images,
        limit=data.limit,
        skip_missing=data.skip_missing,
        bands=data.channels.bands,
        stretch=data.channels.stretch,
    )
    models = compared.load()
    for _, segmenter in models:  # All are checked first, because measuring one may take an hour.
        make_plan(
            segmenter.model,
            prompting.kinds,
            prompting.protocol,
            compared.hq or None,
            prompting.seed,
            prompting.click_mask,
        )
    evaluations = [
        measure(
            segmenter,
            pictures,
            prompts=prompting.kinds,
            protocol=prompting.protocol,
            hq=compared.hq or None,
            seed=prompting.seed,
            click_mask=prompting.click_mask,
            name=label,
            output=report.output / label if report.output is not None and len(models) > 1 else report.output,
            resume=report.resume,
            progress=sys.stderr.isatty(),
        )
        for label, segmenter in models
    ]
    if report.output is not None:
        write_tables(report.output, evaluations)
        if report.worst:
            segmenters, folder = [segmenter for _, segmenter in models], report.output / "worst"
            options: dict[str, Any] = {"seed": prompting.seed, "click_mask": prompting.click_mask}
            draw_worst(segmenters, pictures, evaluations, folder, count=report.worst, **options)
    _tell([evaluation.to_json() for evaluation in evaluations], side_by_side(evaluations), report)
    return 0


def _by_boxes(data: _Data, compared: ComparedFlags, prompting: PromptingFlags, report: ReportFlags) -> int:
    _check_by_boxes(data, compared, prompting, report)
    if report.output is not None:
        _check_writable(report.output)
    models, mode = compared.load(), compared.hq[0] if compared.hq else None
    with _boxes(data, prompting, compared.device, report.output) as boxes:
        measure, table = _measure(data, boxes, report.output)
        scores = [
            measure(model, name=label, hq=mode, limit=data.limit, progress=sys.stderr.isatty())
            for label, model in models
        ]
    records, text = [model_scores.to_json() for model_scores in scores], table(scores)
    if report.output is not None:
        from samhq.storage.atomic import whole_file

        for name, content in (("summary.json", json.dumps(records, indent=1) + "\n"), ("summary.md", text)):
            with whole_file(report.output / name) as part:
                part.write_text(content, encoding="utf-8", errors="backslashreplace")
    _tell(records, text, report)
    return 0


def _check_by_boxes(data: _Data, compared: ComparedFlags, prompting: PromptingFlags, report: ReportFlags) -> None:
    """Refuses flags that have no meaning with boxes of a detector or of a suite.

    Raises:
        ConfigError: there is one.
    """
    if (prompting.kinds, prompting.protocol, prompting.click_mask, report.resume) != ("box", "exact", None, False):
        raise ConfigError(
            "Expected --detections, --detector, seginw:, davis: or ytvis: without --kinds, --protocol, --click-mask "
            "and --resume, got one of these. Leave it out."
        )
    if len(compared.hq) > 1:
        raise ConfigError(f"Expected one --hq with boxes of a detector, got {len(compared.hq)}. Run the command twice.")
    if data.limit is not None and data.limit < 1:
        raise ConfigError(f"Expected a limit of at least one picture, got {data.limit}. Leave it out for all of them.")
    if prompting.detector and (prompting.detections or data.suite in (DAVIS, YOUTUBE_VIS)):
        raise ConfigError(
            f"Expected --detector with seginw: or a COCO file, and without --detections, got it with "
            f"{'--detections' if prompting.detections else data.source}. Leave it out."
        )
    if data.images is not None and data.suite in (SEGINW, DAVIS):
        raise ConfigError(f"Expected --images with a JSON file only, got it with {data.source}. Leave it out.")
    if data.skip_missing and data.suite:
        raise ConfigError(
            f"Expected --skip-missing with a COCO file or a folder, got it with {data.source}. Leave it out."
        )
    if data.channels.chosen and data.suite:
        raise ConfigError(
            f"Expected --bands and --stretch with other pictures, got them with {data.source}. Leave them out."
        )
    if data.skip_missing and prompting.detector:
        raise ConfigError("Expected --skip-missing without --detector, got both. Make the boxes first.")


@contextmanager
def _boxes(data: _Data, prompting: PromptingFlags, device: str | None, output: Path | None) -> Iterator[Path | None]:
    """Where the boxes are: the given file, None for the true boxes, or the file that the detector writes now."""
    if prompting.detector is None:
        yield None if prompting.detections in (None, TRUTH) else Path(str(prompting.detections))
        return
    from samhq.datasets.coco import open_coco_pictures
    from samhq.evaluation.detector_boxes import load_for_ap, write_boxes
    from samhq.evaluation.suites.detections import spread_places
    from samhq.evaluation.suites.seginw import detect_seginw

    shown = sys.stderr.isatty()
    with ExitStack() as stack:
        folder = output or Path(stack.enter_context(TemporaryDirectory()))
        detector = load_for_ap(prompting.detector, device)
        if data.suite == SEGINW:
            yield detect_seginw(detector, data.place, folder / "detections", limit=data.limit, progress=shown)
            return
        pictures = open_coco_pictures(Path(data.source), data.images, data.channels)
        places = spread_places(len(pictures), data.limit)
        label = "detector" if shown else None
        yield write_boxes(detector, pictures, folder / "detections.json", places=places, label=label)


def _measure(
    data: _Data, boxes: Path | None, output: Path | None
) -> tuple[Callable[..., Any], Callable[[Sequence[Any]], str]]:
    """The function that measures one model on a source of boxes, and the function that makes the table."""
    from samhq.evaluation.suites.davis import davis_table, evaluate_davis
    from samhq.evaluation.suites.detections import detection_table, evaluate_detections
    from samhq.evaluation.suites.seginw import evaluate_seginw, seginw_table
    from samhq.evaluation.suites.youtube_vis import evaluate_youtube_vis, video_table

    def results(name: str) -> Path | None:
        return None if output is None else output / f"{name}.results.json"

    if data.suite == SEGINW:
        return lambda model, name, **options: evaluate_seginw(
            model, data.place, boxes, name=name, results=None if output is None else output / name, **options
        ), seginw_table
    if data.suite == DAVIS:
        root, _, subset = data.place.partition("@")
        return lambda model, **options: evaluate_davis(
            model, root, boxes, subset=subset or None, **options
        ), davis_table
    if data.suite == YOUTUBE_VIS:
        return lambda model, name, **options: evaluate_youtube_vis(
            model, data.place, boxes, images=data.images, name=name, results=results(name), **options
        ), video_table
    return lambda model, name, **options: evaluate_detections(
        model,
        data.source,
        boxes,
        images=data.images,
        skip_missing=data.skip_missing,
        channels=data.channels,
        name=name,
        results=results(name),
        **options,
    ), detection_table


def labels(names: Sequence[str | None]) -> list[str]:
    """The names of models in tables, all different: a file's name, with its folder where several files share a name.

    >>> labels([None, "sam_hq_vit_b", "runs/a/best", "runs/b/best", "a.pth", "a.pth"])
    ['starter', 'sam_hq_vit_b', 'a-best', 'b-best', 'a', 'a-2']
    """
    plain = ["starter" if name is None else _last_word(name) for name in names]
    once, unique = Counter(plain), []
    for name, label in zip(names, plain, strict=True):
        folder = "" if name is None else Path(name).parent.name
        unique.append(f"{folder}-{label}" if folder and once[label] > 1 else label)
    taken = set(unique)
    for place, label in enumerate(unique):
        if label in unique[:place]:
            unique[place] = next(new for number in count(2) if (new := f"{label}-{number}") not in taken)
            taken.add(unique[place])
    return unique


def _last_word(name: str) -> str:
    """A file's name without its suffix, or the last part of another name."""
    return Path(name).stem if Path(name).suffix else name.strip("/").split("/")[-1]


def _check_writable(folder: Path) -> None:
    """Makes the folder and refuses one that cannot be written, before hours of work.

    Raises:
        OSError: it cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


def _tell(records: list[dict[str, Any]], text: str, report: ReportFlags) -> None:
    """Prints the tables or JSON, and on stderr where the files are."""
    print(json.dumps(records, indent=1) if report.as_json else text, end="\n" if report.as_json else "")
    if report.output is not None:
        print_line(f"samhq: results in {report.output}", stream=sys.stderr)
