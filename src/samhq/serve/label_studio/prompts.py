"""A person's marks in Label Studio's editor, key points and rectangles, as prompts.

Source: label-studio-ml-backend, `examples/segment_anything_2_image/model.py`, and Label Studio's `KeyPointRegion` and
`RectRegion`: places are in percent of the upright picture's width and height, also while it is shown rotated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from samhq.results.prompt import Prompt
from samhq.serve.faults import Fault
from samhq.serve.messages import MOST_POINTS

Percent = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class RegionValue(BaseModel):
    """Where a region lies, and its labels."""

    x: Percent = 0
    y: Percent = 0
    width: Percent = 0
    height: Percent = 0
    rotation: Annotated[float, Field(allow_inf_nan=False)] = 0
    keypointlabels: list[str] = []
    rectanglelabels: list[str] = []
    labels: list[str] = []


class ContextRegion(BaseModel):
    """A region that the person drew. Without `is_positive`, which some tools lack, it counts as positive."""

    type: str = ""
    value: RegionValue = RegionValue()
    is_positive: bool | None = None
    image_rotation: Literal[0, 90, 180, 270] | None = None

    @property
    def label(self) -> str | None:
        """Its first label."""
        return next(iter([*self.value.keypointlabels, *self.value.rectanglelabels, *self.value.labels]), None)


def prompts_of(regions: Sequence[ContextRegion], size_hw: tuple[int, int]) -> list[Prompt]:
    """The prompts for the regions of a picture, in its pixels: one for each rectangle, or one for all key points.

    A key point belongs to the first rectangle that it lies in, else to the last one. The label is the rectangle's, else
    that of the first key point on the object. Other regions are ignored.

    Raises:
        Fault: more key points than a prompt may have.
    """
    points = [region for region in regions if region.type.startswith("keypoint")]
    rectangles = [region for region in regions if region.type.startswith("rectangle")]
    if len(points) > MOST_POINTS:
        raise Fault(422, f"Expected at most {MOST_POINTS} key points, got {len(points)}. Delete some.")
    if not rectangles:
        return [_prompt(points, None, size_hw)] if points else []
    boxes = [_box(region.value, size_hw) for region in rectangles]
    groups: list[list[ContextRegion]] = [[] for _ in boxes]
    for region in points:
        x, y = _place(region.value, size_hw)
        inside = [n for n, (x0, y0, x1, y1) in enumerate(boxes) if x0 <= x <= x1 and y0 <= y <= y1]
        groups[inside[0] if inside else -1].append(region)
    return [
        _prompt(group, box, size_hw, region.label) for group, box, region in zip(groups, boxes, rectangles, strict=True)
    ]


def _prompt(
    points: Sequence[ContextRegion], box: np.ndarray | None, size_hw: tuple[int, int], label: str | None = None
) -> Prompt:
    on_object = [region.is_positive is not False for region in points]
    named = [region.label for region, positive in zip(points, on_object, strict=True) if positive and region.label]
    fields: dict[str, Any] = {"box": box, "label": label or next(iter(named), None)}
    if points:
        fields |= {
            "points": np.array([_place(region.value, size_hw) for region in points]),
            "labels": np.array(on_object, int),
        }
    return Prompt(**fields)


def _place(value: RegionValue, size_hw: tuple[int, int]) -> tuple[float, float]:
    return value.x * size_hw[1] / 100, value.y * size_hw[0] / 100


def _box(value: RegionValue, size_hw: tuple[int, int]) -> np.ndarray:
    """The upright box [4] around a rectangle, which is turned clockwise in degrees about its top-left corner."""
    corner = np.array(_place(value, size_hw))
    width, height = value.width * size_hw[1] / 100, value.height * size_hw[0] / 100
    angle = np.deg2rad(value.rotation)
    along, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    corners = corner + np.array([0 * along, width * along, height * down, width * along + height * down])
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])
