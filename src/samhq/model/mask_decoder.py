"""From prompt tokens and image features to mask logits and their predicted quality, in two calls.

`attend` runs the attention between tokens and image and predicts IoU; `logits` computes only the masks that were chosen
between the two calls. Knows nothing about points, boxes, files or how masks are chosen.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), appendix A.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.config import HQMode
from samhq.model.layers import Upscaler, logits_of_quarters, map_of_quarters
from samhq.model.linear import MLP
from samhq.model.transformer import TwoWayTransformer
from samhq.types import Attended, Choice, ImageEmbedding, Shared, Sparse


class MaskDecoder(nn.Module):
    """SAM's decoder: four masks for each prompt, the first for clear prompts, three for ambiguous ones."""

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        mlp_dim: int,
        downsample: int,
        masks: int,
        iou_depth: int,
        iou_dim: int,
        middle_dim: int,
        mask_dim: int,
        head_depth: int,
        eps: float,
        listed: bool = False,
    ) -> None:
        super().__init__()
        self.masks = masks
        self.transformer = TwoWayTransformer(
            dim=dim, depth=depth, heads=heads, mlp_dim=mlp_dim, downsample=downsample, eps=eps, listed=listed
        )
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(masks, dim)
        self.output_upscaling = Upscaler(dim, middle_dim, mask_dim, nn.GELU())
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(dim, dim, mask_dim, head_depth) for _ in range(masks))
        self.iou_prediction_head = MLP(dim, iou_dim, masks, iou_depth)

    def output_tokens(self) -> Float[Tensor, "L C"]:
        """The learned tokens before a prompt's own: the IoU token, then one token for each mask."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    @property
    def shares(self) -> bool:
        """Whether `share` gives the same result as calling the modules: they are plain and have no hooks."""
        return isinstance(self.transformer, TwoWayTransformer) and self.transformer.shares

    def picture_modules(self) -> list[nn.Module]:
        """The modules whose weights enter what is computed once an image."""
        return self.transformer.picture_modules() if self.shares else []

    def share(self, image: Float[Tensor, "I C g g"], image_pe: Float[Tensor, "1 C g g"]) -> Shared:
        """The first block's work on images (features plus dense prompts), which no sparse prompt changes."""
        return self.transformer.share(_tokens(image), _tokens(image_pe))

    def attend(
        self,
        image: Float[Tensor, "P C g g"] | Shared,
        image_pe: Float[Tensor, "1 C g g"],
        sparse: Sparse,
        image_index: Int64[Tensor, " P"],
        *,
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
        target: Float[Tensor, "#P #L C"] | None = None,
    ) -> Attended:
        """Tokens after attention with the image, and the predicted IoU of every mask.

        `image` has one row for each prompt: features plus dense prompts, or the same work done once for each image, as
        `share(...)[image_index]`. `similarity` and `target` are PerSAM's guidance.
        """
        learned = self.output_tokens().expand(image_index.shape[0], -1, -1)
        tokens = torch.cat([learned, sparse.tokens], dim=1)
        ignored = None
        if sparse.ignored is not None:
            ignored = torch.cat([sparse.ignored.new_zeros(learned.shape[:2]), sparse.ignored], dim=1)
        places = image if isinstance(image, Shared) else _tokens(image)
        tokens, image_tokens = self.transformer(
            tokens, places, _tokens(image_pe), ignored, similarity, target, first=learned.shape[1]
        )
        grid = image_pe.shape[-2:]
        return Attended(tokens, image_tokens.transpose(1, 2).unflatten(2, grid), self.quality(tokens), image_index)

    def quality(self, tokens: Float[Tensor, "P L C"]) -> Float[Tensor, "P M"]:
        """The predicted IoU of every mask."""
        return self.iou_prediction_head(tokens[:, 0])

    def upscaled(self, attended: Attended, embedding: ImageEmbedding) -> Float[Tensor, "P c G G"]:
        """Each prompt's image features at four times the grid, channels last in memory: what convolutions need."""
        if attended.upscaled is not None:
            return attended.upscaled
        if not self.output_upscaling.folds:
            return self.output_upscaling(attended.image, self.added_maps(attended, embedding))
        pixels = self.output_upscaling.quarters(attended.image, self.bases(attended, embedding))
        return map_of_quarters(pixels, *attended.image.shape[2:])

    def added_maps(self, attended: Attended, embedding: ImageEmbedding) -> tuple[Tensor, ...]:
        """The maps that the two enlargements add, with a row for each prompt or one for all; SAM has none."""
        del attended, embedding
        return ()

    def bases(self, attended: Attended, embedding: ImageEmbedding) -> tuple[Tensor, ...]:
        """The same maps in the order of enlargement, each with its layer's bias."""
        del attended, embedding
        return ()

    def weights(self, tokens: Float[Tensor, "P L C"], masks: Int64[Tensor, "P K"]) -> Float[Tensor, "P K c"]:
        """For each chosen mask the vector whose product with a pixel's features is its logit."""
        every = torch.stack([mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        return every.gather(1, masks[..., None].expand(-1, -1, every.shape[-1]))

    def products(
        self, weights: Float[Tensor, "P K c"], attended: Attended, embedding: ImageEmbedding
    ) -> Float[Tensor, "P K G G"] | Float[Tensor, "P K L"]:
        """Weight vectors times the features of every pixel.

        In the order of enlargement where nothing else needs the features: a product is cheaper to sort than they are.
        """
        if attended.upscaled is not None or not self.output_upscaling.folds:
            return product(weights, self.upscaled(attended, embedding))
        return weights @ self.output_upscaling.quarters(attended.image, self.bases(attended, embedding)).mT

    def sam_logits(
        self,
        attended: Attended,
        embedding: ImageEmbedding,
        masks: Int64[Tensor, "P K"],
        known: Float[Tensor, "P K G G"] | Float[Tensor, "P K L"] | None = None,
    ) -> Float[Tensor, "P K G G"]:
        """SAM's logits of the chosen masks; `known` are these as a `Choice` holds them."""
        if known is None:
            known = self.products(self.weights(attended.tokens, masks), attended, embedding)
        return known if known.ndim == 4 else logits_of_quarters(known, *attended.image.shape[2:])

    def logits(
        self,
        attended: Attended,
        embedding: ImageEmbedding,
        masks: Int64[Tensor, "P K"],
        hq: HQMode = "off",
        known: Float[Tensor, "P K G G"] | Float[Tensor, "P K L"] | None = None,
    ) -> tuple[Float[Tensor, "P K G G"] | None, Float[Tensor, "P 1 G G"] | None]:
        """SAM's logits of the chosen masks and the HQ logits; either is None if `hq` does not use it."""
        del hq
        return self.sam_logits(attended, embedding, masks, known), None

    def paint(self, attended: Attended, embedding: ImageEmbedding, choice: Choice) -> Float[Tensor, "P K G G"]:
        """Low-resolution logits of the chosen masks; "only" gives one mask for each prompt whatever K is."""
        sam, hq = self.logits(attended, embedding, choice.masks, choice.hq, choice.logits)
        if sam is None or hq is None:
            painted = sam if hq is None else hq
            assert painted is not None
            return painted
        return sam + hq


def _tokens(image: Float[Tensor, "B C g g"]) -> Float[Tensor, "B L C"]:
    return image.flatten(2).transpose(1, 2)


def product(weights: Float[Tensor, "P K c"], features: Float[Tensor, "P c G G"]) -> Float[Tensor, "P K G G"]:
    """Logits: each weight vector times each pixel's features."""
    # Features lie channels last: taken as rows of pixels they need no copy.
    pixels = features.permute(0, 2, 3, 1).flatten(1, 2)
    return (weights @ pixels.mT).view(*weights.shape[:2], *features.shape[-2:])
