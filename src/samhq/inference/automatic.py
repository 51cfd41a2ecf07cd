"""Masks for everything in a picture: a grid of points is decoded, and what is sure, stable and new is kept.

Two pure steps: `propose` runs the network and returns whatever passes its own scores, `keep` chooses among
proposals by scores and boxes alone and can be asked again with other thresholds. Knows nothing of files.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), section 5 and appendix B; segment-anything,
automatic_mask_generator.py, whose parameters, defaults and order these are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from samhq import options
from samhq.config import MASK_THRESHOLD, Candidates, Defaults, HQMode
from samhq.errors import ConfigError, ImageError
from samhq.image.crops import Crop, crop_boxes, point_grid
from samhq.image.frame import Frame
from samhq.image.read import as_array, describe
from samhq.image.transform import to_pixels
from samhq.inference.candidates import candidates
from samhq.inference.enlarge import Enlarged, Enlarger
from samhq.inference.filters import near_crop_edge, nms, stability_score
from samhq.masks import runs
from samhq.model.sam import Sam
from samhq.progress import Watch
from samhq.types import FOREGROUND, ImageEmbedding, Prompts

_CPU_BATCH = 4  #: points at a time on a CPU: more fall out of its cache


@dataclass(frozen=True, eq=False)
class AutomaticConfig:
    """Where to look and what to keep. Fields above the line are segment-anything's, with its names and defaults."""

    points_per_side: int | None = 32
    """Points along each side of the picture; None where `point_grids` says them."""

    points_per_batch: int = 64
    """At most so many points are decoded at once; fewer on a CPU, where they would fall out of its cache."""

    pred_iou_thresh: float = 0.88
    """Keep masks whose predicted IoU is above this; 0 keeps all."""

    stability_score_thresh: float = 0.95
    """Keep masks whose stability score is at least this; 0 keeps all."""

    stability_score_offset: float = 1.0
    """How far the two levels of the stability score lie from the threshold, in logits."""

    box_nms_thresh: float = 0.7
    """In a crop, drop a mask whose box has a larger IoU than this with that of a mask of higher predicted IoU."""

    crop_n_layers: int = 0
    """Look at crops too: 4 in the first layer, 16 more in the second, and so on."""

    crop_nms_thresh: float = 0.7
    """As `box_nms_thresh`, between crops; the mask from the smaller crop stays."""

    crop_overlap_ratio: float = 512 / 1500
    """How much crops of the first layer overlap, as a part of the picture's shorter side."""

    crop_n_points_downscale_factor: int = 1
    """Points per side are divided by this in each further layer of crops."""

    point_grids: Sequence[Any] | None = None
    """For each layer its points [N,2] as (x, y) in 0..1 of a crop, in place of `points_per_side`."""

    min_mask_region_area: int = 0
    """Fill holes and drop islands of fewer pixels than this."""

    # ---- beyond segment-anything

    candidates: Candidates | None = None
    """Which of SAM's masks a point gives. None: all three for plain SAM; for HQ models the best, as in SAM-HQ."""

    hq: HQMode | None = None
    """What the HQ decoder paints: "add", "only" or "off"; None is "add" for models that have it."""

    mask_threshold: float = MASK_THRESHOLD
    """A pixel belongs to a mask when its logit is above this."""

    second_pass: bool = False
    """Give every mask back to the network as a prompt once, beside its point: SAM 2's `use_m2m`."""

    low_res_region_area: int = 0
    """Fill holes and drop specks of at most so many low-resolution pixels before masks are enlarged, as SAM 2 does."""

    def __post_init__(self) -> None:
        if (self.points_per_side is None) == (self.point_grids is None):
            came = "neither" if self.points_per_side is None else "both"
            raise ConfigError(
                f"Expected points_per_side or point_grids, got {came}. Set points_per_side=None to use point_grids."
            )
        self._check_values()
        if self.point_grids is not None:
            grids = tuple(_checked_grid(grid) for grid in _as_list(self.point_grids))
            if len(grids) <= self.crop_n_layers:
                raise ConfigError(
                    f"Expected point_grids for {self.crop_n_layers + 1} layers, the picture's included, got "
                    f"{len(grids)}. Add grids or lower crop_n_layers."
                )
            object.__setattr__(self, "point_grids", grids)
        self._check_amount()

    def _check_values(self) -> None:
        """Replaces each field by its checked, plain value."""
        checked: dict[str, Any] = {
            name: options.whole_number(name, getattr(self, name), *bounds)
            for name, bounds in _WHOLE.items()
            if (name, getattr(self, name)) != ("points_per_side", None)
        }
        checked |= {name: options.real_number(name, getattr(self, name), 0) for name in _FROM_ZERO}
        checked["crop_overlap_ratio"] = options.real_number(
            "crop_overlap_ratio", self.crop_overlap_ratio, 0, 1, below=True
        )
        factor = "crop_n_points_downscale_factor"
        checked[factor] = options.real_number(factor, getattr(self, factor), 1, 2048)
        checked["mask_threshold"] = options.real_number("mask_threshold", self.mask_threshold)
        for name, words in (("candidates", Candidates), ("hq", HQMode)):
            if getattr(self, name) is not None:
                options.one_of(name, getattr(self, name), words)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _check_amount(self) -> None:
        """Refuses a run of more points than any machine finishes, before the first of them is made."""
        points = sum(4**layer * self._points(layer) for layer in range(self.crop_n_layers + 1))
        if points > _MOST_POINTS:
            raise ConfigError(
                f"Expected at most {_MOST_POINTS:,} points in all, got {points:,} in the picture and "
                f"{self.crop_n_layers} layers of crops. Lower points_per_side or crop_n_layers, or raise "
                "crop_n_points_downscale_factor."
            )

    def _points(self, layer: int) -> int:
        """How many points each crop of a layer gets."""
        return len(self.point_grids[layer]) if self.point_grids is not None else self._per_side(layer) ** 2

    def _per_side(self, layer: int) -> int:
        assert self.points_per_side is not None
        return max(1, int(self.points_per_side / self.crop_n_points_downscale_factor**layer))

    @classmethod
    def suited_to(cls, defaults: Defaults, **chosen: Any) -> AutomaticConfig:
        """The settings that a model's weights bring along, with those `chosen` in place of theirs and the library's."""
        return cls(**{**{name: value for name, value in defaults.stated().items() if hasattr(cls, name)}, **chosen})

    def replace(self, **changes: Any) -> AutomaticConfig:
        """A copy with some fields changed.

        Raises:
            ConfigError: a value that means nothing.
        """
        return replace(self, **changes)

    def grid(self, layer: int) -> Float64[np.ndarray, "N 2"]:
        """The points of a crop in a layer, (x, y) in 0..1; at least one."""
        if self.point_grids is not None:
            return np.asarray(self.point_grids[layer])
        return point_grid(self._per_side(layer))


