"""The whole model with segment-anything's names: dicts of pictures and prompts in, dicts of masks out.

It is the core's network, built of parts with the published `forward`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq import config as numbers
from samhq.compat.segment_anything import parts
from samhq.compat.segment_anything.prompts import flat_prompts
from samhq.compat.segment_anything.refusals import RefusedImageError, RefusedPromptError
from samhq.config import ModelConfig
from samhq.errors import ConfigError, did_you_mean, naming
from samhq.image.frame import Frame
from samhq.image.transform import normalise_and_pad
from samhq.model import mask_decoder, mask_decoder_hq, prompt_encoder, sam
from samhq.model.build import build
from samhq.model.encoders import tiny_vit, vit
from samhq.types import ImageEmbedding, LowRes, Prompts

_KEYS = ("image", "original_size", "point_coords", "point_labels", "boxes", "mask_inputs")


class Sam(sam.Sam):
    """SAM or SAM-HQ with the published interface; get it from the registries or `with_published_interface`."""

    mask_threshold: float = numbers.MASK_THRESHOLD  #: A pixel belongs to a mask if its logit is above this.
    image_format: str = "RGB"

    @property
    def pixel_mean(self) -> Float[Tensor, "3 1 1"]:
        """The mean that `preprocess` subtracts, RGB in 0..255."""
        return torch.tensor(self.config.encoder.normalisation.mean, device=self.device).view(-1, 1, 1)

    @property
    def pixel_std(self) -> Float[Tensor, "3 1 1"]:
        """The deviation that `preprocess` divides by, RGB in 0..255."""
        return torch.tensor(self.config.encoder.normalisation.std, device=self.device).view(-1, 1, 1)

    def forward(
        self, batched_input: Sequence[Mapping[str, Any]], multimask_output: bool, hq_token_only: bool = False
    ) -> list[dict[str, Tensor]]:
        """For each picture `masks` bool [B,K,H,W], `iou_predictions` [B,K] and `low_res_logits` [B,K,4g,4g].

        Each input is a dict: `image` [3,h,w], RGB in 0..255 with its longer side resized to the model's;
        `original_size` (H, W); and, each optional, in model pixels, `point_coords` [B,N,2] with `point_labels`
        [B,N], `boxes` [B,4], `mask_inputs` [B,1,4g,4g]. K is 3 for plain SAM with `multimask_output`, else 1.
        Pictures may differ in size. No gradients, unless in training mode.

        Raises:
            RefusedImageError: a picture that is not [3,h,w] or not of the model's size.
            RefusedPromptError: a dict without `image` or `original_size` or with other keys, or a prompt that
                `samhq.compat.segment_anything.prompts.flat_prompts` refuses.
            ConfigError: `hq_token_only` of a plain SAM.
        """
        if not batched_input:
            return []
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            count, pixels, answers = len(batched_input), [], []
            for i, record in enumerate(batched_input):
                with naming("input", i, count):
                    _check_keys(record)
                    pixels.append(self.preprocess(_picture(record["image"])))
            features, early = self.encode_published(torch.cat(pixels))
            for i, record in enumerate(batched_input):
                embedding = self.embedding(features[i : i + 1], [level[i : i + 1] for level in early[:1]])
                with naming("input", i, count):
                    answers.append(self._answer(record, embedding, multimask_output, hq_token_only))
            return answers

    def preprocess(self, x: Tensor) -> Float[Tensor, "*I 3 S S"]:
        """Resized pictures [3,h,w] or [I,3,h,w], 0..255, normalised and padded to the square with zeros.

        Raises:
            ImageError: another shape, or larger than the square.
        """
        images = (x[None] if x.ndim == 3 else x).to(self.device)
        pixels = normalise_and_pad(images, self.config.side, self.config.encoder.normalisation)
        return pixels[0] if x.ndim == 3 else pixels

    def postprocess_masks(
        self, masks: Float[Tensor, "P K G G"], input_size: tuple[int, int], original_size: tuple[int, int]
    ) -> Float[Tensor, "P K H W"]:
        """Low-resolution logits at the picture's own size; still logits, compare them with `mask_threshold`.

        `input_size` is the picture's (height, width) after the resize, `original_size` before.
        """
        return self.frame(input_size, original_size).logits_to_image(masks)

    def frame(self, input_size: Sequence[int], original_size: Sequence[int]) -> Frame:
        """The position in the square of a picture of `original_size`, resized to `input_size` (both height, width)."""
        (height, width), (rows, columns) = original_size, input_size
        return Frame((int(height), int(width)), (int(rows), int(columns)), self.config.side)

    def encode(self, pixels: Float[Tensor, "I 3 S S"], *, keep_early: bool = False) -> ImageEmbedding:
        """As the core's `encode`, but the encoder may return only its features.

        Raises:
            ConfigError: pixels of another shape.
        """
        self.check_pixels(pixels)
        features, early = self.encode_published(pixels)
        embedding = self.embedding(features, early)
        return replace(embedding, early=early[0]) if keep_early and early else embedding

    def encode_published(self, pixels: Float[Tensor, "I 3 S S"]) -> tuple[Float[Tensor, "I C g g"], list[Tensor]]:
        """Features and early features; the latter are an empty list if the encoder returns none."""
        encoded = self.image_encoder(pixels.to(self.dtype))
        features, early = (encoded, []) if isinstance(encoded, Tensor) else (encoded[0], list(encoded[1]))
        return features.to(self.dtype), [level.to(self.dtype) for level in early]

    def embedding(self, features: Float[Tensor, "I C g g"], early: Sequence[Tensor] | Tensor | None) -> ImageEmbedding:
        """The embedding from the encoder's output.

        Raises:
            ConfigError: an HQ model without early features.
        """
        return cast(parts.MaskDecoder, self.mask_decoder).embedding(features, early)

    def answer(
        self, embedding: ImageEmbedding, prompts: Prompts, multimask_output: bool, hq_token_only: bool
    ) -> LowRes:
        """Low-resolution masks for the published flags.

        Raises:
            ConfigError: `hq_token_only` of a plain SAM.
        """
        candidates, hq = parts.selection_for(self.config.hq, multimask_output, hq_token_only)
        return self.decode(embedding, prompts, candidates=candidates, hq=hq)

    def prompts(self, points: Any, labels: Any, boxes: Any, masks: Any, images: int = 1) -> Prompts:
        """Checked prompts on the model's device; see `samhq.compat.segment_anything.prompts.flat_prompts`."""
        side = 4 * self.config.grid
        return flat_prompts(points, labels, boxes, masks, images=images, mask_side=side, device=self.device)

    def _answer(
        self, record: Mapping[str, Any], embedding: ImageEmbedding, multimask_output: bool, hq_token_only: bool
    ) -> dict[str, Tensor]:
        points, labels, boxes, masks = (record.get(key) for key in _KEYS[2:])
        prompts = self.prompts(points, labels, boxes, masks)
        low = self.answer(embedding, prompts, multimask_output, hq_token_only)
        frame = self.frame(record["image"].shape[-2:], record["original_size"])
        masks = frame.masks_to_image(low.logits, self.mask_threshold)
        return {"masks": masks, "iou_predictions": low.iou, "low_res_logits": low.logits}


