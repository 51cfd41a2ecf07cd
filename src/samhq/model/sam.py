"""The whole network: pixels to an embedding, an embedding and prompts to low-resolution masks.

Knows nothing about files, NumPy or the size of the user's picture. No call keeps state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.config import Candidates, HQMode, ModelConfig
from samhq.device import to_device
from samhq.errors import ConfigError, PromptError
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.selection import select
from samhq.model.weight_layout import laid_out
from samhq.options import one_of
from samhq.types import Attended, Choice, Encoded, ImageEmbedding, LowRes, Prompts, Shared

#: The methods that the network calls on its parts; `image_encoder` is called as a whole.
_STEPS = {
    "prompt_encoder": ("sparse", "dense", "get_dense_pe"),
    "mask_decoder": ("attend", "share", "paint", "picture_modules"),
}
#: Attributes in which torch.compile, (Distributed)DataParallel and PEFT keep the wrapped module, and a segmenter its
#: network.
_INSIDE = ("_orig_mod", "module", "base_model", "model")


class Sam(nn.Module):
    """SAM or SAM-HQ with any encoder. The state dict has the original checkpoints' layout."""

    def __init__(
        self, config: ModelConfig, image_encoder: nn.Module, prompt_encoder: PromptEncoder, mask_decoder: MaskDecoder
    ) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder

    def __setattr__(self, name: str, value: Any) -> None:
        missing = [step for step in _STEPS.get(name, ()) if not hasattr(value, step)]
        if isinstance(value, nn.Module) and missing:
            raise ConfigError(
                f"Expected a {name} with {', '.join(missing)}, got {type(value).__name__} as {name}, which has forward "
                "alone: the network calls these steps. Wrap modules inside it, or the image_encoder."
            )
        super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Sam:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return laid_out(self, self.device)  # `to` and `cuda` come here.

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.prompt_encoder.no_mask_embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the weights; positions are always float32."""
        return self.prompt_encoder.no_mask_embed.weight.dtype

    def encode(self, pixels: Float[Tensor, "I 3 S S"], *, keep_early: bool = False) -> ImageEmbedding:
        """The embedding of normalised pictures, for any number of prompts.

        `keep_early` also returns the early features, which only training needs.

        Raises:
            ConfigError: pixels of another shape.
        """
        self.check_pixels(pixels)
        encoded: Encoded = self.image_encoder(pixels.to(self.dtype))
        return self.embed(encoded.features, encoded.levels[0] if encoded.levels else None, keep_early=keep_early)

    def check_pixels(self, pixels: Tensor) -> None:
        """Refuses pictures that do not have the model's size.

        Raises:
            ConfigError: pixels of another shape.
        """
        side = self.config.side
        if pixels.ndim != 4 or pixels.shape[1:] != (3, side, side):
            raise ConfigError(
                f"{self.config.name} expects pixels of shape (images, 3, {side}, {side}), got {tuple(pixels.shape)}. "
                "Bring pictures to that size with samhq.image.transform.to_pixels."
            )

    def embed(
        self, features: Float[Tensor, "I C g g"], early: Float[Tensor, "I h w e"] | None, *, keep_early: bool = False
    ) -> ImageEmbedding:
        """The embedding from an encoder's features and first level; for HQ models with the image-level HQ map."""
        hq = None
        if self.config.hq:
            assert early is not None, f"{self.config.name}: HQ heads read the encoder's first level"
            decoder = cast(MaskDecoderHQ, self.mask_decoder)
            hq = decoder.image_features(features, early).to(self.dtype)
        # Under autocast an encoder's features have a shorter type than the weights that use them later.
        return ImageEmbedding(features.to(self.dtype), hq, early if keep_early else None)

    def attend(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
        target: Float[Tensor, "#P #L C"] | None = None,
    ) -> Attended:
        """Prompts after attention with their images, with the predicted IoU of every mask; no mask is computed yet."""
        index = to_device(prompts.image_index, embedding.features.device)
        encoder, decoder = self.prompt_encoder, self.mask_decoder
        image: Tensor | Shared
        if prompts.masks is None and decoder.shares:
            shared = embedding.shared or self.share(embedding.features)
            image, place = shared[index], shared.place.mT.view(1, -1, *embedding.features.shape[2:])
        else:
            image, place = embedding.features[index] + encoder.dense(prompts.masks), encoder.get_dense_pe()
        sparse = encoder.sparse(prompts)
        attended = decoder.attend(image, place, sparse, index, similarity=similarity, target=target)
        return replace(attended, iou=attended.iou.to(self.dtype))

    def share(self, features: Float[Tensor, "I C g g"]) -> Shared:
        """The decoder's work on images that no prompt without a mask changes."""
        encoder = self.prompt_encoder
        return self.mask_decoder.share(features + encoder.dense(None), encoder.get_dense_pe()).to(self.dtype)

    def picture_modules(self) -> list[nn.Module]:
        """The modules that `embed` and `prepared` use: an embedding is out of date when their weights change."""
        encoder = self.prompt_encoder
        return [encoder.pe_layer, encoder.no_mask_embed, *self.mask_decoder.picture_modules()]

    def prepared(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """The embedding with `shared`, which saves later calls of `attend` the same work; weights must not change."""
        if embedding.shared or not self.mask_decoder.shares:
            return embedding
        return replace(embedding, shared=self.share(embedding.features))

    def hq_mode(self, hq: HQMode | None) -> HQMode:
        """The mode to use: `hq`, else the weights' own default, else "add" for HQ models and "off" for others.

        Raises:
            ConfigError: an HQ mask from a model without HQ heads.
        """
        if hq is None:
            return (self.config.defaults.hq or "add") if self.config.hq else "off"
        one_of("hq", hq, HQMode)
        if hq != "off" and not self.config.hq:
            raise ConfigError(
                f"hq={hq!r} needs a model with HQ heads, but {self.config.name} is a plain SAM. "
                'Load an HQ model such as "sam_hq_vit_b", or leave hq out.'
            )
        return hq

    def choose(
        self, attended: Attended, embedding: ImageEmbedding, candidates: Candidates, hq: HQMode
    ) -> tuple[Attended, Choice]:
        """Which masks to compute, and the features to compute them from."""
        del embedding  # SAM 2 checks the single mask before it chooses.
        return attended, select(attended.iou, candidates, hq)

    def no_masks(self, candidates: Candidates, hq: HQMode, count: int = 0) -> LowRes:
        """Zeros in place of the masks and scores of `count` prompts: logits [P,K,4g,4g] and predicted IoU [P,K]."""
        scores = torch.zeros(count, self.config.decoder.masks, dtype=self.dtype, device=self.device)
        iou = select(scores, candidates, hq).iou
        return LowRes(iou.new_zeros(*iou.shape, 4 * self.config.grid, 4 * self.config.grid), iou)

    def decode(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        candidates: Candidates = "single",
        hq: HQMode | None = None,
        batch: int | None = None,
    ) -> LowRes:
        """Low-resolution masks for every prompt; `batch` prompts at a time, by default as many as suit the device.

        No prompts give no masks: [0,K,4g,4g] with the K of these candidates.

        Raises:
            ConfigError: `hq` asks for something that the model does not have.
            PromptError: a prompt belongs to no image of the embedding.
        """
        mode = self.hq_mode(hq)
        if not len(prompts):
            return self.no_masks(candidates, mode)
        if int(prompts.image_index.max()) >= len(embedding) or int(prompts.image_index.min()) < 0:
            raise PromptError(
                f"Expected image_index in 0..{len(embedding) - 1}, got {prompts.image_index.tolist()}. "
                "Each prompt must name one of the embedding's images."
            )
        embedding, parts, order = self.prepared(embedding), [], []
        for rows in chunks(prompts, batch or at_once(self.device)):
            part, part_prompts = narrowed(embedding, prompts[rows])
            attended, choice = self.choose(self.attend(part, part_prompts), part, candidates, mode)
            parts.append(LowRes(self.mask_decoder.paint(attended, part, choice).to(self.dtype), choice.iou))
            order.append(rows)
        return in_prompt_order(parts, order)


def network_of(model: object) -> Sam:
    """The network itself, also from inside torch.compile, DataParallel, PEFT or a segmenter.

    Raises:
        ConfigError: there is none.
    """
    inner = model
    for _ in range(5):
        if isinstance(inner, Sam):
            return inner
        inner = next((getattr(inner, name) for name in _INSIDE if hasattr(inner, name)), None)
    raise ConfigError(
        f"Expected a model that samhq made, got a {type(model).__name__}. Give what samhq.load(...) returns, its "
        "`.model`, or one from sam_model_registry."
    )


def chunks(prompts: Prompts, size: int) -> Iterator[Int64[Tensor, " p"]]:
    """Rows of prompts to decode together: those of one image side by side, those with a mask separately.

    A prompt with a mask has its own image tokens; in a mixed chunk the others could not share those of their image.
    """
    order = prompts.image_index.argsort(stable=True)
    if prompts.masks is None:
        kinds = [order]
    else:
        masked = (~prompts.masks.isnan().flatten(1).any(1)).to(order.device)[order]
        kinds = [order[~masked], order[masked]]
    for rows in kinds:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def in_prompt_order(parts: list[LowRes], rows: list[Int64[Tensor, " p"]]) -> LowRes:
    """The results of prompts in the order of their numbers; `rows` are the numbers of each part's prompts."""
    results, order = LowRes.cat(parts), torch.cat(rows)
    if order.device.type == "cpu" and bool((order[1:] > order[:-1]).all()):
        return results
    return results[to_device(order.argsort(), results.iou.device)]


def at_once(device: torch.device) -> int:
    """How many prompts to decode together: more do not fit into a CPU's cache, fewer leave a GPU idle."""
    return 2 if device.type == "cpu" else 64


def narrowed(embedding: ImageEmbedding, prompts: Prompts) -> tuple[ImageEmbedding, Prompts]:
    """Only the images from the first to the last that have prompts; image numbers of prompts start there.

    Masks are left out if all are missing.
    """
    first, last = int(prompts.image_index.min()), int(prompts.image_index.max())
    masks = prompts.masks
    if masks is not None and bool(masks.isnan().flatten(1).any(1).all()):
        masks = None
    return embedding[first : last + 1], replace(prompts, image_index=prompts.image_index - first, masks=masks)
