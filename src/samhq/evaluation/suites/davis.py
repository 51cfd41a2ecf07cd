"""DAVIS's J and F of masks made from a box in every frame: how well regions and contours of moving objects match.

Boxes are a tracker's, by sequence, frame and object, or those of the true masks. Every frame is segmented by itself.

Source: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016;
davischallenge/davis2017-evaluation (frames left out, means over objects).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from samhq.config import HQMode
from samhq.datasets.sample import check_size
from samhq.errors import ConfigError, ImageError
from samhq.evaluation.boxes import check_box, masks_from_boxes
from samhq.evaluation.network import measuring
from samhq.evaluation.protocols import default_hq
from samhq.evaluation.result import markdown, per_cent
from samhq.image.boxes import boxes_from_masks
from samhq.image.files import open_file
from samhq.image.read import describe, read_image
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.progress import counted
from samhq.storage.documents import read_json, read_text
from samhq.storage.schema import BOX, Named

#: Tolerance of contours as a share of the picture's diagonal.
TOLERANCE = 0.008
VOID = 255  #: The entry of label maps that belongs to no object and is not scored.

#: Boxes (x0, y0, x1, y1) by sequence, frame (without suffix) and object.
Boxes = Mapping[str, Mapping[str, Mapping[int, tuple[float, float, float, float]]]]


def region_similarity(pred: Bool[np.ndarray, "H W"], true: Bool[np.ndarray, "H W"]) -> float:
    """J, the IoU of two masks, 0..1; 1 where both are empty.

    >>> region_similarity(np.array([[True, True]]), np.array([[True, False]]))
    0.5
    """
    union = int((pred | true).sum())
    return int((pred & true).sum()) / union if union else 1.0


def contour(pred: Bool[np.ndarray, "H W"], true: Bool[np.ndarray, "H W"], tolerance: float = TOLERANCE) -> float:
    """F, the F-measure, 0..1, of two masks' contours, with a tolerance that is a share of the diagonal.

    Precision is the share of the predicted contour within the tolerance of the true one, recall the reverse. Both
    contours empty: 1; one of them: 0. A mask that fills the picture has no contour.

    >>> square = np.zeros((20, 20), bool)
    >>> square[5:15, 5:15] = True
    >>> contour(square, square.T), contour(square, ~square & False)
    (1.0, 0.0)
    """
    from scipy.ndimage import distance_transform_edt

    reach = math.ceil(tolerance * math.hypot(*pred.shape))
    predicted_line, true_line = edge_pixels(pred), edge_pixels(true)
    if not predicted_line.any() or not true_line.any():
        return float(predicted_line.any() == true_line.any())
    precision = float((distance_transform_edt(~true_line)[predicted_line] <= reach).mean())
    recall = float((distance_transform_edt(~predicted_line)[true_line] <= reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def edge_pixels(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels that differ from their neighbour to the right, below, or diagonally below: a line one pixel wide.

    >>> edge_pixels(np.array([[False, True, True]])).tolist()
    [[True, False, False]]
    """
    larger = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != larger[:-1, 1:]) | (mask != larger[1:, :-1]) | (mask != larger[1:, 1:])


@dataclass(frozen=True)
class ObjectScores:
    """Means over an object's frames, 0..1."""

    sequence: str
    object: int
    frames: int
    j: float
    f: float


@dataclass(frozen=True)
class DavisScores:
    """J and F of one model; in the means every object has the same weight."""

    model: str
    hq: HQMode
    boxes: str
    objects: tuple[ObjectScores, ...]

    @property
    def j(self) -> float:
        """Mean J over objects."""
        return fmean(scores.j for scores in self.objects)

    @property
    def f(self) -> float:
        """Mean F over objects."""
        return fmean(scores.f for scores in self.objects)

    def table(self) -> str:
        """The means as a Markdown table, in per cent."""
        return davis_table([self])

    def to_json(self) -> dict[str, Any]:
        """Means and objects as JSON values."""
        return {
            "model": self.model,
            "hq": self.hq,
            "boxes": self.boxes,
            "j_and_f": (self.j + self.f) / 2,
            "j": self.j,
            "f": self.f,
            "objects": [vars(scores) for scores in self.objects],
        }


