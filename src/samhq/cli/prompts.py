"""Flags for prompts: `--point`, `--box`, `--mask`, `--prompts`.

Imports the code for prompts only inside functions, so that help is fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter, Token

from samhq.batch.prompts import GivenPrompts
from samhq.errors import PromptError

if TYPE_CHECKING:
    from samhq.results.prompt import Prompt


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
    """The click in `x,y` or `x,y,label`.

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


def box_from_text(text: str, flag: str = "--box") -> Box:
    """The rectangle in `x0,y0,x1,y1`.

    >>> box_from_text("10,20,300,400").x1
    300.0

    Raises:
        PromptError: not four finite numbers, or the corners are the wrong way round.
    """
    numbers = _numbers(text)
    if len(numbers) != 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise PromptError(f"expected x0,y0,x1,y1 with x0 < x1 and y0 < y1, got {text!r}. Write {flag} 10,20,300,400.")
    return Box(*numbers)


def _numbers(text: str) -> tuple[float, ...]:
    """The finite numbers in a text with commas; an empty tuple if the text holds anything else.

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


def repeated_flag(converter: Callable[[Any, Sequence[Token]], Any]) -> Parameter:
    """A flag that may be repeated, with one word each time; the word may begin with a minus."""
    return Parameter(
        converter=converter, n_tokens=1, allow_leading_hyphen=True, negative="", accepts_keys=False, show_default=False
    )


#: Flags --point and --box as they are parsed.
point_flag, box_flag = repeated_flag(_points), repeated_flag(_boxes)


@Parameter(name="*")
@dataclass(frozen=True)
class _DrawnPrompts:
    """Points and boxes: one object by points and a box together, or several by boxes."""

    point: Annotated[tuple[Point, ...], point_flag] = ()
    """A click x,y or x,y,label in image pixels; label 1, the default, is on the object, 0 off it. Repeat for more."""

    box: Annotated[tuple[Box, ...], box_flag] = ()
    """A rectangle x0,y0,x1,y1 in image pixels. Repeat for several objects."""

    def drawn(self, mask: Any = None) -> list[Prompt]:
        """The objects of these flags; `mask` belongs to the single one."""
        from samhq.results.prompt import Prompt

        points = [(x, y) for x, y, _ in self.point] or None
        labels = [label for _, _, label in self.point] or None
        return [Prompt(points, labels, box, mask) for box in self.box or (None,)]


@Parameter(name="*")
@dataclass(frozen=True)
class JobPromptFlags(_DrawnPrompts):
    """The prompts of a job: the same objects for every picture by points and boxes, or a file."""

    prompts: Path | None = None
    """A JSON file with objects for every picture, or with the objects of each picture by id, file name or stem."""

    def check(self) -> None:
        """Refuses flags that do not go together.

        Raises:
            PromptError: points or boxes beside a file, or several boxes beside points.
        """
        if self.prompts and (self.point or self.box):
            raise PromptError("Expected --point and --box, or else --prompts FILE.json, got both. Leave one out.")
        _check_one_object(self.box, bool(self.point))


@Parameter(name="*")
@dataclass(frozen=True)
class PromptFlags(_DrawnPrompts):
    """The prompts: one object by points, a box and a mask together, or several by boxes or a file."""

    mask: Path | None = None
    """A rough mask to refine: a mask picture, the .json record of an earlier result, or a .npy file with logits."""

    prompts: Path | None = None
    """A JSON file with many objects, or with the objects of each picture by file name. samexporter's files work too,
    and GeoJSON in map coordinates for a GeoTIFF."""

    crs: str | None = None
    """The coordinate system of --point and --box, such as EPSG:4326, in place of pixels; "picture" is that of the
    GeoTIFF. Also for GeoJSON in --prompts, in place of the one in the file."""

    def check_none(self) -> None:
        """Refuses these flags beside --text or --like.

        Raises:
            PromptError: one is given.
        """
        if self != PromptFlags():
            raise PromptError(
                "Expected --text, --like or a --detector of boxes alone, got it with --point, --box,"
                " --mask, --prompts or --crs. Leave one out."
            )

    def check(self) -> None:
        """Refuses flags that do not go together.

        Raises:
            PromptError: no prompt, or more than the flags can describe.
        """
        alone = bool(self.point or self.box or self.mask)
        if alone == bool(self.prompts):
            came = "both" if alone else "none of them"
            raise PromptError(
                f"Expected --point, --box or --mask, or else --prompts FILE.json, --text or --like, got {came}. "
                "Give one of them."
            )
        _check_one_object(self.box, bool(self.point or self.mask))

    def given(self) -> GivenPrompts:
        """The prompts of these flags; a mask is read now, a file of prompts later.

        Raises:
            PromptError: a mask file that cannot be read or has another form.
        """
        from samhq.formats.prompts import read_mask_prompt

        if self.prompts is not None:
            return GivenPrompts(file=self.prompts, crs=self.crs)
        if self.crs is not None:
            return GivenPrompts(crs=self.crs, features=self._features())
        return GivenPrompts(self.drawn(None if self.mask is None else read_mask_prompt(self.mask)))

    def _features(self) -> dict[str, Any]:
        """Points and boxes as GeoJSON, in the order in which objects of pixels come.

        Raises:
            PromptError: a mask, or a box beside points, which GeoJSON cannot say.
        """
        if self.mask is not None or (self.point and self.box):
            raise PromptError("Expected --point or --box alone with --crs, got more. Leave one out.")
        points = {"type": "MultiPoint", "coordinates": [(x, y) for x, y, _ in self.point]}
        areas = [
            {"type": "Polygon", "coordinates": [[(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]]}
            for x0, y0, x1, y1 in self.box
        ]
        labels = {"labels": [label for _, _, label in self.point]}
        objects = [{"type": "Feature", "geometry": points, "properties": labels}] if self.point else areas
        return {"type": "FeatureCollection", "features": objects}


def _check_one_object(boxes: Sequence[Box], more: bool) -> None:
    """Refuses several boxes beside points or a mask, which belong to one object.

    Raises:
        PromptError: there are some.
    """
    if len(boxes) > 1 and more:
        raise PromptError(
            f"Expected one --box beside --point or --mask, which belong to one object, got {len(boxes)}. "
            "Write several objects into a file and give it as --prompts FILE.json."
        )


NO_PROMPTS, NO_JOB_PROMPTS = PromptFlags(), JobPromptFlags()  #: The flags' defaults.
