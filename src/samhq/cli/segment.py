"""`samhq segment`: pictures and prompts to mask files. Flags are the fields of the dataclasses below.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, cast

from cyclopts import Parameter, Token

from samhq.cli.exported import check_exported, exported_folder, load_exported, weight_files
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags, conclude, failure_record, tell
from samhq.cli.looks import PLAIN_LOOK, RefineFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, stems
from samhq.config import HQMode
from samhq.errors import ConfigError, PromptError

if TYPE_CHECKING:
    from samhq.batch.job import Item, Outcome
    from samhq.image.sources import PictureSource
    from samhq.inference.prompt import Prompt
    from samhq.inference.segment import Segmenter
    from samhq.onnx import OnnxSegmenter

Dtype = Literal["float32", "bfloat16", "float16", "auto"]


class Point(NamedTuple):
    """A click in image pixels: label 1 on the object, 0 off it."""

    x: float
    y: float
    label: int = 1


class Box(NamedTuple):
    """A rectangle in image pixels."""

    x0: float
    y0: float
    x1: float
    y1: float


def point_from_text(text: str) -> Point:
    """A click from `x,y` or `x,y,label`.

    >>> point_from_text("450,600.5,0")
    Point(x=450.0, y=600.5, label=0)

    Raises:
        PromptError: not two finite numbers and a label 0 or 1.
    """
    numbers = _numbers(text)
    if len(numbers) not in (2, 3) or numbers[2:] not in ((), (0.0,), (1.0,)):
        raise PromptError(
            f"expected x,y or x,y,label with label 1 (on) or 0 (off), got {text!r}. Write --point 450,600."
        )
    return Point(numbers[0], numbers[1], *map(int, numbers[2:]))


def box_from_text(text: str) -> Box:
    """A rectangle from `x0,y0,x1,y1`.

    >>> box_from_text("10,20,300,400").x1
    300.0

    Raises:
        PromptError: not four finite numbers, or the corners are the wrong way round.
    """
    numbers = _numbers(text)
    if len(numbers) != 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise PromptError(f"expected x0,y0,x1,y1 with x0 < x1 and y0 < y1, got {text!r}. Write --box 10,20,300,400.")
    return Box(*numbers)


def _numbers(text: str) -> tuple[float, ...]:
    """Finite numbers with commas between; nothing where something else stands there.

    >>> _numbers("1, 2.5"), _numbers("1,nan"), _numbers("a")
    ((1.0, 2.5), (), ())
    """
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _points(_: Any, tokens: Sequence[Token]) -> tuple[Point, ...]:
    return tuple(point_from_text(token.value) for token in tokens)


def _boxes(_: Any, tokens: Sequence[Token]) -> tuple[Box, ...]:
    return tuple(box_from_text(token.value) for token in tokens)


def _repeated(converter: Callable[[Any, Sequence[Token]], Any]) -> Parameter:
    """A flag that may be given again and again, one word each, also words that begin with a minus."""
    return Parameter(
        converter=converter, n_tokens=1, allow_leading_hyphen=True, negative="", accepts_keys=False, show_default=False
    )


@Parameter(name="*")
@dataclass(frozen=True)
class PromptFlags:
    """What is asked: one object by points, a box and a mask together, or several by boxes or a file."""

    point: Annotated[tuple[Point, ...], _repeated(_points)] = ()
    """A click x,y or x,y,label in image pixels; label 1, the default, is on the object, 0 off it. Repeat for more."""

    box: Annotated[tuple[Box, ...], _repeated(_boxes)] = ()
    """A rectangle x0,y0,x1,y1 in image pixels. Repeat for several objects."""

    mask: Path | None = None
    """A rough mask to refine: a mask picture, the .json record of an earlier result, or logits in a .npy file."""

    prompts: Path | None = None
    """A JSON file with many objects, or with those of each picture by file name; samexporter's files work too."""

    def check(self) -> None:
        """Refuses what does not go together.

        Raises:
            PromptError: nothing, or more than the flags can say about objects.
        """
        alone = bool(self.point or self.box or self.mask)
        if alone == bool(self.prompts):
            came = "both" if alone else "none of them"
            raise PromptError(f"Expected --point, --box or --mask, or else --prompts FILE.json, got {came}.")
        if len(self.box) > 1 and (self.point or self.mask):
            raise PromptError(
                f"Expected one --box beside --point or --mask, which belong to one object, got {len(self.box)}. "
                "Write several objects into a file and give it as --prompts FILE.json."
            )

    def reader(self) -> Callable[[Path], Sequence[Prompt]]:
        """A function that gives the prompts of a picture.

        Raises:
            PromptError: a file that cannot be read or has another form.
        """
        from samhq.formats.prompts import read_mask_prompt, read_prompts
        from samhq.inference.prompt import Prompt

        if self.prompts is not None:
            return read_prompts(self.prompts).for_picture
        points = [(x, y) for x, y, _ in self.point] or None
        labels = [label for _, _, label in self.point] or None
        mask = None if self.mask is None else read_mask_prompt(self.mask)
        asked = [Prompt(points, labels, box, mask) for box in self.box or (None,)]
        return lambda _: asked

    def asked(self, pictures: Sequence[Path]) -> list[str]:
        """For every picture a hash of its prompts, masks by their content; empty where it has none.

        Raises:
            PromptError: as `reader`.
        """
        prompts_of = self.reader()
        known: dict[int, str] = {}  # most pictures are asked the same, which may be a large mask

        def one(picture: Path) -> str:
            try:
                prompts = prompts_of(picture)
            except PromptError:  # it fails when its turn comes
                return ""
            if id(prompts) not in known:
                known[id(prompts)] = prompts_hash(prompts)
            return known[id(prompts)]

        return [one(picture) for picture in pictures]