_MOST_POINTS = 1 << 22  #: of one picture with all its crops: hours of work on the fastest machines
_WHOLE = {"points_per_side": (1, 2048), "points_per_batch": (1,), "crop_n_layers": (0, 8)}  #: least, and most
_FROM_ZERO = (
    "pred_iou_thresh", "stability_score_thresh", "stability_score_offset", "box_nms_thresh", "crop_nms_thresh",
    "min_mask_region_area",
)  # fmt: skip


def _as_list(grids: Any) -> list[Any]:
    try:
        return list(grids)
    except TypeError as error:
        raise ConfigError(
            f"Expected point_grids as a list of points [N, 2], one a layer, got {grids!r:.80}."
        ) from error


def _checked_grid(grid: Any) -> np.ndarray:
    try:
        points = as_array(grid).astype(np.float64)
    except ImageError as error:
        raise ConfigError(f"Expected each of point_grids as points [N, 2], got {describe(grid)}.") from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not ((points >= 0) & (points <= 1)).all():
        raise ConfigError(
            f"Expected each of point_grids as points [N, 2], (x, y) in 0..1 of a crop, got shape {list(points.shape)}. "
            "Divide pixels by the crop's width and height."
        )
    return points


@dataclass(frozen=True)
class Best:
    """The highest predicted IoU of all masks, and the highest stability of those that passed by it; None for none.

    >>> Best(0.5).with_(Best(0.7, 0.9))
    Best(iou=0.7, stability=0.9)
    """

    iou: float | None = None
    stability: float | None = None

    def with_(self, other: Best) -> Best:
        """The higher of both, each."""
        pairs = (self.iou, other.iou), (self.stability, other.stability)
        return Best(*(max((value for value in pair if value is not None), default=None) for pair in pairs))


