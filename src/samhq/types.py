"""The values that pass between stages, and the one legend of shape letters.

=====  ==========================================================
I      images
P      prompts, each with an owner: `image_index[P]`
N      points of a prompt
T      sparse tokens of a prompt
K      masks of a prompt
C      channels
H W    picture height and width in pixels
g      side of the embedding grid; low-resolution masks are 4g
S      side of the model's square input, 16g
=====  ==========================================================

Nothing here knows files, models or numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from samhq.config import BACKGROUND as BACKGROUND
from samhq.config import BOTTOM_RIGHT as BOTTOM_RIGHT
from samhq.config import FOREGROUND as FOREGROUND
from samhq.config import IGNORED as IGNORED
from samhq.config import NOT_A_POINT as NOT_A_POINT
from samhq.config import TOP_LEFT as TOP_LEFT
from samhq.config import HQMode
from samhq.device import to_device


def share_out(x: Shaped[Tensor, " I *R"], owner: Int64[Tensor, " P"]) -> Shaped[Tensor, " P *R"]:
    """Row `owner[p]` for every prompt p; if there is only one image, its rows are not copied.

    >>> share_out(torch.tensor([[5], [7]]), torch.tensor([1, 1, 0])).flatten().tolist()
    [7, 7, 5]
    """
    return x.expand(owner.shape[0], *x.shape[1:]) if x.shape[0] == 1 else x[owner]


@dataclass(frozen=True)
class Shared:
    """The decoder's work on images that no prompt changes: image tokens, and their projections for each head.

    `image` [I,gg,C]; `keys` and `values` [I,n,gg,c] for tokens that attend to the image; `queries` [I,n,c,gg] for image
    tokens that attend to tokens; `place` [1,gg,C], the positions of image tokens, the same for all images.
    """

    place: Float[Tensor, "1 L C"]
    image: Float[Tensor, "I L C"]
    keys: Float[Tensor, "I n L c"]
    values: Float[Tensor, "I n L c"]
    queries: Float[Tensor, "I n c L"]

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The tensors that have one row for each image, in order."""
        return self.image, self.keys, self.values, self.queries

    def __getitem__(self, owner: Int64[Tensor, " P"]) -> Shared:
        """One row for every prompt: that of its image."""
        return Shared(self.place, *(share_out(part, owner) for part in self.parts))

    def of(self, images: slice) -> Shared:
        """The same for some of the images."""
        return Shared(self.place, *(part[images] for part in self.parts))

    def to(self, target: torch.device | torch.dtype | str) -> Shared:
        """The same on another device, or in another dtype."""
        return Shared(self.place.to(target), *(part.to(target) for part in self.parts))

    @staticmethod
    def cat(some: list[Shared]) -> Shared:
        """Several of them, joined in order."""
        return Shared(
            some[0].place, *(torch.cat(parts) for parts in zip(*(shared.parts for shared in some), strict=True))
        )


class Encoded(NamedTuple):
    """The output of an image encoder: `features` [I,C,g,g], and finer or earlier maps for decoders that read them.

    Each of the `levels` is [I,h,w,c], channels last, whatever layout the encoder uses. HQ decoders read the first
    level: [I,g,g,c] from transformers, such as the first global block of a ViT, or [I,4g,4g,c] if the row's `hq_level`
    is "stride4".
    """

    features: Float[Tensor, "I C g g"]
    levels: tuple[Float[Tensor, "I h w c"], ...] = ()


@dataclass(frozen=True)
class ImageEmbedding:
    """The encoder's output for pictures; independent of any prompt.

    `features` [I,C,g,g]; `hq` [I,C/8,4g,4g], the HQ map of the image, for HQ models; `early` [I,h,w,C'], the encoder's
    first level, kept only if the HQ map is still to be made from it (in training); `shared`, which `Sam.prepared` adds
    to save later calls the same work, and which is never saved; `levels`, the finer maps that SAM 2's decoder uses
    while it enlarges masks, [I,C/8,4g,4g] and [I,C/4,2g,2g], finest first, each with one row for each image or one row
    for all; `bases`, the same two maps in the decoder's order of pixels, each with its layer's bias, which
    `Sam2.prepared` adds; never saved.
    """

    features: Float[Tensor, "I C g g"]
    hq: Float[Tensor, "I c G G"] | None = None
    early: Float[Tensor, "I h w e"] | None = None
    shared: Shared | None = None
    levels: tuple[Float[Tensor, "R l h w"], ...] = ()
    bases: tuple[Float[Tensor, "R L D"], ...] = ()

    def __len__(self) -> int:
        return self.features.shape[0]

    def __getitem__(self, images: slice) -> ImageEmbedding:
        """The embedding of some of the images."""
        hq, early = (None if part is None else part[images] for part in (self.hq, self.early))
        levels, bases = (tuple(part[images] for part in parts) for parts in (self.levels, self.bases))
        shared = self.shared and self.shared.of(images)
        return ImageEmbedding(self.features[images], hq, early, shared, levels, bases)

    def to(self, target: torch.device | torch.dtype | str) -> ImageEmbedding:
        """The same embedding on another device, or in another dtype."""
        hq, early = (None if part is None else part.to(target) for part in (self.hq, self.early))
        levels, bases = (tuple(part.to(target) for part in parts) for parts in (self.levels, self.bases))
        shared = self.shared and self.shared.to(target)
        return ImageEmbedding(self.features.to(target), hq, early, shared, levels, bases)

    @staticmethod
    def cat(parts: list[ImageEmbedding]) -> ImageEmbedding:
        """The embeddings of several pictures as one; none has its early features."""
        if len(parts) == 1:
            return parts[0]
        hq = [part.hq for part in parts if part.hq is not None]
        shared = [part.shared for part in parts if part.shared is not None]
        return ImageEmbedding(
            torch.cat([part.features for part in parts]),
            torch.cat(hq) if hq else None,
            levels=tuple(torch.cat(level) for level in zip(*(part.levels for part in parts), strict=True)),
            bases=tuple(torch.cat(base) for base in zip(*(part.bases for part in parts), strict=True)),
            shared=Shared.cat(shared) if len(shared) == len(parts) else None,
        )