@Parameter(name="*")
@dataclass(frozen=True)
class ModelFlags:
    """Which model answers, where and how."""

    model: str | None = None
    """A name that `samhq models` lists, a weights file, a folder or a hub id; for `samhq segment` also a folder that
    `samhq export` made, which needs no torch. [default: the starter in the package]"""

    hq: Literal["auto", "add", "only", "off"] = "auto"
    """Add the HQ logits to SAM's, take them alone, or leave them off; auto adds them where a model has them."""

    multimask: bool | None = None
    """Three masks for each object, best first, or one. [default: one, for a single click the best of three; everything:
    the best of three with HQ models, else three]"""

    device: str | None = None
    """cpu, cuda, cuda:1, mps, ...; for an exported model cpu, cuda, openvino, ... [default: cuda where there is one,
    else cpu]"""

    dtype: Dtype = "float32"
    """Of the weights; auto is bfloat16 where the device multiplies it in hardware."""

    @property
    def hq_mode(self) -> HQMode | None:
        """The mode as the library takes it."""
        return None if self.hq == "auto" else self.hq

    @property
    def exported(self) -> Path | None:
        """The folder that `samhq export` made, where the model is one."""
        return exported_folder(self.model)

    def load(self) -> Segmenter:
        """The model, checked against `hq`.

        Raises:
            ConfigError, CheckpointError: as `samhq.inference.segment.load`; an HQ mask asked of a plain SAM; a folder
                that `samhq export` made, which knows prompts only.
        """
        from samhq.inference.segment import load

        check_exported(self.exported, {"samhq everything": True})
        segmenter = load(self.model, device=self.device, dtype=self.dtype)
        segmenter.model.hq_mode(self.hq_mode)
        return segmenter

    def load_for_prompts(self) -> Segmenter | OnnxSegmenter:
        """As `load`, and also a folder that `samhq export` made.

        Raises:
            MissingExtraError: an exported model's runtime is not installed.
        """
        if self.exported is None:
            return self.load()
        segmenter = load_exported(self.exported, self.device, self.dtype)
        segmenter.model.hq_mode(self.hq_mode)
        return segmenter

    def options(self) -> dict[str, Any]:
        """What of these flags results depend on, as JSON values; the weights by their content.

        Raises:
            ConfigError, CheckpointError: there are no such weights, or they cannot be downloaded.
            OSError: they cannot be read.
        """
        from samhq import digest

        files = weight_files(self.model)
        asked = {"hq": self.hq_mode, "multimask": self.multimask, "dtype": self.dtype}
        return {"weights": digest.of_files(files), **asked}


@Parameter(name="*")
@dataclass(frozen=True)
class OutputFlags:
    """What is written."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder for the results; made if it is not there."""

    overlay: bool = True
    """Write the picture with its masks in colour."""

    cutout: Annotated[bool, Parameter(negative="")] = False
    """Write each object alone, the rest transparent."""

    def options(self) -> dict[str, Any]:
        """What of these flags results depend on, as JSON values."""
        return {"overlay": self.overlay, "cutout": self.cutout}


