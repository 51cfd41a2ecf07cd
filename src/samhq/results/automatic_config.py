"""The options of whole-image segmentation: which points and crops it uses and which masks it keeps.

Knows nothing about networks or files. Imports NumPy only inside functions: flags of the command line grow from the
options, and help is fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from samhq import options
from samhq.config import MASK_THRESHOLD, Candidates, Defaults, HQMode
from samhq.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from samhq.shapes import Float64

#: The options that can be changed after the network ran; see `Everything.filter`.
REFILTERED = ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "crop_nms_thresh", "min_mask_region_area")


@dataclass(frozen=True, eq=False)
class AutomaticConfig:
    """Which points and crops whole-image segmentation uses and which masks it keeps, as in segment-anything."""

    points_per_side: int | None = 32
    """Points along each side of the picture. The model gets the square of this number of points."""

    points_per_batch: int = 64
    """Largest number of points to decode at once. On a CPU fewer are used, to save memory."""

    pred_iou_thresh: float = 0.88
    """Keep masks with a predicted IoU above this. 0: keep all."""

    stability_score_thresh: float = 0.95
    """Keep masks with at least this stability score. 0: keep all."""

    stability_score_offset: float = 1.0
    """Distance of the two levels of the stability score from the threshold, in logits."""

    box_nms_thresh: float = 0.7
    """In a crop, drop a mask if its box has a larger IoU than this with the box of a mask of higher predicted IoU."""

    crop_n_layers: int = 0
    """Also segment crops, for small objects: 4 in the first layer, 16 more in the second, and so on."""

    crop_nms_thresh: float = 0.7
    """As `box_nms_thresh`, but between crops. The mask from the smaller crop stays."""

    crop_overlap_ratio: float = 512 / 1500
    """Overlap of crops in the first layer, as a share of the picture's shorter side."""

    crop_n_points_downscale_factor: int = 1
    """Divide the points per side by this in each further layer of crops."""

    point_grids: Sequence[Any] | None = None
    """Points of each layer [N,2] as (x, y) in 0..1 of a crop, in place of `points_per_side`, which is then None."""

    min_mask_region_area: int = 0
    """Fill holes and remove islands of fewer pixels than this."""

    # ---- beyond segment-anything

    candidates: Candidates | None = None
    """Which of SAM's masks to use for a point. None: all three for plain SAM; the best for HQ models, as in SAM-HQ."""

    hq: HQMode | None = None
    """HQ mode: "add", "only" or "off". None: "add" for HQ models."""

    mask_threshold: float = MASK_THRESHOLD
    """A pixel belongs to a mask if its logit is above this."""

    second_pass: bool = False
    """Refine every mask by one more pass with the mask and its point as the prompt: SAM 2's `use_m2m`."""

    low_res_region_area: float = 0
    """Fill holes and remove specks of at most this many low-resolution pixels before enlarging, as in SAM 2."""

    draft_first: bool = False
    """For HQ models: compute a point's HQ mask only if SAM's part of it is promising. Faster, nearly the same masks."""

    def __post_init__(self) -> None:
        if (self.points_per_side is None) == (self.point_grids is None):
            came = "neither" if self.points_per_side is None else "both"
            raise ConfigError(
                f"Expected points_per_side or point_grids, got {came}. Set points_per_side=None to use point_grids."
            )
        self._check_values()
        if self.point_grids is not None:
            from samhq.results.point_grids import checked_grids

            object.__setattr__(self, "point_grids", checked_grids(self.point_grids, self.crop_n_layers))
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
        checked["second_pass"] = options.yes_or_no("second_pass", self.second_pass)
        for name, words in (("candidates", Candidates), ("hq", HQMode)):
            if getattr(self, name) is not None:
                options.one_of(name, getattr(self, name), words)
        checked["draft_first"] = options.yes_or_no("draft_first", self.draft_first)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _check_amount(self) -> None:
        """Refuses more points than any machine can process, before any of them is made."""
        points = sum(4**layer * self._points(layer) for layer in range(self.crop_n_layers + 1))
        if points > _MOST_POINTS:
            raise ConfigError(
                f"Expected at most {_MOST_POINTS:,} points in all, got {points:,} in the picture and "
                f"{self.crop_n_layers} layers of crops. Lower points_per_side or crop_n_layers, or raise "
                "crop_n_points_downscale_factor."
            )

    def _points(self, layer: int) -> int:
        """The number of points in each crop of a layer."""
        return len(self.point_grids[layer]) if self.point_grids is not None else self._per_side(layer) ** 2

    def _per_side(self, layer: int) -> int:
        assert self.points_per_side is not None
        return max(1, int(self.points_per_side / self.crop_n_points_downscale_factor**layer))

    @classmethod
    def suited_to(cls, defaults: Defaults, **chosen: Any) -> AutomaticConfig:
        """The settings: the `chosen` ones, else those that come with the model's weights, else the library's."""
        return cls(**{**{name: value for name, value in defaults.stated().items() if hasattr(cls, name)}, **chosen})

    def replace(self, **changes: Any) -> AutomaticConfig:
        """A copy with some fields changed.

        Raises:
            ConfigError: a value that cannot be used.
        """
        return replace(self, **changes)

    def grid(self, layer: int) -> Float64[np.ndarray, "N 2"]:
        """The points of a crop in a layer, (x, y) in 0..1; at least one point."""
        from samhq.image.crops import point_grid

        return point_grid(self._per_side(layer)) if self.point_grids is None else self.point_grids[layer]


_MOST_POINTS = 1 << 22  #: Most points for one picture with all its crops: hours of work on the fastest machines.
#: The least and the largest value.
_WHOLE = {"points_per_side": (1, 2048), "points_per_batch": (1,), "crop_n_layers": (0, 8)}
_FROM_ZERO = (
    "pred_iou_thresh", "stability_score_thresh", "stability_score_offset", "box_nms_thresh", "crop_nms_thresh",
    "min_mask_region_area", "low_res_region_area",
)  # fmt: skip


def as_config(config: AutomaticConfig | None, options: dict[str, Any], defaults: Defaults) -> AutomaticConfig:
    """The configuration with these options changed; None stands for the model's own defaults.

    Raises:
        ConfigError: an unknown option, or a value that cannot be used.
    """
    known = [field.name for field in fields(AutomaticConfig)]
    for name in options:
        if name not in known:
            raise ConfigError(f"Expected an option of AutomaticConfig, got {name!r}. {did_you_mean(name, known)}")
    return AutomaticConfig.suited_to(defaults, **options) if config is None else config.replace(**options)


def config_record(config: AutomaticConfig) -> dict[str, Any]:
    """The options by name, as JSON values."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    grids = config.point_grids
    return values | {"point_grids": None if grids is None else [grid.tolist() for grid in grids]}