@dataclass(frozen=True, eq=False)
class Proposals:
    """Masks of one picture as columns of equal length M, in the order in which they were found.

    `size_hw` of the picture; `crops` all crops that were looked at; `crop` [M] which of them a mask is from;
    `points` [M,2] as (x, y) and `boxes` [M,4] as (x0, y0, x1, y1), last pixel included, in image pixels; `iou` [M],
    predicted by the network for SAM's mask; `stability` [M]; `changes`, the masks themselves, see `image/runs.py`;
    `best`, what the masks reached that were looked at, kept or not.
    """

    size_hw: tuple[int, int]
    crops: tuple[Crop, ...]
    crop: Int64[np.ndarray, " M"]
    points: Float64[np.ndarray, "M 2"]
    boxes: Int64[np.ndarray, "M 4"]
    iou: Float32[np.ndarray, " M"]
    stability: Float32[np.ndarray, " M"]
    changes: tuple[np.ndarray, ...]
    best: Best = Best()

    def __len__(self) -> int:
        return len(self.changes)

    def __getitem__(self, rows: np.ndarray) -> Proposals:
        """Some of the masks, by indices or a bool mask, in that order."""
        chosen = np.arange(len(self))[rows]
        columns = {name: getattr(self, name)[chosen] for name in ("crop", "points", "boxes", "iou", "stability")}
        return replace(self, **columns, changes=tuple(self.changes[row] for row in chosen))

    @staticmethod
    def of(size_hw: tuple[int, int], crops: Sequence[Crop], found: Sequence[Proposal]) -> Proposals:
        """Single proposals as columns; none give columns of length 0."""
        return Proposals(
            size_hw,
            tuple(crops),
            np.array([one.crop for one in found], np.int64),
            np.array([one.point for one in found], np.float64).reshape(-1, 2),
            np.array([one.box for one in found], np.int64).reshape(-1, 4),
            np.array([one.iou for one in found], np.float32),
            np.array([one.stability for one in found], np.float32),
            tuple(one.changes for one in found),
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """One row of `Proposals`."""

    crop: int
    point: tuple[float, float]
    box: tuple[int, int, int, int]
    iou: float
    stability: float
    changes: np.ndarray


@torch.inference_mode()
def propose(
    model: Sam,
    image: UInt8[np.ndarray, "H W 3"],
    config: AutomaticConfig,
    *,
    embedding: ImageEmbedding | None = None,
    keep_all: bool = False,
    watch: Watch | None = None,
) -> Proposals:
    """Every mask that passes the IoU and stability thresholds and is not cut off by its crop, in order of points.

    `embedding` is the picture's own, where it is known already. With `keep_all` the thresholds pass everything, so
    that `keep` can be asked with any. Masks that fail the IoU threshold are never painted, and full-size logits are
    never whole in memory: what is held for a mask is its outline.

    Raises:
        ConfigError: `hq` asks for what the model does not have.
    """
    size_hw = (image.shape[0], image.shape[1])
    boxes = crop_boxes(size_hw, config.crop_n_layers, config.crop_overlap_ratio)
    passing = config.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0) if keep_all else config
    grids = [config.grid(layer) for _, layer in boxes]
    found: list[Proposal] = []
    best = Best()
    done, total = 0, sum(map(len, grids))
    for number, ((crop, _), grid) in enumerate(zip(boxes, grids, strict=True)):
        seen = _Crop.look(model, image, crop, number, embedding if number == 0 else None)
        for points in _batches(grid * seen.size_wh, _batch(model, config)):
            more, reached = seen.proposals(model, points, passing)
            found += more
            best = best.with_(reached)
            done += len(points)
            if watch is not None:
                watch(done, total)
    return replace(Proposals.of(size_hw, [crop for crop, _ in boxes], found), best=best)


def keep(proposals: Proposals, config: AutomaticConfig) -> Proposals:
    """The proposals that pass the thresholds, without those whose box says the same as a better one's.

    Within a crop the higher predicted IoU wins, between crops the smaller crop. Ordered by falling predicted IoU
    within a crop, and by growing size of crops. With `min_mask_region_area` masks are then cleaned, those that were
    not changed by it come first, and boxes are compared once more.
    """
    rows = np.arange(len(proposals))[_passing(proposals, config)]
    kept = proposals[
        np.concatenate([_nms_within(proposals, rows, number, config) for number in range(len(proposals.crops))])
    ]
    if len(kept.crops) > 1:
        corners = np.array(kept.crops)[kept.crop].reshape(-1, 4)
        areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        kept = kept[nms(kept.boxes, 1 / areas.astype(np.float32), config.crop_nms_thresh)]
    return _cleaned(kept, config) if config.min_mask_region_area else kept


def _passing(proposals: Proposals, config: AutomaticConfig) -> Bool[np.ndarray, " M"]:
    passing = np.ones(len(proposals), np.bool_)
    if config.pred_iou_thresh > 0:
        passing &= proposals.iou > np.float32(config.pred_iou_thresh)
    if config.stability_score_thresh > 0:
        passing &= proposals.stability >= np.float32(config.stability_score_thresh)
    return passing