def segment(
    *images: str,
    prompt: PromptFlags = PromptFlags(),
    model: ModelFlags = ModelFlags(),
    look: RefineFlags = PLAIN_LOOK,
    embeddings: EmbeddingFlags = NO_EMBEDDINGS,
    job: JobFlags = PLAIN_JOB,
    output: OutputFlags,
) -> int:
    """Write masks, an overlay and a JSON record for every picture.

    For example: samhq segment photo.jpg --box 10,20,300,400 --output masks

    All points are one object, together with the box and the mask if given;
    several boxes are several objects; a prompts file says more.

    Results are called after the picture: NAME_mask_0.png for the first object
    (NAME_mask_0_0.png for its first of several masks), NAME_overlay.jpg,
    NAME_cutout_0.png, NAME.json. Where two pictures have one name, suffix and
    folder become part of it. Of several pictures manifest.jsonl keeps a line
    each, and with --resume those that are finished are not done again, however
    the earlier run ended.

    Exit code 0: all done. 1: some of several pictures failed, each with a
    NAME.json that says why. 2: wrong use, such as a single picture that cannot
    be read or a point outside it. 130: interrupted.

    Parameters:
        images: Files, folders, or patterns such as '*.jpg'.
    """
    from samhq.batch.job import Item, run_job

    prompt.check()
    if look.refine and model.multimask:
        raise ConfigError("Expected --refine, which gives one mask for each object, or --multimask, got both.")
    check_exported(model.exported, {"--refine": look.refine, "--embeddings": embeddings.embeddings is not None})
    pictures = find_pictures(images)
    names = stems(pictures)
    files = [path for path in (prompt.mask, prompt.prompts) if path is not None]
    check_results_spare_inputs([*pictures, *files], names, output.output)
    make_folder(output.output)
    several = len(pictures) > 1
    kept = several or job.resume
    options = {"command": "segment", **look.options(), **embeddings.options(), **output.options()}
    tally = run_job(
        [Item(path, name, asked) for path, name, asked in zip(pictures, names, prompt.asked(pictures), strict=True)],
        SegmentWork(prompt, model, look, embeddings, output),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=tell,
        on_failure=partial(failure_record, output.output),
    )
    return conclude(tally)


@dataclass(frozen=True)
class SegmentWork:
    """What a process needs to segment pictures; called, it loads the model and gives the function for one picture."""

    prompt: PromptFlags
    model: ModelFlags
    look: RefineFlags
    embeddings: EmbeddingFlags
    output: OutputFlags

    def __call__(self) -> Callable[[Item], Outcome]:
        """The function that writes one picture's results."""
        return partial(self.one, self.prompt.reader(), self.model.load_for_prompts())

    def one(
        self, prompts_of: Callable[[Path], Sequence[Prompt]], segmenter: Segmenter | OnnxSegmenter, item: Item
    ) -> Outcome:
        """Writes the results of one picture.

        Raises:
            ImageError, PromptError: the picture or its prompts cannot be used.
        """
        from samhq.batch.job import Outcome

        asked = prompts_of(item.path)
        source = self.look.windows(item.path) if self.embeddings.embeddings is None else None
        if source is not None:
            with source:
                return self.by_window(cast("Segmenter", segmenter), source, asked, item)
        picture = self.embeddings.picture(segmenter, self.look.picture(item.path))
        result = segmenter.segment(picture, prompts=asked, multimask=self.model.multimask, hq=self.model.hq_mode)
        if self.look.refine:
            from samhq.inference.refine import refine

            result = refine(cast("Segmenter", segmenter), result, hq=self.model.hq_mode)
        flags, name = self.output, str(item.path)
        files = result.save(flags.output, item.name, overlay=flags.overlay, cutouts=flags.cutout, file_name=name)
        return Outcome(files, summary(result.candidate_scores.size, result.scores.tolist()))

    def by_window(self, segmenter: Segmenter, source: PictureSource, asked: Sequence[Prompt], item: Item) -> Outcome:
        """As `one`, for a picture that need not fit into memory, unless an overlay is drawn.

        Raises:
            ImageError, PromptError: as `one`.
        """
        from samhq.batch.job import Outcome
        from samhq.formats.native import save_native
        from samhq.inference.refine import segment_native

        found = segment_native(segmenter, source, asked, multimask=self.model.multimask, hq=self.model.hq_mode)
        flags, about = self.output, {"model": segmenter.name, "file_name": str(item.path)}
        shown = {"overlay": flags.overlay, "cutouts": flags.cutout}
        files = save_native(found, source, asked, flags.output, item.name, **shown, **about)  # type: ignore[arg-type]
        return Outcome(files, summary(len(found), [one.score for one in found]))


def prompts_hash(prompts: Sequence[Prompt]) -> str:
    """A hash of what is asked of a picture, for prompts as flags and files give them: lists, and masks as arrays."""
    from samhq import digest

    def one(prompt: Prompt) -> list[Any]:
        mask = prompt.mask
        content = None if mask is None else [str(mask.dtype), mask.shape, digest.of_bytes(mask.tobytes())]
        return [prompt.points, prompt.labels, prompt.box, content]

    return digest.of_json([one(prompt) for prompt in prompts])


def summary(count: int, scores: Sequence[float]) -> str:
    """How many masks, and the predicted IoU, of the best masks on average.

    >>> summary(3, [0.5])
    '3 masks, score 0.500'
    """
    return f"{count} {'mask' if count == 1 else 'masks'}, score {sum(scores) / len(scores):.3f}"


def make_folder(path: Path) -> None:
    """Makes a folder, with those above it, where there is none.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Expected a folder for the results, got {path}: {error.strerror}. Give another.") from error


def check_free(paths: Sequence[Path]) -> None:
    """Nothing, where none of these files is there.

    Raises:
        ConfigError: one is.
    """
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None:
        raise ConfigError(
            f"Expected a name that is free, got {taken}, which exists. Give another, or --force to replace it."
        )
