"""Prompts made from an object's true mask: a box, random points on it and beside it, or both.

Knows masks and pixel coordinates; nothing of models or files.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from samhq.errors import ConfigError
from samhq.image.boxes import boxes_from_masks
from samhq.types import BACKGROUND, FOREGROUND, IGNORED, Prompts

MOST_POINTS = 64  #: Points of each kind that are drawn; fixed, so that fewer points are always the first of more.
_WORD = 2**64 - 1  #: An object's number is cut to these bits, because generators take no negative seeds.
CLICKS = "clicks"  #: The word for the simulated annotator, see `evaluation/clicks.py`.
#: Words that stand for several kinds of prompts. The curve has the counts of SAM-HQ's figure on point prompts.
WORDS = {"point": ("1p",), "points": ("3p",), "curve": ("1p", "3p", "5p", "5p+5n", "10p", "10p+5n")}


@dataclass(frozen=True)
class PromptKind:
    """One kind of prompt: a tight box or none, and numbers of points on the object and beside it."""

    box: bool = False
    inside: int = 0
    outside: int = 0

    def __str__(self) -> str:
        """The words for it, as `parse_prompt_kinds` reads them.

        >>> str(PromptKind(True, 5, 2))
        'box+5p+2n'
        """
        words = []
        if self.box:
            words.append("box")
        if self.inside:
            words.append(f"{self.inside}p")
        if self.outside:
            words.append(f"{self.outside}n")
        return "+".join(words)

    @property
    def ambiguous(self) -> bool:
        """Whether it is a single click, which may mean an object or a part of it."""
        return not self.box and (self.inside, self.outside) == (1, 0)


def parse_prompt_kinds(words: str | Sequence[str]) -> list[PromptKind]:
    """Kinds of prompts from words, each once: "box", "5p" points on the object, "3n" beside it, joined by "+".

    "point" is "1p", "points" is "3p"; "curve" is 1p, 3p, 5p, 5p+5n, 10p and 10p+5n.

    >>> [str(kind) for kind in parse_prompt_kinds("box,point,5p+5n")]
    ['box', '1p', '5p+5n']

    Raises:
        ConfigError: another word, or one without a prompt on the object.
    """
    names: list[str] = []
    for word in words.split(",") if isinstance(words, str) else words:
        names += WORDS.get(word.strip(), (word.strip(),))
    return list(dict.fromkeys(map(_parse, names)))


def _parse(word: str) -> PromptKind:
    match = re.fullmatch(r"(box)?\+?(?:(\d+)p)?\+?(?:(\d+)n)?", word)
    kind = PromptKind(bool(match[1]), int(match[2] or 0), int(match[3] or 0)) if match else PromptKind()
    if str(kind) != word or not (kind.box or kind.inside) or max(kind.inside, kind.outside) > MOST_POINTS:
        raise ConfigError(
            f"Expected prompts such as box, point, 5p, 5p+5n, box+1p, curve or {CLICKS}, with at most {MOST_POINTS} "
            f"points of a kind, got {word!r}. Separate several by commas."
        )
    return kind


def draw_points(
    mask: Bool[np.ndarray, "H W"], inside: int, outside: int, rng: np.random.Generator
) -> tuple[Float64[np.ndarray, "N 2"], list[int]]:
    """Points (x, y) in the mask's pixels and their labels: points on the object first, then points beside it.

    All are different and equally likely. Points beside the object lie in its box, enlarged by a quarter of its size or
    two pixels. A small object gets at most one point for each pixel, and an object that fills that box gets none beside
    it. Equal generators give the same points in the same order, whatever their number.
    """
    on = _first_places(np.argwhere(mask), inside, rng)
    window, corner = _around(mask)
    beside = _first_places(np.argwhere(~window) + corner, outside, rng)
    points = np.concatenate([on, beside])[:, ::-1].astype(np.float64)
    return points, [FOREGROUND] * len(on) + [BACKGROUND] * len(beside)


def _first_places(places: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The first `count` of the places, in an order that depends only on the generator."""
    order = rng.choice(max(1, len(places)), max(1, min(len(places), MOST_POINTS)), replace=False)
    return places[order[: min(count, len(places))]]


def _around(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mask in its enlarged box, and that window's corner (row, column)."""
    x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
    dx, dy = max(2, (x1 - x0 + 1) // 4), max(2, (y1 - y0 + 1) // 4)
    top, left = max(0, y0 - dy), max(0, x0 - dx)
    return mask[top : y1 + dy + 1, left : x1 + dx + 1], np.array([top, left])


def object_rng(seed: int, picture: str, number: int) -> np.random.Generator:
    """The random generator of one object: the same for every model, limit and order of pictures.

    `picture` may hold bytes that are not text, as file names may, and `number` any integer; `seed` is at least 0.

    >>> float(object_rng(0, "cat", 1).random()) == float(object_rng(0, "cat", 1).random())
    True
    """
    name = zlib.crc32(picture.encode("utf-8", "surrogatepass"))
    return np.random.default_rng((seed, name, number & _WORD))


def make_prompts(
    kind: PromptKind,
    masks: Bool[np.ndarray, "P H W"],
    rngs: Sequence[np.random.Generator],
    scale_xy: tuple[float, float] = (1.0, 1.0),
) -> Prompts:
    """The prompts of one picture for these objects, in model pixels: mask pixels times `scale_xy`.

    Short rows of points are padded with points that attention ignores. Masks must not be empty.
    """
    owner = torch.zeros(len(masks), dtype=torch.int64)
    boxes = None
    if kind.box:
        corners = boxes_from_masks(masks) * np.array(scale_xy * 2)
        boxes = torch.from_numpy(corners.astype(np.float32))
    if not kind.inside and not kind.outside:
        return Prompts(owner, boxes=boxes)
    drawn = [draw_points(mask, kind.inside, kind.outside, rng) for mask, rng in zip(masks, rngs, strict=True)]
    return Prompts(owner, *ragged([(xy * np.array(scale_xy), labels) for xy, labels in drawn]), boxes)


def ragged(rows: Sequence[tuple[np.ndarray, list[int]]]) -> tuple[Tensor, Tensor]:
    """Points [P,N,2] and labels [P,N] from rows of any lengths, padded with points that attention ignores."""
    longest = max(1, *(len(labels) for _, labels in rows))
    points = torch.zeros(len(rows), longest, 2)
    labels = torch.full((len(rows), longest), IGNORED, dtype=torch.int64)
    for row, (xy, label) in enumerate(rows):
        points[row, : len(label)] = torch.from_numpy(xy.astype(np.float32))
        labels[row, : len(label)] = torch.tensor(label, dtype=torch.int64)
    return points, labels
