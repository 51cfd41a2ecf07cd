"""The memory of one object of a video, and which memories a frame may use.

Only numbers of frames and rules: nothing here runs a network. The rules are those of the published models.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), section 4; facebookresearch/sam2, modeling/sam2_base.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from samhq.options import one_of, whole_number

#: Whether memories of frames far from the current one are kept ("all") or forgotten ("window").
Keep = Literal["window", "all"]
#: How prompts on already tracked frames are used: they count like all others; or the frame keeps its new mask, and
#: stays a tracked one, as in HQ-SAM 2's predictor; or they are lost, as in SAM 2's.
Corrections = Literal["keep", "as-tracked", "original"]


@dataclass(frozen=True)
class Remembered:
    """One object on one frame: its low-resolution mask, object pointer, score, and, once made, its memory map."""

    logits: Float[Tensor, "1 1 G G"]
    pointer: Float[Tensor, "1 C"]
    object_score: Float[Tensor, "1 1"]
    map: Float[Tensor, "1 c g g"] | None = None


@dataclass(frozen=True)
class TrackOptions:
    """How objects are followed. The defaults are those of the published models, except `corrections`."""

    corrections: Corrections = "keep"
    """`keep`: a prompt on a tracked frame counts like any other. `as-tracked`: the frame keeps its new mask, which
    later frames see as that of a tracked frame. `original`: the next pass overwrites it."""

    keep: Keep = "window"
    """`window` forgets memories that no later frame uses, so that videos may have any length. `all` keeps everything,
    so that a pass may begin on any frame that was tracked before."""

    fill_holes: int = 0
    """Fill background regions of up to this many low-resolution pixels in the masks."""

    binary_prompts: bool = True
    """Store masks of prompted frames as 0 and 1, not as probabilities."""

    max_prompted: int | None = None
    """Number of prompted frames that a frame uses, at least 2. None: all of them."""

    stride: int = 1
    """Interval between the older memories that a frame uses."""

    forget_near_prompts: bool = False
    """Delete the memories of tracked frames around a new prompt."""

    length: int | None = None
    """Number of frames of the clip, if known: it limits the number of object pointers that a frame uses, as in the
    original."""

    def __post_init__(self) -> None:
        one_of("corrections", self.corrections, Corrections)
        one_of("keep", self.keep, Keep)
        whole_number("fill_holes", self.fill_holes, 0)
        whole_number("stride", self.stride, 1)
        if self.max_prompted is not None:
            whole_number("max_prompted", self.max_prompted, 2)


@dataclass(frozen=True)
class Recalled:
    """The memories for a frame: memory maps with their ages, object pointers with their distances in frames.

    An age is 0 for a prompted frame, k for the k-th slot of tracked frames. The order is that of the original.
    """

    maps: tuple[Float[Tensor, "1 c g g"], ...]
    ages: tuple[int, ...]
    pointers: tuple[Float[Tensor, "1 C"], ...]
    distances: tuple[int, ...]


@dataclass
class ObjectMemory:
    """One object's memories by frame number: `prompted` in order of the prompts, `tracked` for all other frames."""

    prompted: dict[int, Remembered] = field(default_factory=dict)
    tracked: dict[int, Remembered] = field(default_factory=dict)
    #: Frames on which the object was tracked, and whether backward in time.
    backward: dict[int, bool] = field(default_factory=dict)
    #: Tracked frames whose masks must not change.
    fixed: set[int] = field(default_factory=set)

    def at(self, frame: int) -> Remembered | None:
        """The memory of a frame."""
        return self.prompted.get(frame) or self.tracked.get(frame)

    def recall(self, frame: int, maps: int, pointers: int, options: TrackOptions, *, reverse: bool) -> Recalled:
        """The memories for the frame, with `maps` slots of memory maps and `pointers` frames of object pointers."""
        chosen = closest(self.prompted, frame, options.max_prompted)

        def unchosen(number: int) -> Remembered | None:
            """The memory of a frame, unless it is one of the chosen prompted frames."""
            return self.tracked.get(number) or (None if number in chosen else self.prompted.get(number))

        maps_by_age = [(0, prompted) for prompted in chosen.values()]
        for age in range(maps - 1, 0, -1):
            remembered = unchosen(_slot(frame, age, options.stride, reverse=reverse))
            if remembered is not None:
                maps_by_age.append((age, remembered))
        sign = -1 if reverse else 1
        past = [
            (sign * (frame - number), prompted) for number, prompted in chosen.items() if sign * (frame - number) >= 0
        ]
        for distance in range(1, pointers):
            remembered = unchosen(frame - sign * distance)
            if remembered is not None:
                past.append((distance, remembered))
        usable = [(age, remembered.map) for age, remembered in maps_by_age if remembered.map is not None]
        return Recalled(
            tuple(map_ for _, map_ in usable),
            tuple(age for age, _ in usable),
            tuple(remembered.pointer for _, remembered in past),
            tuple(distance for distance, _ in past),
        )

    def forget_far(self, frame: int, maps: int, pointers: int, stride: int) -> None:
        """Forgets memories that no frame after (or, backward, before) this one uses; prompted frames stay."""
        reach = (maps - 2) * stride + stride - 1  # of maps: the oldest slot of the frame that comes next
        for number in list(self.tracked):
            if abs(number - frame) > max(pointers - 2, reach):
                del self.tracked[number]
            elif abs(number - frame) > reach and self.tracked[number].map is not None:
                self.tracked[number] = replace(self.tracked[number], map=None)
        self.fixed &= self.tracked.keys()
        for number in list(self.backward):
            if abs(number - frame) > max(pointers - 2, reach) and number not in self.prompted:
                del self.backward[number]

    def forget_near(self, frame: int, reach: int) -> None:
        """Forgets the tracked frames up to `reach` frames before and after this one; fixed masks stay."""
        for number in [number for number in self.tracked if abs(number - frame) <= reach and number not in self.fixed]:
            del self.tracked[number]


def closest(prompted: Mapping[int, Remembered], frame: int, limit: int | None) -> dict[int, Remembered]:
    """Up to `limit` prompted frames (None: all): the nearest before `frame`, the nearest from it on, then the next."""
    if limit is None or len(prompted) <= limit:
        return dict(prompted)
    before = max((number for number in prompted if number < frame), default=None)
    after = min((number for number in prompted if number >= frame), default=None)
    first = [number for number in (before, after) if number is not None]
    by_distance = sorted((number for number in prompted if number not in first), key=lambda number: abs(number - frame))
    return {number: prompted[number] for number in [*first, *by_distance[: limit - len(first)]]}


def _slot(frame: int, age: int, stride: int, *, reverse: bool) -> int:
    """The frame whose map has this age: the neighbour, then every `stride`-th frame beyond."""
    if age == 1:
        return frame + 1 if reverse else frame - 1
    if reverse:
        return -(-(frame + 2) // stride) * stride + (age - 2) * stride
    return (frame - 2) // stride * stride - (age - 2) * stride
