"""Pictures of the objects that came out worst: truth with prompt, and what each model made of it, with its scores.

A model's mask is shown by what is right and wrong with it: hit, missed and false pixels in three colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from samhq.config import HQMode
from samhq.datasets.sample import Pictures, Sample
from samhq.evaluation.asking import CLICKS, Ask, ask_for, object_rng, parse_asks
from samhq.evaluation.network import measuring
from samhq.evaluation.protocols import ProtocolName, check_protocol
from samhq.evaluation.result import Evaluation, per_cent
from samhq.evaluation.rows import Row, score
from samhq.evaluation.run import Plan, Shown
from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import overlay
from samhq.image.files import save_picture
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.types import FOREGROUND, IGNORED

_HEIGHT = 320  #: of a panel
_GAP, _TEXT, _SIZE = 6, 20, 14
_AROUND = 0.5  #: how much of the picture around an object is shown, as a share of its box on every side
_WHOLE = 0.3  #: objects whose box is a larger share of the picture are shown with all of it
_LEGEND = "blue: hit, orange: missed, green: false"


@dataclass(frozen=True)
class Case:
    """An object to draw: which picture, which object, asked in which way."""

    picture: str
    object: int
    ask: Ask


def worst_cases(evaluations: Sequence[Evaluation], count: int) -> list[Case]:
    """The objects whose IoU is lowest for some model, under the first way of asking and first HQ mode, worst first."""
    lowest: dict[tuple[str, int], float] = {}
    first = next((row.prompt for row in evaluations[0].rows if row.prompt != CLICKS), None)
    if first is None:
        return []
    for evaluation in evaluations:
        for row in _of_first_mode(evaluation, first):
            key = row.picture, row.object
            lowest[key] = min(row.iou, lowest.get(key, 1.0))
    order = sorted(lowest, key=lambda key: lowest[key])
    return [Case(picture, number, parse_asks([first])[0]) for picture, number in order[:count]]


def _of_first_mode(evaluation: Evaluation, prompt: str) -> list[Row]:
    mode = evaluation.rows[0].hq
    return [row for row in evaluation.rows if (row.prompt, row.hq) == (prompt, mode)]


def draw_worst(
    models: Sequence[Segmenter | Sam],
    pictures: Pictures,
    evaluations: Sequence[Evaluation],
    folder: Path,
    *,
    count: int = 8,
    seed: int = 0,
) -> list[Path]:
    """Writes a picture of each of the worst cases, 01.jpg the worst, and returns their paths.

    `evaluations` are of these models in this order, on these pictures with this seed. Each picture is encoded again.

    Raises:
        ImageError: a picture cannot be read any more.
        OSError: the folder cannot be made or written.
    """
    names, protocol = list(pictures.names()), check_protocol(evaluations[0].protocol)
    paths = []
    for place, case in enumerate(worst_cases(evaluations, count), 1):
        sample = pictures[names.index(case.picture)]
        sheet = _sheet(models, evaluations, sample, case, protocol, seed)
        paths.append(save_picture(sheet, folder / f"{place:02}.jpg", quality=92))
    return paths


def _sheet(
    models: Sequence[Segmenter | Sam],
    evaluations: Sequence[Evaluation],
    sample: Sample,
    case: Case,
    protocol: ProtocolName,
    seed: int,
) -> Image.Image:
    k = sample.ids.index(case.object)
    true = sample.masks[k]
    zoom = Zoom.on(true)
    image = zoom.image(sample.image)
    about = f"{sample.name}, object {case.object} {sample.categories[k]}".strip()
    panels = [("picture", image), (f"truth, {case.ask}", _asked(sample, k, case.ask, seed, zoom))]
    for model, evaluation in zip(models, evaluations, strict=True):
        mode = evaluation.rows[0].hq
        mask = _answer(model, sample, k, case.ask, mode, protocol, seed)
        found = score(mask, true)
        said = f"{evaluation.model} {mode}: IoU {per_cent(found.iou)}, boundary {per_cent(found.boundary_iou)}"
        parts = [zoom.mask(part) for part in (mask & true, true & ~mask, mask & ~true)]
        panels.append((said, overlay(image, np.stack(parts))))
    return _beside(panels, f"{about}   ({_LEGEND})")


def _answer(
    model: Segmenter | Sam, sample: Sample, k: int, ask: Ask, mode: HQMode, protocol: ProtocolName, seed: int
) -> Bool[np.ndarray, "H W"]:
    with measuring(model) as sam:
        shown = Shown.to(sam, sample, protocol)
        plan = Plan((ask,), False, protocol, (mode,), seed)
        return shown.masks([k], shown.view.masks_to_ask(sample.masks[[k]]), ask, mode, plan)[0][0]


def _asked(sample: Sample, k: int, ask: Ask, seed: int, zoom: Zoom) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with the true mask and the prompt, as it is made from the mask at the picture's own size."""
    prompts = ask_for(ask, sample.masks[[k]], [object_rng(seed, sample.name, sample.ids[k])])
    points = labels = boxes = None
    if prompts.points is not None and prompts.labels is not None:
        kept = prompts.labels[0] != IGNORED
        points, labels = zoom.points(prompts.points[0][kept].numpy()), (prompts.labels[0][kept] == FOREGROUND).numpy()
    if prompts.boxes is not None:
        boxes = zoom.points(prompts.boxes.numpy().reshape(-1, 2)).reshape(-1, 4)
    mask = zoom.mask(sample.masks[k])
    return overlay(zoom.image(sample.image), mask, points=points, labels=labels, boxes=boxes)


