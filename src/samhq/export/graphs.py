"""The modules to export: thin wrappers, with tensors in and out, around the network's own calls.

No computation is repeated here. Knows nothing of files or formats.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn

from samhq.model.prompt_encoder import tokens_of
from samhq.model.sam import Sam
from samhq.types import IGNORED, Attended, ImageEmbedding, Prompts, Sparse


class EncoderGraph(nn.Module):
    """Normalised pixels [1,3,S,S] to features [1,C,g,g] and the other maps that the model's decoder reads.

    These are the image-level HQ map [1,c,4g,4g] of SAM-HQ, and the two finer maps of SAM 2.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.sam = sam

    def forward(self, pixels: Float[Tensor, "1 3 S S"]) -> tuple[Tensor, ...]:
        """The maps in float32, whatever the weights are."""
        embedding = self.sam.encode(pixels)
        parts = (embedding.features, embedding.hq, *embedding.levels)
        return tuple(part.float() for part in parts if part is not None)


class DecoderGraph(nn.Module):
    """Prompts of one picture to SAM's logits [P,K,4g,4g], the HQ logits [P,1,4g,4g] of HQ models, and IoU [P,K].

    Everything that the choice of masks depends on is an input, so one graph serves every call. No shape depends on
    computed numbers, only on the inputs' shapes.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.sam = sam

    def forward(
        self,
        features: Float[Tensor, "1 C g g"],
        points: Float[Tensor, "P N 2"],
        labels: Int32[Tensor, "P N"],
        boxes: Float[Tensor, "P 4"],
        masks: Float[Tensor, "M 1 G G"],
        take: Int32[Tensor, " K"],
        hq_features: Float[Tensor, "1 c G G"] | None = None,
        level0: Float[Tensor, "1 c G G"] | None = None,
        level1: Float[Tensor, "1 d F F"] | None = None,
    ) -> tuple[Tensor, ...]:
        """Inputs as in `samhq.types.Prompts`; M is P, or 1 for all prompts: without masks the picture is enough.

        `take` has numbers of masks: 0 to 3 in the network's order, from 4 on masks 1 to 3, best first.
        """
        dtype, decoder = self.sam.dtype, self.sam.mask_decoder
        hq = None if hq_features is None else hq_features.to(dtype)
        levels = tuple(level.to(dtype) for level in (level0, level1) if level is not None)
        embedding = ImageEmbedding(features.to(dtype), hq, levels=levels)
        attended = self.attend(embedding, points, labels, boxes, masks)
        # The first number is the single mask's; in SAM 2 it depends on the stability of that mask.
        attended, single = self.sam.choose(attended, embedding, "single", "off")
        numbers = torch.cat([single.masks, ranked(attended.iou)[:, 1:]], dim=1)
        chosen = numbers.index_select(1, take.long())
        parts = decoder.logits(attended, embedding, chosen, "add" if self.sam.config.hq else "off")
        iou = attended.iou.gather(1, chosen)
        return tuple(part.float() for part in (*parts, iou) if part is not None)

    def attend(
        self, embedding: ImageEmbedding, points: Tensor, labels: Tensor, boxes: Tensor, masks: Tensor
    ) -> Attended:
        """The network's `attend`, with the same operations with masks and without."""
        encoder, decoder = self.sam.prompt_encoder, self.sam.mask_decoder
        index = torch.zeros(points.shape[0], dtype=torch.int64, device=points.device)
        places, kinds = tokens_of(Prompts(index, points, labels.long(), boxes), ends_boxes=encoder.ends_boxes)
        sparse = Sparse(encoder.embed_places(places, kinds), kinds == IGNORED)
        last = torch.arange(masks.shape[0], device=points.device)[-1]
        owner = torch.minimum(torch.arange(points.shape[0], device=points.device), last)
        place = encoder.get_dense_pe()
        images = embedding.features + encoder.dense_where_given(masks)
        return decoder.attend(
            decoder.share(images, place)[owner] if decoder.shares else images[owner], place, sparse, index
        )


def ranked(iou: Float[Tensor, "P M"]) -> Tensor:
    """Numbers of masks [P,2M-1]: all in the network's order, then those for ambiguous prompts, best first.

    >>> ranked(torch.tensor([[0.9, 0.2, 0.8, 0.5]])).tolist()
    [[0, 1, 2, 3, 2, 3, 1]]
    """
    # A stable sort has no ONNX form; TopK is stable there.
    order = iou[:, 1:].topk(iou.shape[1] - 1, dim=1).indices + 1
    plain = torch.arange(iou.shape[1], device=iou.device).expand(iou.shape[0], -1)
    return torch.cat([plain, order], dim=1)