def _nms_within(proposals: Proposals, rows: np.ndarray, crop: int, config: AutomaticConfig) -> np.ndarray:
    own = rows[proposals.crop[rows] == crop]
    return own[nms(proposals.boxes[own], proposals.iou[own], config.box_nms_thresh)]


def _cleaned(proposals: Proposals, config: AutomaticConfig) -> Proposals:
    size_hw, least = proposals.size_hw, config.min_mask_region_area
    cleaned = [runs.without_small_regions(changes, size_hw, least) for changes in proposals.changes]
    boxes = np.array([runs.box(changes, size_hw[0]) for changes, _ in cleaned], np.int64).reshape(-1, 4)
    unchanged = np.array([not changed for _, changed in cleaned], np.float32)
    kept = nms(boxes, unchanged, max(config.box_nms_thresh, config.crop_nms_thresh))
    return replace(proposals, boxes=boxes, changes=tuple(changes for changes, _ in cleaned))[kept]


@dataclass(frozen=True, eq=False)
class _Crop:
    """A part of the picture as the network sees it."""

    crop: Crop
    number: int
    size_hw: tuple[int, int]  #: of the whole picture
    frame: Frame
    embedding: ImageEmbedding
    enlarger: Enlarger

    @classmethod
    def look(cls, model: Sam, image: np.ndarray, crop: Crop, number: int, embedding: ImageEmbedding | None) -> _Crop:
        x0, y0, x1, y1 = crop
        side = model.config.side
        frame = Frame.fit((y1 - y0, x1 - x0), side, squash=model.config.second)
        if embedding is None:
            normalisation = model.config.encoder.normalisation
            pixels, _ = to_pixels(image[y0:y1, x0:x1], side, normalisation, squashed=frame.squashed)
            embedding = model.encode(pixels.to(model.device))
        enlarger = Enlarger(frame, 4 * model.config.grid, model.device)
        return cls(crop, number, (image.shape[0], image.shape[1]), frame, model.prepared(embedding), enlarger)

    @property
    def size_wh(self) -> np.ndarray:
        return np.array(self.frame.original_hw[::-1])

    def proposals(self, model: Sam, points: np.ndarray, config: AutomaticConfig) -> tuple[list[Proposal], Best]:
        """What a batch of points [N,2], in pixels of the crop, brings, and what its masks reached."""
        scores, passing, logits = candidates(model, self.embedding, self._prompts(points, model.device), config)
        rows = points[passing.nonzero()[:, 0].cpu().numpy()] + self.crop[:2]
        masks = self.enlarger.masks(logits, config.mask_threshold, config.stability_score_offset)
        found, best = [], Best(float(scores.max()))
        for mask, iou, point in zip(masks, scores[passing].tolist(), rows.tolist(), strict=True):
            stability = stability_score(mask.above, mask.below)
            best = best.with_(Best(None, stability))
            if config.stability_score_thresh <= 0 or stability >= config.stability_score_thresh:
                changes, box = self._placed(mask)
                if not near_crop_edge(np.array([box]), self.crop, self.size_hw)[0]:
                    found.append(Proposal(self.number, tuple(point), box, iou, stability, changes))
        return found, best

    def _prompts(self, points: np.ndarray, device: torch.device) -> Prompts:
        places = torch.from_numpy(self.frame.points_to_model(points))[:, None].to(device)
        labels = torch.full(places.shape[:2], FOREGROUND, dtype=torch.int64, device=device)
        return Prompts(labels.new_zeros(len(places)), places, labels)

    def _placed(self, mask: Enlarged) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """The mask's changes in the whole picture, and its box there; an empty one's is the crop's corner."""
        height, width = self.size_hw
        changes = mask.changes(self.crop, height)
        x, y = self.crop[:2]
        box = runs.box(changes, height) if len(changes) else (x, y, x, y)
        return changes.astype(np.uint32 if height * width < 1 << 32 else np.int64), box


def _batch(model: Sam, config: AutomaticConfig) -> int:
    return min(config.points_per_batch, _CPU_BATCH) if model.device.type == "cpu" else config.points_per_batch


def _batches(points: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (points[start : start + size] for start in range(0, len(points), size))


#: What `keep` reads and `propose` does not need to be run again for.
REFILTERED = ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "crop_nms_thresh", "min_mask_region_area")
assert set(REFILTERED) <= {field.name for field in fields(AutomaticConfig)}