@dataclass(frozen=True)
class Zoom:
    """The part of a picture that is shown, rows and columns, and how much it is enlarged to a panel's height."""

    rows: slice
    columns: slice
    size_hw: tuple[int, int]

    @classmethod
    def on(cls, mask: Bool[np.ndarray, "H W"]) -> Zoom:
        """Around an object; all of the picture for a large one."""
        height, width = mask.shape
        x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
        box_width, box_height = x1 - x0 + 1, y1 - y0 + 1
        rows, columns = slice(0, height), slice(0, width)
        if box_width * box_height <= _WHOLE * height * width:
            # A square window, so that a thin object keeps its surroundings.
            half = round(max(box_width, box_height, 24) * (0.5 + _AROUND))
            x, y = (x0 + x1) // 2, (y0 + y1) // 2
            rows = slice(max(0, y - half), min(height, y + half + 1))
            columns = slice(max(0, x - half), min(width, x + half + 1))
        shape = rows.stop - rows.start, columns.stop - columns.start
        return cls(rows, columns, (_HEIGHT, max(1, round(shape[1] * _HEIGHT / shape[0]))))

    def image(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The part, with square pixels where it is enlarged."""
        part = Image.fromarray(np.ascontiguousarray(image[self.rows, self.columns]))
        filters = Image.Resampling.NEAREST if part.height < _HEIGHT else Image.Resampling.LANCZOS
        return np.asarray(part.resize(self.size_hw[::-1], filters))

    def mask(self, mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "h w"]:
        """The part of a mask."""
        part = Image.fromarray(np.ascontiguousarray(mask[self.rows, self.columns]))
        return np.asarray(part.resize(self.size_hw[::-1], Image.Resampling.NEAREST)).astype(bool)

    def points(self, points_xy: Float32[np.ndarray, "N 2"]) -> Float32[np.ndarray, "N 2"]:
        """Places of the picture in the panel."""
        scale = self.size_hw[1] / (self.columns.stop - self.columns.start), _HEIGHT / (self.rows.stop - self.rows.start)
        corner = np.array([self.columns.start, self.rows.start])
        return ((points_xy + 0.5 - corner) * np.array(scale) - 0.5).astype(np.float32)


def _beside(panels: Sequence[tuple[str, np.ndarray]], title: str) -> Image.Image:
    """Panels in a row, each under its words, all under a title; a panel is at least as wide as its words."""
    font = ImageFont.load_default(size=_SIZE)
    widths = [max(panel.shape[1], round(font.getlength(words)) + 1) for words, panel in panels]
    total = max(sum(widths) + _GAP * (len(widths) + 1), round(font.getlength(title)) + 2 * _GAP)
    sheet = Image.new("RGB", (total, _HEIGHT + 2 * _TEXT + 2 * _GAP), "white")
    pen, left = ImageDraw.Draw(sheet), _GAP
    pen.text((_GAP, 2), title, "black", font)
    for (words, panel), width in zip(panels, widths, strict=True):
        pen.text((left, 2 + _TEXT), words, "black", font)
        sheet.paste(Image.fromarray(panel), (left, 2 * _TEXT + _GAP))
        left += width + _GAP
    return sheet