def blank(config: ModelConfig, *, device: torch.device | str | None = None) -> Sam:
    """A model with untrained weights, in evaluation mode."""
    return cast(Sam, build(config, device=device, parts=_classes(config)))


def _classes(config: ModelConfig) -> dict[type[nn.Module], type[nn.Module]]:
    """The classes with the published interface, by the core's."""
    plain = {vit.ImageEncoderViT: parts.PlainImageEncoderViT, tiny_vit.TinyViT: parts.PlainTinyViT}
    high = {vit.ImageEncoderViT: parts.ImageEncoderViT, tiny_vit.TinyViT: parts.TinyViT}
    rest = {
        sam.Sam: Sam,
        prompt_encoder.PromptEncoder: parts.PromptEncoder,
        mask_decoder.MaskDecoder: parts.MaskDecoder,
        mask_decoder_hq.MaskDecoderHQ: parts.MaskDecoderHQ,
    }
    return {**(high if config.hq else plain), **rest}


def with_published_interface(model: nn.Module) -> Sam:
    """The same model with the published interface; `model` itself if it already has it.

    It shares the weights and all modules inside the parts, so that adapters and hooks there also work here.

    Raises:
        ConfigError: not a model of samhq.
    """
    network = sam.network_of(model)
    if isinstance(network, Sam):
        return network
    if network.config.second:
        raise ConfigError(
            f"Expected a SAM or SAM-HQ, got {network.config.name}, which has an interface of its own. "
            "Use samhq.compat.sam2.SAM2ImagePredictor, or samhq.load."
        )
    classes = _classes(network.config)
    twin = copy.copy(network)
    twin._modules = {name: _face(part, classes) for name, part in network._modules.items() if part is not None}
    twin.__class__ = Sam
    return cast(Sam, twin)


def _face(part: nn.Module, classes: Mapping[type[nn.Module], type[nn.Module]]) -> nn.Module:
    """A part with the published interface that shares everything with the core's part; foreign modules unchanged."""
    if type(part) not in classes:
        return part
    face = copy.copy(part)
    face.__class__ = classes[type(part)]
    return face


def _picture(image: Tensor) -> Tensor:
    """One picture as a batch of one."""
    if not isinstance(image, Tensor) or image.ndim != 3:
        got = list(image.shape) if hasattr(image, "shape") else type(image).__name__
        raise RefusedImageError(
            f"Expected `image` as a tensor [3, h, w], got {got}. Move the channels first with permute(2, 0, 1), and "
            "resize with ResizeLongestSide."
        )
    return image[None]


def _check_keys(record: Mapping[str, Any]) -> None:
    strange = [key for key in record if key not in _KEYS]
    missing = [key for key in _KEYS[:2] if key not in record]
    if missing:
        raise RefusedPromptError(f"Expected {' and '.join(missing)} in every input, got {', '.join(record) or 'none'}.")
    if strange:
        raise RefusedPromptError(
            f"Expected inputs that forward knows, got {strange[0]!r}, which would be passed over in silence. "
            f"{did_you_mean(strange[0], _KEYS)}"
        )