def davis_table(scores: Sequence[DavisScores]) -> str:
    """A Markdown table of several models, in per cent."""
    first = scores[0]
    sequences = len({of_object.sequence for of_object in first.objects})
    counts = f"{plural(sequences, 'sequence')}, {plural(len(first.objects), 'object')}"
    heading = f"DAVIS: {counts}, boxes of {first.boxes}, values in %."
    rows = []
    for row in scores:
        numbers = ((row.j + row.f) / 2, row.j, row.f)
        rows.append([row.model, row.hq, *map(per_cent, numbers)])
    return f"{heading}\n\n{markdown(['model', 'HQ', 'J&F', 'J', 'F'], rows)}\n"


def evaluate_davis(
    model: Segmenter | Sam | str | None,
    root: str | Path,
    boxes: str | Path | None = None,
    *,
    subset: str | None = None,
    resolution: str = "480p",
    all_frames: bool = False,
    hq: HQMode | None = None,
    limit: int | None = None,
    name: str | None = None,
    progress: bool = False,
) -> DavisScores:
    """J and F of masks made from a box for each object in every frame, for a folder with DAVIS's layout.

    Frames are ROOT/JPEGImages/RESOLUTION/SEQUENCE/*.jpg, true label maps ROOT/Annotations/RESOLUTION/SEQUENCE/*.png.
    `boxes` is a JSON file {sequence: {frame: {object: [x0, y0, x1, y1]}}}; None uses the true boxes. An object without
    a box in a frame has an empty mask there. `subset` names a list of sequences, such as "2017/val" for
    ROOT/ImageSets/2017/val.txt; `limit` takes only the first ones. As in DAVIS's own evaluation, the first and last
    frame of each sequence do not count unless `all_frames`. Masks of several objects may overlap.

    Raises:
        ConfigError: the folder has no sequences, or no object in the first frame of any; or boxes of another form.
        ImageError: a file is missing, cannot be read, or differs in size.
    """
    folder = Path(root) / "Annotations" / resolution
    sequences = _sequences(Path(root), folder, subset)[:limit]
    known = None if boxes is None else read_boxes_by_frame(Path(boxes))
    with measuring(model) as sam:
        mode = hq or default_hq(sam.config, "exact")
        sam.hq_mode(mode)
        label = name or sam.config.name
        objects: list[ObjectScores] = []
        for sequence in counted(sequences, "sequence", label, show=progress):
            objects += _sequence_scores(sam, folder / sequence, known, mode, all_frames)
    if not objects:
        raise ConfigError(
            f"Expected objects in the first label map of a sequence in {folder}, found none in "
            f"{plural(len(sequences), 'sequence')}. Number objects from 1 to 254 there."
        )
    return DavisScores(label, mode, "the true masks" if boxes is None else Path(boxes).name, tuple(objects))


def read_boxes_by_frame(path: Path) -> Boxes:
    """Boxes by sequence, frame and object.

    Raises:
        ConfigError: a file of another form.
    """
    advice = "Write {sequence: {frame: {object: [x0, y0, x1, y1]}}}."
    content = read_json(path, "boxes", Named(Named(Named(BOX))), ConfigError, advice)
    by_sequence: dict[str, dict[str, dict[int, tuple[float, float, float, float]]]] = {}
    for sequence, frames in content.items():
        by_frame = by_sequence.setdefault(sequence, {})
        for frame, boxes in frames.items():
            place = f"{sequence}/{frame} of {path}"
            by_frame[frame] = {_object(name, path): check_box(box, place) for name, box in boxes.items()}
    return by_sequence


