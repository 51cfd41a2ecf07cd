"""Pictures of the objects with the lowest scores: the truth with its prompt, and each model's mask with its scores.

Three colours show the errors of a model's mask: hit, missed and false pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from samhq.config import ClickMask, HQMode
from samhq.datasets.sample import Pictures, Sample
from samhq.evaluation.network import measuring
from samhq.evaluation.prompt_kinds import CLICKS, PromptKind, make_prompts, object_rng, parse_prompt_kinds
from samhq.evaluation.protocols import ProtocolName, check_protocol
from samhq.evaluation.result import Evaluation, per_cent
from samhq.evaluation.rows import Row, score
from samhq.evaluation.run import EncodedSample, make_plan
from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import overlay
from samhq.image.files import save_picture
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.types import FOREGROUND, IGNORED

_HEIGHT = 320  #: Height of a panel in pixels.
_GAP, _TEXT, _SIZE = 6, 20, 14
_AROUND = 0.5  #: Share of an object's box that is shown around it on every side.
_WHOLE = 0.3  #: If an object's box is a larger share of the picture, the whole picture is shown.
_LEGEND = "blue: hit, orange: missed, green: false"


@dataclass(frozen=True)
class Case:
    """An object to draw: its picture, its number, and its kind of prompt."""

    picture: str
    object: int
    kind: PromptKind


@dataclass(frozen=True)
class _Settings:
    """The settings of the evaluations, so that the same masks are drawn."""

    protocol: ProtocolName
    seed: int
    click_mask: ClickMask | None


def worst_cases(evaluations: Sequence[Evaluation], count: int) -> list[Case]:
    """The objects with the lowest IoU of any model, for the first kind of prompt and first HQ mode, worst first."""
    lowest: dict[tuple[str, int], float] = {}
    first = next((row.prompt for row in evaluations[0].rows if row.prompt != CLICKS), None)
    if first is None:
        return []
    for evaluation in evaluations:
        for row in _of_first_mode(evaluation, first):
            key = row.picture, row.object
            lowest[key] = min(row.iou, lowest.get(key, 1.0))
    order = sorted(lowest, key=lambda key: lowest[key])
    return [Case(picture, number, parse_prompt_kinds([first])[0]) for picture, number in order[:count]]


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
    click_mask: ClickMask | None = None,
) -> list[Path]:
    """Writes a picture of each of the worst cases, 01.jpg the worst, and returns their paths.

    `evaluations` belong to these models in this order, with these pictures, this seed and this `click_mask`. Each
    picture is encoded again.

    Raises:
        ImageError: a picture can no longer be read.
        OSError: the folder cannot be made or written.
    """
    names = list(pictures.names())
    settings = _Settings(check_protocol(evaluations[0].protocol), seed, click_mask)
    paths = []
    for place, case in enumerate(worst_cases(evaluations, count), 1):
        sample = pictures[names.index(case.picture)]
        sheet = _sheet(models, evaluations, sample, case, settings)
        paths.append(save_picture(sheet, folder / f"{place:02}.jpg", quality=92))
    return paths


def _sheet(
    models: Sequence[Segmenter | Sam],
    evaluations: Sequence[Evaluation],
    sample: Sample,
    case: Case,
    settings: _Settings,
) -> Image.Image:
    k = sample.ids.index(case.object)
    true = sample.masks[k]
    zoom = Zoom.on(true)
    image = zoom.image(sample.image)
    title = f"{sample.name}, object {case.object} {sample.categories[k]}".strip()
    panels = [("picture", image), (f"truth, {case.kind}", _truth_panel(sample, k, case.kind, settings.seed, zoom))]
    for model, evaluation in zip(models, evaluations, strict=True):
        mode = evaluation.rows[0].hq
        mask = _mask(model, sample, k, case.kind, mode, settings)
        scores = score(mask, true)
        heading = f"{evaluation.model} {mode}: IoU {per_cent(scores.iou)}, boundary {per_cent(scores.boundary_iou)}"
        hit, missed, false = mask & true, true & ~mask, mask & ~true
        panels.append((heading, overlay(image, np.stack([zoom.mask(part) for part in (hit, missed, false)]))))
    return _beside(panels, f"{title}   ({_LEGEND})")


def _mask(
    model: Segmenter | Sam, sample: Sample, k: int, kind: PromptKind, mode: HQMode, settings: _Settings
) -> Bool[np.ndarray, "H W"]:
    with measuring(model) as sam:
        encoded = EncodedSample.of(sam, sample, settings.protocol)
        plan = make_plan(sam, str(kind), settings.protocol, mode, settings.seed, settings.click_mask)
        return encoded.masks([k], encoded.view.prompt_masks(sample.masks[[k]]), kind, mode, plan)[0][0]


def _truth_panel(sample: Sample, k: int, kind: PromptKind, seed: int, zoom: Zoom) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with the true mask and the prompt that was made from it at the picture's own size."""
    prompts = make_prompts(kind, sample.masks[[k]], [object_rng(seed, sample.name, sample.ids[k])])
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
    """The part of a picture to show, rows and columns, and its enlargement to a panel's height."""

    rows: slice
    columns: slice
    size_hw: tuple[int, int]

    @classmethod
    def on(cls, mask: Bool[np.ndarray, "H W"]) -> Zoom:
        """Around an object; the whole picture for a large object."""
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
        """The part, with square pixels if it is enlarged."""
        part = Image.fromarray(np.ascontiguousarray(image[self.rows, self.columns]))
        filters = Image.Resampling.NEAREST if part.height < _HEIGHT else Image.Resampling.LANCZOS
        return np.asarray(part.resize(self.size_hw[::-1], filters))

    def mask(self, mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "h w"]:
        """The part of a mask."""
        part = Image.fromarray(np.ascontiguousarray(mask[self.rows, self.columns]))
        return np.asarray(part.resize(self.size_hw[::-1], Image.Resampling.NEAREST)).astype(bool)

    def points(self, points_xy: Float32[np.ndarray, "N 2"]) -> Float32[np.ndarray, "N 2"]:
        """Positions of the picture in the panel."""
        scale = self.size_hw[1] / (self.columns.stop - self.columns.start), _HEIGHT / (self.rows.stop - self.rows.start)
        corner = np.array([self.columns.start, self.rows.start])
        return ((points_xy + 0.5 - corner) * np.array(scale) - 0.5).astype(np.float32)


def _beside(panels: Sequence[tuple[str, np.ndarray]], title: str) -> Image.Image:
    """Panels in a row, each with its words above, and a title above all; a panel is at least as wide as its words."""
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