@dataclass(frozen=True)
class Prompts:
    """A flat list of prompts in model pixels; prompt p belongs to image `image_index[p]`.

    `points` [P,N,2] as (x, y) and `labels` [P,N]: 1 foreground, 0 background, -1 not a point, 2 and 3 the top-left and
    bottom-right corner of a box, -10 padding that is masked out. `boxes` [P,4] as (x0, y0, x1, y1), a row of NaN for a
    prompt without a box. `masks` [P,1,4g,4g] logits, all NaN for a prompt without a mask.

    The network takes prompts on its own device or on the CPU. What they hold decides about the work, so on the CPU it
    is known without waiting for a GPU.
    """

    image_index: Int64[Tensor, " P"]
    points: Float[Tensor, "P N 2"] | None = None
    labels: Int64[Tensor, "P N"] | None = None
    boxes: Float[Tensor, "P 4"] | None = None
    masks: Float[Tensor, "P 1 G G"] | None = None

    def __len__(self) -> int:
        return self.image_index.shape[0]

    def to(self, device: torch.device | str) -> Prompts:
        """The same prompts on another device; a GPU gets them without waiting."""
        place = torch.device(device)
        fields = (self.image_index, self.points, self.labels, self.boxes, self.masks)
        return Prompts(*(None if field is None else to_device(field, place) for field in fields))  # type: ignore[arg-type]

    def __getitem__(self, rows: slice | Tensor) -> Prompts:
        """Some of the prompts, by slice, index tensor or boolean mask."""
        fields = (self.image_index, self.points, self.labels, self.boxes, self.masks)
        return Prompts(*(None if field is None else field[rows] for field in fields))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sparse:
    """Prompt tokens [P,T,C], and which of them are masked out of attention [P,T] (None: none)."""

    tokens: Float[Tensor, "P T C"]
    ignored: Bool[Tensor, "P T"] | None = None


@dataclass(frozen=True)
class Attended:
    """The decoder's state after attention: output tokens [P,T,C], image tokens [P,C,g,g], predicted IoU [P,4].

    `upscaled` [P,c,4g,4g] are the features that masks are made from, if they were needed before masks were chosen.
    """

    tokens: Float[Tensor, "P T C"]
    image: Float[Tensor, "P C g g"]
    iou: Float[Tensor, "P M"]
    image_index: Int64[Tensor, " P"]
    upscaled: Float[Tensor, "P c G G"] | None = None

    def __getitem__(self, rows: slice | Tensor) -> Attended:
        """Some of the prompts, by slice, index tensor or boolean mask."""
        upscaled = None if self.upscaled is None else self.upscaled[rows]
        return Attended(self.tokens[rows], self.image[rows], self.iou[rows], self.image_index[rows], upscaled)


@dataclass(frozen=True)
class Choice:
    """Which masks to make: SAM's mask numbers [P,K], their predicted IoU [P,K], and the HQ mode.

    `logits` are SAM's logits of these masks, if they were needed to choose them: [P,K,4g,4g], or [P,K,16gg] in the
    decoder's order of pixels.
    """

    masks: Int64[Tensor, "P K"]
    iou: Float[Tensor, "P K"]
    hq: HQMode
    logits: Float[Tensor, "P K G G"] | Float[Tensor, "P K L"] | None = None


@dataclass(frozen=True)
class LowRes:
    """Low-resolution masks: logits [P,K,4g,4g] and predicted IoU [P,K]."""

    logits: Float[Tensor, "P K G G"]
    iou: Float[Tensor, "P K"]

    def __getitem__(self, rows: slice | Tensor) -> LowRes:
        """Some of the prompts, by slice, index tensor or boolean mask."""
        return LowRes(self.logits[rows], self.iou[rows])

    @staticmethod
    def cat(parts: list[LowRes]) -> LowRes:
        """Several of them, joined in order."""
        return LowRes(torch.cat([p.logits for p in parts]), torch.cat([p.iou for p in parts]))