def _object(name: str, path: Path) -> int:
    """The number of an object in a label map.

    Raises:
        ConfigError: not a number from 1 to 255.
    """
    if not (name.isascii() and name.isdecimal() and len(name) < 4 and 0 < int(name) < 256):
        raise ConfigError(f"Expected objects by their numbers, 1 to 255, in {path}, got {name[:40]!r}. Check the file.")
    return int(name)


def read_labels(path: Path) -> UInt8[np.ndarray, "H W"]:
    """A label map: 0 background, 255 void, else an object's number; a map with only 0 and 255 has object 1.

    Raises:
        ImageError: it cannot be read, or has colours but no palette.
    """
    with open_file(path, describe(path)) as file:
        if file.mode not in ("P", "L", "1"):
            raise ImageError(f"Expected a label map of one channel, got {path} of mode {file.mode}. Save it as such.")
        labels = np.asarray(file).astype(np.uint8)
    if file.mode == "L" and not np.setdiff1d(labels, (0, VOID)).size:
        return (labels > 0).astype(np.uint8)
    return labels


def _sequence_scores(
    sam: Sam, folder: Path, boxes: Boxes | None, mode: HQMode, all_frames: bool
) -> Iterator[ObjectScores]:
    maps = sorted(folder.glob("*.png"))
    scored = maps if all_frames else maps[1:-1]
    if not scored:
        raise ConfigError(
            f"Expected at least {1 if all_frames else 3} label maps in {folder}, got {len(maps)}. "
            "Complete it, or choose other sequences."
        )
    numbers = [int(n) for n in np.unique(read_labels(maps[0])) if n not in (0, VOID)]
    scores: dict[int, list[tuple[float, float]]] = {number: [] for number in numbers}
    for path in scored:
        labels = read_labels(path)
        frame_boxes = _true_boxes(labels, numbers) if boxes is None else boxes.get(folder.name, {}).get(path.stem, {})
        masks = _masks(sam, path, labels.shape, {n: frame_boxes[n] for n in numbers if n in frame_boxes}, mode)
        known = labels != VOID
        for number in numbers:
            pred, true = masks.get(number, np.zeros(labels.shape, bool)) & known, labels == number
            scores[number].append((region_similarity(pred, true), contour(pred, true)))
    for number, frame_scores in scores.items():
        j, f = fmean(j for j, _ in frame_scores), fmean(f for _, f in frame_scores)
        yield ObjectScores(folder.name, number, len(frame_scores), j, f)


def _true_boxes(labels: np.ndarray, numbers: Sequence[int]) -> dict[int, Any]:
    masks = {number: labels == number for number in numbers}
    return {number: boxes_from_masks(mask).tolist() for number, mask in masks.items() if mask.any()}


def _masks(
    sam: Sam, path: Path, size_hw: tuple[int, ...], boxes: Mapping[int, Any], mode: HQMode
) -> dict[int, np.ndarray]:
    """Masks of the objects that have a box in a frame."""
    if not boxes:
        return {}
    resolution, sequence = path.parent.parent.name, path.parent.name
    frame = path.parents[3] / "JPEGImages" / resolution / sequence / f"{path.stem}.jpg"
    image = read_image(frame)
    check_size(image.shape[:2], frame, size_hw, path)
    return dict(zip(boxes, masks_from_boxes(sam, image, list(boxes.values()), mode), strict=True))


def _sequences(root: Path, folder: Path, subset: str | None) -> list[str]:
    if subset is not None:
        listed = root / "ImageSets" / f"{subset}.txt"
        if not listed.is_file():
            raise ConfigError(f"Expected a list of sequences in {listed}, got no such file. Name one such as 2017/val.")
        named = read_text(listed, "a list of sequences", ConfigError).split()
        if not named:
            raise ConfigError(f"Expected a list of sequences in {listed}, got an empty file. Name another list.")
        return named
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not names:
        raise ConfigError(f"Expected sequences of label maps in {folder}, got none. Name the folder that holds DAVIS.")
    return names
