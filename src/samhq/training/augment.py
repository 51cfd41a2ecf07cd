"""Pictures and their masks as training sees them: mirrored, resized by a random factor, cut to the model's square.

A pure function of its random generator. Knows nothing about prompts or the network.

Source: large-scale jitter, arXiv 2012.07177, as in SAM-HQ's training (arXiv 2306.01567, train/utils/dataloader.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import UInt8
from torch import Tensor

from samhq.datasets.sample import Sample
from samhq.image.frame import resize_antialiased

#: Most objects of a picture to keep; the selection is random.
MOST_OBJECTS = 32
#: An object counts if it covers at least half of one pixel.
HALF = 128
#: The grey of the published training's padding, before normalisation.
_PUBLISHED_PAD = 128


@dataclass(frozen=True)
class Augmentation:
    """The settings of `augment`: the side of the square, the probability of mirroring, the range of the factor.

    `published` follows the original training where it differs: bilinear without antialiasing, levels truncated, and
    grey 128 around a small picture.
    """

    side: int
    flip: float = 0.5
    scale: tuple[float, float] = (0.1, 2.0)
    published: bool = False


@dataclass(frozen=True, eq=False)
class AugmentedView:
    """A picture uint8 [h,w,3], h and w up to the side, and its objects' cover uint8 [K,S,S]: 255 is a whole pixel.

    Padding right and below is in `cover` but not in `image`, where the normalised picture is 0, the mean colour.
    """

    image: UInt8[np.ndarray, "h w 3"]
    cover: UInt8[np.ndarray, "K S S"]


def augment(sample: Sample, augmentation: Augmentation, rng: np.random.Generator) -> AugmentedView:
    """One view of a picture; K is 0 if no object is left in it.

    The factor is relative to the size at which the picture just fits the square. Objects without pixels are not in the
    view, and crowds never are.
    """
    mirrored, factor, across, down = (
        bool(rng.random() < augmentation.flip),
        rng.uniform(*augmentation.scale),
        rng.random(),
        rng.random(),
    )
    height, width = sample.image.shape[:2]
    target = round(factor * augmentation.side)
    ratio = min(target / height, target / width)
    size_hw = max(1, round(height * ratio)), max(1, round(width * ratio))
    # The same position for every object and the picture: the cut is drawn once.
    top = int(down * (max(0, size_hw[0] - augmentation.side) + 1))
    left = int(across * (max(0, size_hw[1] - augmentation.side) + 1))

    def cut(maps: np.ndarray) -> Tensor:
        lying = torch.from_numpy(np.ascontiguousarray(maps[..., ::-1] if mirrored else maps))[None].float()
        return _resized(lying, size_hw, augmentation)[
            0, :, top : top + augmentation.side, left : left + augmentation.side
        ]

    image = _levels(cut(sample.image.transpose(2, 0, 1)), augmentation).permute(1, 2, 0).numpy()
    cover = [
        _levels(cut(sample.masks[k][None].astype(np.float32) * 255), augmentation)[0]
        for k in _kept_objects(sample, rng)
    ]
    kept_cover = [
        functional.pad(object_cover, _padding(object_cover, augmentation.side)).numpy()
        for object_cover in cover
        if bool((object_cover >= HALF).any())
    ]
    if augmentation.published:
        image = np.pad(image, _padding_hwc(image, augmentation.side), constant_values=_PUBLISHED_PAD)
    square = (augmentation.side, augmentation.side)
    return AugmentedView(
        np.ascontiguousarray(image), np.stack(kept_cover) if kept_cover else np.zeros((0, *square), np.uint8)
    )


def _kept_objects(sample: Sample, rng: np.random.Generator) -> list[int]:
    """Which objects to keep, in their order; the random draw always happens, so that later draws do not change."""
    objects = sample.objects
    chosen = rng.permutation(len(objects))[:MOST_OBJECTS]
    return [objects[place] for place in sorted(chosen.tolist())]


def _resized(maps: Tensor, size_hw: tuple[int, int], augmentation: Augmentation) -> Tensor:
    if tuple(maps.shape[-2:]) == size_hw:
        return maps
    if augmentation.published:
        return functional.interpolate(maps, size_hw, mode="bilinear", align_corners=False)
    return resize_antialiased(maps, size_hw)


def _levels(maps: Tensor, augmentation: Augmentation) -> Tensor:
    """Whole levels 0..255: the nearest, or the next lower as published."""
    return (maps if augmentation.published else maps.round()).clamp(0, 255).to(torch.uint8)


def _padding(cover: Tensor, side: int) -> tuple[int, int, int, int]:
    return 0, side - cover.shape[-1], 0, side - cover.shape[-2]


def _padding_hwc(image: np.ndarray, side: int) -> tuple[tuple[int, int], ...]:
    return (0, side - image.shape[0]), (0, side - image.shape[1]), (0, 0)
