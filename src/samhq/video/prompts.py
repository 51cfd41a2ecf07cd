"""Prompts for objects in a video: which object, on which frame, with which prompt. Also read from files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samhq.errors import ImageError, PromptError, did_you_mean
from samhq.formats.prompts import checked_code, read_mask_prompt
from samhq.image.read import as_array
from samhq.other_arguments import VIDEO_PROMPT, translated_fields
from samhq.plural import plural
from samhq.results.prompt import Prompt
from samhq.storage.documents import read_json
from samhq.storage.schema import BOX, FLAG, POINT, WORDS, Either, Fields, Items, Number

_FIELDS = ("object", "frame", "label", "points", "labels", "box", "mask")
_FORM = (
    '[{"object": 1, "frame": 0, "box": [x0, y0, x1, y1], "label": "cat"}, '
    '{"object": 1, "frame": 30, "points": [[x, y]], "labels": [0]}]'
)

_ITEMS = Items(
    Fields(
        {},
        {
            "object": Number(1, 2**31 - 1, whole=True),
            "frame": Number(0, 2**31 - 1, whole=True),
            "label": WORDS,
            "points": Items(POINT),
            "labels": Items(FLAG),
            "box": BOX,
        },
    ),
    least=1,
)
_SCHEMA = Either((_ITEMS, Fields({"prompts": _ITEMS})))


@translated_fields(VIDEO_PROMPT)
@dataclass(frozen=True, eq=False)
class VideoPrompt:
    """The prompt for an object on one frame. `frame` counts from 0; None is the first frame, or the last that came."""

    object: int
    frame: int | None
    prompt: Prompt
    label: str | None = None


@contextmanager
def naming_prompt(prompt: VideoPrompt, frame: int) -> Iterator[None]:
    """A context that adds the object and the frame to prompt errors."""
    try:
        yield
    except (ImageError, PromptError) as error:
        raise PromptError(f"Object {prompt.object} on frame {frame}: {error}") from error


def read_video_prompts(path: Path) -> list[VideoPrompt]:
    """The prompts in a JSON file, a list of objects or `{"prompts": [...]}`; masks are read from files beside it.

    Each has some of `points` [[x, y]], `labels`, `box` (x0, y0, x1, y1) and `mask` (a file, or RLE) in the video's
    pixels, `object` (an integer from 1; by default the prompts are objects 1, 2, ...), `frame` (default 0) and `label`
    (a name).

    Raises:
        PromptError: the file cannot be read, is not JSON or has another form; two boxes or masks for one object on
            one frame.
    """
    value = read_json(path, "a list of prompts", _SCHEMA, PromptError, f"Write {_FORM}.")
    items = value["prompts"] if isinstance(value, dict) else value
    try:
        numbered = any("object" in item for item in items)
        prompts = [_prompt_of(item, path.parent, None if numbered else place) for place, item in enumerate(items, 1)]
        check_once(prompts)
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from error
    return prompts


def check_object(number: int, known: Collection[int]) -> None:
    """Checks that an object with this number is followed.

    Raises:
        PromptError: there is none.
    """
    if number not in known:
        raise PromptError(
            f"Expected the number of an object, got {number}. {did_you_mean(str(number), map(str, known))}"
        )


def only_off(prompt: Prompt) -> bool:
    """Whether all that a prompt has are points off the object, which only correct a mask.

    >>> only_off(Prompt(points=[[3, 4]], labels=[0]))
    True
    """
    if prompt.points is None or prompt.labels is None or prompt.box is not None or prompt.mask is not None:
        return False
    labels = as_array(prompt.labels)
    return labels.size > 0 and bool((labels == 0).all())


def check_begins(prompt: Prompt) -> None:
    """Checks that a prompt shows where an object is, as it must where the object has no mask.

    Raises:
        PromptError: all it has are points off the object.
    """
    if only_off(prompt):
        raise PromptError(
            "Expected a point on the object (label 1), a box or a mask, because the object has no mask on this frame; "
            f"got {plural(as_array(prompt.labels).size, 'point')} off it (label 0). Show first where the object is."
        )


def check_number(number: Any) -> None:
    """Checks that a value can be an object's number.

    Raises:
        PromptError: no whole number.
    """
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise PromptError(f"Expected an object's number as a whole number, got {number!r:.40}. Use label for its name.")


def check_once(prompts: Sequence[VideoPrompt]) -> None:
    """Checks that no object has two boxes or two masks on one frame, or two names.

    Raises:
        PromptError: an object has, its number is no whole number, or an entry is no prompt of a video.
    """
    if isinstance(prompts, VideoPrompt):
        raise PromptError("Expected a list of video prompts, got one. Write [prompt].")
    prompted: set[tuple[int, int, str]] = set()
    names: dict[int, str] = {}
    for prompt in prompts:
        if not isinstance(prompt, VideoPrompt):
            raise PromptError(
                f"Expected video prompts, got a {type(prompt).__name__}. Give VideoPrompt(1, 0, Prompt(box=...))."
            )
        check_number(prompt.object)
        if not isinstance(prompt.prompt, Prompt):
            raise PromptError(
                f"Expected a Prompt for object {prompt.object} on frame {prompt.frame or 0}, got a "
                f"{type(prompt.prompt).__name__}. Give samhq.Prompt(box=[x0, y0, x1, y1])."
            )
        name = prompt.label and names.setdefault(prompt.object, prompt.label)
        if name != prompt.label:
            raise PromptError(
                f"Expected one label for object {prompt.object}, got {name!r} and {prompt.label!r}. Give different "
                "objects different numbers."
            )
        for kind in ("box", "mask"):
            if getattr(prompt.prompt, kind) is None:
                continue
            key = prompt.object, prompt.frame or 0, kind
            if key in prompted:
                raise PromptError(
                    f"Expected one {kind} for object {prompt.object} on frame {prompt.frame or 0}, got two. Give "
                    "different objects different numbers."
                )
            prompted.add(key)


def points_last(prompts: Sequence[VideoPrompt]) -> list[VideoPrompt]:
    """The prompts, in which an object's mask comes before its box on the same frame, and its box before its points.

    A mask or a box starts over, so points that came before it would be lost. Objects keep their order.
    """
    first: dict[tuple[int, int], int] = {}
    for place, prompt in enumerate(prompts):
        first.setdefault((prompt.object, prompt.frame or 0), place)

    def key(prompt: VideoPrompt) -> tuple[int, bool, bool]:
        return first[prompt.object, prompt.frame or 0], prompt.prompt.mask is None, prompt.prompt.box is None

    return sorted(prompts, key=key)


def _prompt_of(item: dict[str, Any], folder: Path, place: int | None) -> VideoPrompt:
    for key in item:
        if key not in _FIELDS:
            raise PromptError(f"Expected a prompt's fields, got {key!r}. {did_you_mean(key, _FIELDS)}")
    number, frame = item.get("object", place), int(item.get("frame") or 0)
    if number is None:
        raise PromptError(f"Expected 'object' in every prompt or in none, got one without. Write {_FORM}.")
    mask = item.get("mask")
    if all(item.get(key) is None for key in ("points", "box", "mask")):
        raise PromptError(
            f"Expected points, a box or a mask for object {number} on frame {frame}, got none. Add one of these fields."
        )
    mask_prompt = None if mask is None else _mask(mask, folder)
    label = item.get("label")
    return VideoPrompt(
        int(number),
        frame,
        Prompt(item.get("points"), item.get("labels"), item.get("box"), mask_prompt),
        label,
    )


def _mask(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return read_mask_prompt(folder / value)
    return checked_code(value)
