"""`samhq segment`: pictures and prompts to mask files. Flags are the fields of the dataclasses below.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter, Token

from samhq.cli.pictures import check_results_spare_inputs, find_pictures, stems
from samhq.config import HQMode
from samhq.errors import ConfigError, ImageError, PromptError

if TYPE_CHECKING:
    from samhq.inference.prompt import Prompt
    from samhq.inference.result import Segmentation
    from samhq.inference.segment import Segmenter

Dtype = Literal["float32", "bfloat16", "float16"]


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


@Parameter(name="*")
@dataclass(frozen=True)
class ModelFlags:
    """Which model answers, where and how."""

    model: str | None = None
    """A name that `samhq models` lists, a weights file, a folder or a hub id. [default: the starter in the package]"""

    hq: HQMode | None = None
    """Add the HQ logits to SAM's, take them alone, or leave them off. [default: add, for models that have them]"""

    multimask: bool | None = None
    """Three masks for each object, best first, or one. [default: one, for a single click the best of three]"""

    device: str | None = None
    """cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]"""

    dtype: Dtype = "float32"
    """Of the weights."""

    def load(self) -> Segmenter:
        """The model, checked against `hq`.

        Raises:
            ConfigError, CheckpointError: as `samhq.inference.segment.load`; an HQ mask asked of a plain SAM.
        """
        from samhq.inference.segment import load

        segmenter = load(self.model, device=self.device, dtype=self.dtype)
        segmenter.model.hq_mode(self.hq)
        return segmenter


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


def segment(
    *images: str,
    prompt: PromptFlags = PromptFlags(),
    model: ModelFlags = ModelFlags(),
    output: OutputFlags,
) -> int:
    """Write masks, an overlay and a JSON record for every picture.

    For example: samhq segment photo.jpg --box 10,20,300,400 --output masks

    All points are one object, together with the box and the mask if given;
    several boxes are several objects; a prompts file says more.

    Results are called after the picture: NAME_mask_0.png for the first object
    (NAME_mask_0_0.png for its first of several masks), NAME_overlay.jpg,
    NAME_cutout_0.png, NAME.json. Where two pictures have one name, suffix and
    folder become part of it.

    Exit code 0: all done. 1: some of several pictures failed, each with a
    NAME.json that says why. 2: wrong use, such as a single picture that cannot
    be read or a point outside it. 130: interrupted.

    Parameters:
        images: Files, folders, or patterns such as '*.jpg'.
    """
    prompt.check()
    pictures = find_pictures(images)
    names = stems(pictures)
    files = [path for path in (prompt.mask, prompt.prompts) if path is not None]
    check_results_spare_inputs([*pictures, *files], names, output.output)
    make_folder(output.output)
    prompts_of = prompt.reader()
    segmenter = model.load()
    failures = 0
    for path, name in progress(list(zip(pictures, names, strict=True))):
        started = time.perf_counter()
        try:
            result = segmenter.segment(path, prompts=prompts_of(path), multimask=model.multimask, hq=model.hq)
        except (ImageError, PromptError) as error:
            if len(pictures) == 1:
                raise
            failures += 1
            write_failure(output.output / f"{name}.json", path, str(error))
            continue
        result.save(output.output, name, overlay=output.overlay, cutouts=output.cutout, file_name=str(path))
        say(f"{path}: {summary(result)}, {time.perf_counter() - started:.2f} s")
    return 1 if failures else 0


def summary(result: Segmentation) -> str:
    """How many masks, and the predicted IoU, of the best masks on average."""
    count = result.candidate_scores.size
    return f"{count} {'mask' if count == 1 else 'masks'}, score {float(result.scores.mean()):.3f}"


def make_folder(path: Path) -> None:
    """Makes a folder, with those above it, where there is none.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Expected a folder for the results, got {path}: {error.strerror}. Give another.") from error


def progress(work: list[tuple[Path, str]]) -> Any:
    """The work, with a bar on stderr if it is more than one piece; a log file gets a line now and then."""
    if len(work) == 1:
        return work
    from tqdm import tqdm

    return tqdm(work, unit="picture", file=sys.stderr, mininterval=0.1 if sys.stderr.isatty() else 30)


def say(line: str, *, stream: Any = None) -> None:
    """A line on stdout, or another stream, that does not tear the bar apart."""
    from tqdm import tqdm

    tqdm.write(line, file=stream or sys.stdout)


def write_failure(path: Path, picture: Path, reason: str) -> None:
    """The record of a picture that failed, and the reason on stderr."""
    from samhq.formats.files import write_json

    write_json(path, {"image": {"file_name": str(picture)}, "error": reason})
    say(f"samhq: {picture}: {reason}", stream=sys.stderr)
