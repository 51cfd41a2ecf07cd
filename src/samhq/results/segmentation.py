"""The masks of one picture, at its own size, as NumPy arrays with methods to show, measure and save them.

Knows nothing about networks or torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, WrongCallError
from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import cutout, overlay
from samhq.image.frame import Frame
from samhq.image.read import as_array
from samhq.image.suffixes import SUFFIXES
from samhq.image.write import write_masks, write_overlay, write_picture
from samhq.masks import rle
from samhq.masks.polygons import Polygon, polygons_from_mask
from samhq.plural import plural
from samhq.results.detections import Detections
from samhq.results.names import WithOtherNames
from samhq.results.prompt import Prompt, class_record
from samhq.results.record_file import segmentation_record, stem_for, write_record
from samhq.results.rows import chosen_rows
from samhq.results.show import box_columns, plot, png
from samhq.shapes import UInt


@dataclass(frozen=True, eq=False)
class Segmentation(WithOtherNames):
    """The masks of P prompts, with K candidates each, best first; H and W are the picture's.

    `image` uint8 [H,W,3]; `candidates` bool [P,K,H,W]; `candidate_scores` float32 [P,K], the predicted IoU of SAM's
    mask (the network predicts none for the HQ mask); `low_res_logits` float32 [P,K,4g,4g], which can be used as a mask
    prompt; `prompts`; `model`, the model's name; `file_name`, the picture's path if it was given as a path;
    `detections`, all boxes of the detector if the prompts come from one, also those below the threshold. `result[i]` is
    the result of one prompt.
    """

    image: np.ndarray
    candidates: np.ndarray
    candidate_scores: np.ndarray
    low_res_logits: np.ndarray
    prompts: tuple[Prompt, ...]
    frame: Frame
    model: str
    file_name: str | None = None
    detections: Detections | None = None

    @classmethod
    def empty(cls, image: np.ndarray, frame: Frame, model: str, file_name: str | None = None) -> Segmentation:
        """The result for a picture without any prompt: no mask."""
        side = frame.side // 4
        return cls(
            image=image,
            candidates=np.zeros((0, 1, *frame.original_hw), bool),
            candidate_scores=np.zeros((0, 1), np.float32),
            low_res_logits=np.zeros((0, 1, side, side), np.float32),
            prompts=(),
            frame=frame,
            model=model,
            file_name=file_name,
        )

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, rows: Any) -> Segmentation:
        """The result of one prompt by its number, or of several: a slice, their numbers, or a bool for each prompt.

        `result[result.scores > 0.8]` keeps the good ones. Iterating gives one result for each prompt.

        Raises:
            IndexError: no prompt has that number, or not one bool for each prompt.
            WrongCallError: something else, such as the name of an attribute.
        """
        chosen = rows if isinstance(rows, slice) else chosen_rows(rows, len(self))
        return replace(
            self,
            candidates=self.candidates[chosen],
            candidate_scores=self.candidate_scores[chosen],
            low_res_logits=self.low_res_logits[chosen],
            prompts=tuple(self.prompts[number] for number in np.arange(len(self))[chosen]),
        )

    def __iter__(self) -> Iterator[Segmentation]:
        return (self[number] for number in range(len(self)))

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        """Not an array.

        Raises:
            WrongCallError: always; the message says where the arrays are.
        """
        raise WrongCallError(
            "Expected an array, got a Segmentation, which holds several. Write result.masks, bool [P,H,W], "
            "result.masks[0], or result.overlay() for a picture."
        )

    def __repr__(self) -> str:
        prompts, candidates, height, width = self.candidates.shape
        counts = f"{plural(prompts, 'prompt')} x {plural(candidates, 'candidate')}"
        return f"Segmentation({counts}, {height}x{width}, {self.model})"

    @property
    def masks(self) -> np.ndarray:
        """The best mask of every prompt, bool [P,H,W]."""
        return self.candidates[:, 0]

    @property
    def scores(self) -> np.ndarray:
        """The predicted IoU of every prompt's best mask, float32 [P]. It is a regression, so it may exceed 1."""
        return self.candidate_scores[:, 0]

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The class of every prompt; None for a prompt without one."""
        return tuple(prompt.label for prompt in self.prompts)

    @property
    def detector_scores(self) -> np.ndarray:
        """The detector's score of every prompt, float32 [P]; NaN for a prompt without one."""
        return np.array([np.nan if prompt.score is None else prompt.score for prompt in self.prompts], np.float32)

    @cached_property
    def boxes(self) -> np.ndarray:
        """Tight boxes [P,4] as (x0, y0, x1, y1) in image pixels, last pixel included; zeros for an empty mask."""
        return boxes_from_masks(self.masks)

    @property
    def areas(self) -> np.ndarray:
        """The number of pixels of every prompt's best mask, int64 [P]."""
        return np.array([np.count_nonzero(mask) for mask in self.masks], np.int64)

    @property
    def logits(self) -> np.ndarray:
        """The best masks' logits at the picture's size, float32 [P,H,W]; a mask is where they are above 0."""
        return self.frame.logits_to_image(self.low_res_logits[:, :1])[:, 0]

    def label_map(self) -> UInt[np.ndarray, "H W"]:
        """The number of each pixel's object, from 1 in the order of prompts; 0 is the background.

        Where objects overlap, the smaller one wins. The type is the smallest of uint8, uint16 and uint32 that holds the
        numbers.
        """
        values = np.zeros(self.frame.original_hw, np.min_scalar_type(len(self)))
        for number in np.argsort(-self.areas, kind="stable"):
            values[self.masks[number]] = number + 1
        return values

    def polygons(self, tolerance: float = 0.0) -> list[list[Polygon]]:
        """The outlines of every prompt's mask, with holes, (x, y) on pixel borders.

        `tolerance` is the largest distance in pixels between a simplified outline and the exact one; 0 keeps every
        corner.
        """
        return [polygons_from_mask(mask, tolerance) for mask in self.masks]

    def overlay(self, *, prompts: bool = True, alpha: float = 0.5) -> np.ndarray:
        """The picture with masks in colour and, if `prompts`, the prompts; uint8 [H,W,3]."""
        points, labels, boxes = drawn_prompts(self.prompts) if prompts else (None, None, None)
        return overlay(self.image, self.masks, points=points, labels=labels, boxes=boxes, alpha=alpha)

    def _repr_png_(self) -> bytes:
        return png(self.overlay())

    def plot(self, axes: Any = None, *, prompts: bool = True, alpha: float = 0.5) -> Any:
        """matplotlib's `Axes` with the overlay and the scores as title; `axes` or, if None, those of a new figure.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        named = zip(self.labels, self.scores, strict=True)
        title = ", ".join(f"{label} {score:.2f}" if label else f"{score:.2f}" for label, score in named)
        return plot(
            self.overlay(prompts=prompts, alpha=alpha), axes, title if len(title) < 80 else plural(len(self), "mask")
        )

    def to_records(self) -> list[dict[str, Any]]:
        """A flat dict of plain numbers and text for each candidate, for `pandas.DataFrame` and other tables.

        `file_name`, `model`, `prompt` and `candidate` (numbers from 0), `label`, `detector_score`, `score` (predicted
        IoU), `area` in pixels, and the tight box `x0`, `y0`, `x1`, `y1`, last pixel included, zeros for an empty mask.
        Unknown values are None.
        """
        return [
            self._row(prompt, candidate) for prompt in range(len(self)) for candidate in range(self.candidates.shape[1])
        ]

    def _row(self, prompt: int, candidate: int) -> dict[str, Any]:
        mask, own_prompt = self.candidates[prompt, candidate], self.prompts[prompt]
        return {
            "file_name": self.file_name,
            "model": self.model,
            "prompt": prompt,
            "candidate": candidate,
            "label": own_prompt.label,
            "detector_score": None if own_prompt.score is None else float(own_prompt.score),
            "score": float(self.candidate_scores[prompt, candidate]),
            "area": int(np.count_nonzero(mask)),
            **box_columns(boxes_from_masks(mask[None])[0]),
        }

    def cutout(self, index: int = 0, *, crop: bool = True) -> np.ndarray:
        """One object with everything else transparent; uint8 [h,w,4], cut to its box if `crop`."""
        return cutout(self.image, self.masks[index], crop=crop)

    def annotations(self) -> list[dict[str, Any]]:
        """COCO-like records, one for each candidate: RLE, area, bbox (x, y, w, h), predicted IoU, prompt."""
        return [
            self._annotation(prompt, candidate)
            for prompt in range(len(self))
            for candidate in range(self.candidates.shape[1])
        ]

    def _annotation(self, prompt: int, candidate: int) -> dict[str, Any]:
        mask = self.candidates[prompt, candidate]
        box, area = boxes_from_masks(mask[None])[0], int(np.count_nonzero(mask))
        size = (box[2:] - box[:2] + 1) if area else np.zeros(2)
        return {
            "prompt": prompt,
            "candidate": candidate,
            "segmentation": rle.encode(mask),
            "area": area,
            "bbox": [int(value) for value in (*box[:2], *size)],
            "predicted_iou": float(self.candidate_scores[prompt, candidate]),
            **class_record(self.prompts[prompt]),
        }

    def save(
        self,
        directory: str | os.PathLike[str],
        stem: str | None = None,
        *,
        masks: bool = True,
        overlay: bool = True,
        cutouts: bool = False,
        record: bool = True,
        file_name: str | None = None,
    ) -> list[Path]:
        """Writes mask PNGs, an overlay, cut-outs with alpha and a JSON record; returns their paths.

        Names begin with `stem`. Its default is the stem of the picture's file, or "result"; it gets a number if it
        would overwrite another picture's files. A given `stem` overwrites existing files. The names end in
        `_mask_0.png` (255 on the object; `_mask_0_1.png` with several candidates), `_overlay.jpg`, `_cutout_0.png` and
        `.json`. The last is the record: it lists the other files and has the picture's `file_name`, by default the path
        it was read from. Files are written atomically. Writing the record deletes the unmodified files that a previous
        record of another result listed. Without `record` nothing is deleted.

        Raises:
            OSError: the folder cannot be made or written.
            ConfigError: a name of a picture file in place of a folder.
        """
        folder, name = Path(directory).expanduser(), file_name or self.file_name
        if folder.suffix.lower() in SUFFIXES and not folder.is_dir():
            raise ConfigError(
                f"Expected a folder to save to, got {str(folder)!r}, the name of a picture. For one picture write "
                "PIL.Image.fromarray(result.overlay()).save(...)."
            )
        stem = stem_for(folder, name, whole_image=False) if stem is None else stem
        mask_names = [f"{stem}_mask_{suffix}.png" for suffix in _suffixes(*self.candidates.shape[:2])]
        written: list[Path] = []
        if masks:
            flat = self.candidates.reshape(-1, *self.candidates.shape[2:])
            written += write_masks([folder / name for name in mask_names], flat.__getitem__)
        if overlay:
            written.append(write_overlay(folder, stem, self.overlay()))
        if cutouts:
            written += [write_picture(folder / f"{stem}_cutout_{i}.png", self.cutout(i)) for i in range(len(self))]
        if record:
            content = self._record(mask_names if masks else None, name)
            written.append(write_record(folder / f"{stem}.json", content, written))
        return written

    def _record(self, mask_names: list[str] | None, file_name: str | None) -> dict[str, Any]:
        height, width = self.image.shape[:2]
        return segmentation_record((height, width), self.model, self.prompts, self.annotations(), mask_names, file_name)


def _suffixes(prompts: int, candidates: int) -> list[str]:
    """The suffixes of mask files, in order.

    >>> _suffixes(2, 1), _suffixes(1, 3)
    (['0', '1'], ['0_0', '0_1', '0_2'])
    """
    if candidates == 1:
        return [str(p) for p in range(prompts)]
    return [f"{p}_{k}" for p in range(prompts) for k in range(candidates)]


def drawn_prompts(prompts: Sequence[Prompt]) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """All points [N,2], their labels [N] and all boxes [B,4], for drawing."""
    clicked = [
        (as_array(p.points).astype(np.float32).reshape(-1, 2), p.labels) for p in prompts if p.points is not None
    ]
    points = [xy for xy, _ in clicked]
    labels = [np.ones(len(xy)) if on is None else as_array(on).reshape(-1) for xy, on in clicked]
    boxes = [as_array(p.box).astype(np.float32).reshape(1, 4) for p in prompts if p.box is not None]
    return (
        np.concatenate(points) if points else None,
        np.concatenate(labels) if labels else None,
        np.concatenate(boxes) if boxes else None,
    )
