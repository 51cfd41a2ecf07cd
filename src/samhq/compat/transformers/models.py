"""transformers' SamModel and SamHQModel: prompts as [I,P,...] tensors in, low-resolution logits out.

A thin interface to `model/sam.py`. Unlike in transformers 5.23, the SAM-HQ masks are those of the published model: in
transformers the decoder drops the image tokens that its transformer returns, and makes masks from the unchanged
embedding, transposed.

Source: modeling_sam.py and modeling_sam_hq.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_model
from samhq.compat.transformers import prompts as given
from samhq.compat.transformers.configs import SamConfig, SamHQConfig
from samhq.compat.transformers.model_methods import ModelMethods, check_saving, remove_weights
from samhq.compat.transformers.outputs import SegmentationOutput
from samhq.compat.transformers.parts import MaskDecoder, PromptEncoder, VisionEncoder, with_callable_parts
from samhq.compat.transformers.pretrained import Loading, refuse_keywords
from samhq.compat.transformers.vision import encode_pixels
from samhq.config import Candidates, HQMode
from samhq.errors import ConfigError, PromptError
from samhq.model.build import build
from samhq.model.prepared_pictures import PreparedPictures
from samhq.model.sam import Sam
from samhq.model.selection import select
from samhq.options import yes_or_no
from samhq.types import ImageEmbedding, LowRes

Model = TypeVar("Model", bound="Pretrained")

#: Logits of a mask for a padding prompt: below any threshold everywhere.
_NOWHERE = -100.0
_ARGUMENTS = (
    "pixel_values", "input_points", "input_labels", "input_boxes", "input_masks", "image_embeddings",
    "multimask_output", "attention_similarity", "target_embedding", "output_hidden_states", "return_dict",
)  # fmt: skip


class Pretrained(ModelMethods):
    """The common part of both models: files, modules, and decoding. Its network is `self.sam`."""

    config_class: ClassVar[type[SamConfig]]
    main_input_name = "pixel_values"

    def __init__(self, config: Any) -> None:
        super().__init__()
        config = as_ours(config, self.config_class)
        if not isinstance(config, self.config_class) or config.hq != self.config_class.hq:
            raise ConfigError(f"Expected a {self.config_class.__name__}, got a {type(config).__name__}.")
        self._take(config, build(config.to_model_config()))

    def _take(self, config: SamConfig, sam: Sam) -> None:
        self.config, self.sam, self._pictures = config, with_callable_parts(sam), PreparedPictures()
        self._name("sam.", "")
        self.eval()

    @classmethod
    def from_pretrained(cls: type[Model], source: str | os.PathLike[str], **options: Any) -> Model:
        """The model in a transformers folder, a repository of the hub, or an original `.pth` file, in eval mode.

        `dtype` (or `torch_dtype`) is float32 unless given; "auto" keeps the file's own. `device_map` may name one
        device; "auto" is CUDA where there is one, else the CPU. `attn_implementation` may be "sdpa" or "eager", as in
        transformers, and has no effect: attention is always torch's fused one.

        Raises:
            ConfigError: an unknown option or name, or a model that transformers does not have.
            CheckpointError: the source cannot be downloaded or read, is of the other family, or lacks tensors.
        """
        chosen = Loading.of(options, source)
        return cls._around(load_model(source, hq=cls.config_class.hq, device=chosen.device, dtype=chosen.dtype))

    @classmethod
    def _around(cls: type[Model], sam: Sam) -> Model:
        """The model whose network is `sam`.

        Raises:
            ConfigError: a network that transformers does not have.
        """
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model._take(Loading.config(sam), sam)
        return model

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        is_main_process: bool = True,
        state_dict: Mapping[str, Tensor] | None = None,
        safe_serialization: bool = True,
        max_shard_size: int | str | None = None,
        **options: Any,
    ) -> None:
        """Writes `config.json`, `preprocessor_config.json` and `model.safetensors`, for transformers too.

        `state_dict`, in transformers' names, is saved in place of the model's own; without `safe_serialization` the
        weights are `pytorch_model.bin`; files larger than `max_shard_size` ("5GB", or bytes) are split. Where
        `is_main_process` is False nothing is written.

        Raises:
            CheckpointError: the folder cannot be written, or a state dict of another model.
            ConfigError: an argument that does not exist, or one that would upload the model.
        """
        check_saving(options)
        if not is_main_process:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_model(self.sam, folder)
        if state_dict is not None or not safe_serialization or max_shard_size is not None:
            self._write_weights(folder, state_dict, safe_serialization, max_shard_size)
        else:
            remove_weights(Path(folder), kept="model.safetensors")

    @property
    def vision_encoder(self) -> VisionEncoder:
        """The image encoder; it can be called with `pixel_values`."""
        return cast(VisionEncoder, self.sam.image_encoder)

    @property
    def shared_image_embedding(self) -> nn.Module:
        """The module that embeds positions in 0..1."""
        return self.sam.prompt_encoder.pe_layer

    @property
    def prompt_encoder(self) -> PromptEncoder:
        """The prompt encoder; it can be called with `input_points` and the other prompts."""
        return cast(PromptEncoder, self.sam.prompt_encoder)

    @property
    def mask_decoder(self) -> MaskDecoder:
        """The mask decoder; it can be called with embeddings of pictures and prompts."""
        return cast(MaskDecoder, self.sam.mask_decoder)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.sam.device

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the weights; positions are always float32."""
        return self.sam.dtype

    @torch.no_grad()
    def get_image_wide_positional_embeddings(self) -> Float[Tensor, "1 C g g"]:
        """Position features of the embedding grid."""
        return self.prompt_encoder.get_dense_pe()

    @torch.no_grad()
    def get_prompt_embeddings(
        self,
        input_points: Float[Tensor, "I P N 2"] | None = None,
        input_labels: Tensor | None = None,
        input_boxes: Float[Tensor, "I *boxes 4"] | None = None,
        input_masks: Float[Tensor, "I 1 G G"] | None = None,
    ) -> tuple[Float[Tensor, "I P T C"] | None, Float[Tensor, "i C g g"]]:
        """Tokens of points and boxes (None if there are neither), and the map to add to the image embedding.

        Padding tokens are zero. The map is one for each image, or for each prompt if `input_masks` has one for each.

        Raises:
            PromptError: as for `forward`.
        """
        return self.prompt_encoder(input_points, input_labels, input_boxes, input_masks)

    def _embed(
        self, pixels: Tensor | None, features: Tensor | None, early: Tensor | None, hidden: bool | None
    ) -> tuple[ImageEmbedding, tuple[Tensor, ...] | None]:
        """The embedding of pictures, or of given features, and hidden states on request."""
        if (pixels is None) == (features is None):
            got = "neither" if pixels is None else "both"
            raise PromptError(f"Expected pixel_values or image_embeddings, got {got}. Pass exactly one of them.")
        if pixels is not None:
            features_of_pixels, blocks, states = encode_pixels(self.vision_encoder, pixels, self._hidden(hidden))
            return self.sam.embed(features_of_pixels, blocks[0]), states
        assert features is not None
        row, grid = self.sam.config, self.sam.config.grid
        _check("image_embeddings", features, (row.decoder.dim, grid, grid))
        if early is None:
            return self._pictures.prepare(self.sam, (features,), lambda: ImageEmbedding(self._own(features))), None
        _check("intermediate_embeddings[0]", early, row.encoder.level_hwc(row.side))
        if len(early) != len(features):
            raise PromptError(
                f"Expected embeddings of the same images, got {len(features)} and {len(early)}. "
                "Pass both values that get_image_embeddings returned together."
            )

        def embed() -> ImageEmbedding:
            return self.sam.embed(self._own(features), self._own(early))

        return self._pictures.prepare(self.sam, (features, early), embed), None

    def _own(self, maps: Tensor) -> Tensor:
        """The maps on the model's device, in its dtype."""
        return maps.to(self.device, self.dtype)

    def _paint(
        self,
        embedding: ImageEmbedding,
        batch: given.Batch,
        candidates: Candidates,
        hq: HQMode,
        similarity: Tensor | None,
        target: Tensor | None,
    ) -> LowRes:
        """Masks of all prompts; those of padding are blank."""
        row, prompts = self.sam.config.decoder, batch.prompts
        if not len(prompts) or (similarity is None and target is None):
            low_res = self.sam.decode(embedding, prompts, candidates=candidates, hq=hq)
        else:
            tokens = len(self.mask_decoder.output_tokens()) + self.prompt_encoder.sparse(prompts).tokens.shape[1]
            bias = given.similarity(similarity, batch, row.heads, tokens, self.sam.config.grid**2)
            shift = given.target(target, batch, row.dim)
            guide = {"similarity": _like(bias, embedding.features), "target": _like(shift, embedding.features)}
            attended = self.sam.attend(embedding, prompts, **guide)
            choice = select(attended.iou, candidates, hq)
            low_res = LowRes(self.mask_decoder.paint(attended, embedding, choice).to(self.dtype), choice.iou)
        return LowRes(batch.blank(low_res.logits, _NOWHERE), batch.blank(low_res.iou, 0.0))

    def _segment(
        self,
        embedded: tuple[ImageEmbedding, tuple[Tensor, ...] | None],
        prompts: Sequence[Tensor | None],
        candidates: Candidates,
        hq: HQMode,
        guide: tuple[Tensor | None, Tensor | None],
        return_dict: bool | None,
    ) -> SegmentationOutput | tuple[Any, ...]:
        embedding, states = embedded
        batch = given.flatten_nested(len(embedding), self.prompt_encoder.grid, embedding.features.device, *prompts)
        low_res = self._paint(embedding, batch, candidates, hq, *guide)
        output = SegmentationOutput(batch.fold(low_res.iou), batch.fold(low_res.logits), states)
        return output if self._as_dict(return_dict) else output.to_tuple()


class SamModel(Pretrained):
    """Segment Anything with transformers' arguments, outputs and names."""

    config_class: ClassVar[type[SamConfig]] = SamConfig
    base_model_prefix = "sam"

    @torch.no_grad()
    def get_image_embeddings(self, pixel_values: Float[Tensor, "I 3 S S"]) -> Float[Tensor, "I C g g"]:
        """The `image_embeddings` for `forward`, without gradients.

        Raises:
            ConfigError: pixels of another shape.
        """
        return encode_pixels(self.vision_encoder, pixel_values)[0]

    def forward(
        self,
        pixel_values: Float[Tensor, "I 3 S S"] | None = None,
        input_points: Float[Tensor, "I P N 2"] | None = None,
        input_labels: Tensor | None = None,
        input_boxes: Float[Tensor, "I *boxes 4"] | None = None,
        input_masks: Tensor | None = None,
        image_embeddings: Float[Tensor, "I C g g"] | None = None,
        multimask_output: bool = True,
        attention_similarity: Tensor | None = None,
        target_embedding: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **unknown: Any,
    ) -> SegmentationOutput | tuple[Any, ...]:
        """Logits [I,P,K,4g,4g] and predicted IoU [I,P,K] of each prompt; K is 3 with `multimask_output`, else 1.

        Give `pixel_values` or `image_embeddings`. Coordinates are model pixels, as the processor returns them.
        `input_masks` [I,1,4g,4g] are logits, one for all prompts of an image, or [I,P,4g,4g]. Without prompts P is 1.
        Points labelled -10 and boxes of NaN are ignored; a prompt with nothing else gives an empty mask with IoU 0.
        Three masks come in the network's order. `attention_similarity` and `target_embedding` are PerSAM's guidance.

        Raises:
            PromptError: wrong shapes or counts, both or neither input, `labels`.
            ConfigError: pixels of another size, an argument that does not exist, or `output_attentions`.
        """
        refuse_keywords(unknown, self._attentions(output_attentions), _ARGUMENTS)
        return self._segment(
            self._embed(pixel_values, image_embeddings, None, output_hidden_states),
            (input_points, input_labels, input_boxes, input_masks),
            "all" if yes_or_no("multimask_output", multimask_output) else "single",
            "off",
            (attention_similarity, target_embedding),
            return_dict,
        )


class SamHQModel(Pretrained):
    """Segment Anything in High Quality with transformers' arguments, outputs and names."""

    config_class: ClassVar[type[SamConfig]] = SamHQConfig
    base_model_prefix = "sam_hq"

    @torch.no_grad()
    def get_image_embeddings(self, pixel_values: Float[Tensor, "I 3 S S"]) -> tuple[Tensor, list[Tensor]]:
        """The `image_embeddings` and `intermediate_embeddings` for `forward`, without gradients.

        Raises:
            ConfigError: pixels of another shape.
        """
        return encode_pixels(self.vision_encoder, pixel_values)[:2]

    def forward(
        self,
        pixel_values: Float[Tensor, "I 3 S S"] | None = None,
        input_points: Float[Tensor, "I P N 2"] | None = None,
        input_labels: Tensor | None = None,
        input_boxes: Float[Tensor, "I *boxes 4"] | None = None,
        input_masks: Tensor | None = None,
        image_embeddings: Float[Tensor, "I C g g"] | None = None,
        multimask_output: bool = True,
        hq_token_only: bool = False,
        attention_similarity: Tensor | None = None,
        target_embedding: Tensor | None = None,
        intermediate_embeddings: Sequence[Tensor] | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **unknown: Any,
    ) -> SegmentationOutput | tuple[Any, ...]:
        """As `SamModel.forward`, with the HQ mask's logits added to each of SAM's.

        Three masks come best first by predicted IoU, which always describes SAM's mask. With `hq_token_only` the HQ
        mask comes alone: one mask and one score a prompt, also with `multimask_output`. `image_embeddings` need the
        `intermediate_embeddings` that `get_image_embeddings` returns with them; only the first is used.

        Raises:
            PromptError: as for `SamModel`, or `image_embeddings` without `intermediate_embeddings`.
            ConfigError: as for `SamModel`.
        """
        refuse_keywords(
            unknown, self._attentions(output_attentions), (*_ARGUMENTS, "hq_token_only", "intermediate_embeddings")
        )
        early = None
        if image_embeddings is not None and pixel_values is None:
            if intermediate_embeddings is None or not len(intermediate_embeddings):
                raise PromptError(
                    "Expected intermediate_embeddings with image_embeddings, got none. Without them the HQ mask is "
                    "wrong. Pass both values that get_image_embeddings returns."
                )
            early = intermediate_embeddings[0]
        return self._segment(
            self._embed(pixel_values, image_embeddings, early, output_hidden_states),
            (input_points, input_labels, input_boxes, input_masks),
            "sorted" if yes_or_no("multimask_output", multimask_output) else "single",
            "only" if yes_or_no("hq_token_only", hq_token_only) else "add",
            (attention_similarity, target_embedding),
            return_dict,
        )


def as_ours(config: Any, kind: type[SamConfig]) -> Any:
    """transformers' own configuration of this kind as ours; any other value unchanged."""
    is_theirs = not isinstance(config, SamConfig) and hasattr(config, "to_dict")
    if is_theirs and str(getattr(config, "model_type", "")).replace("-", "_") == kind.model_type:
        return kind.from_dict(config.to_dict())
    return config


def _check(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if value.ndim != len(shape) + 1 or value.shape[1:] != shape:
        raise PromptError(
            f"Expected {name} of shape [images, {', '.join(map(str, shape))}], got {list(value.shape)}. "
            "They come from get_image_embeddings."
        )


def _like(value: Tensor | None, other: Tensor) -> Tensor | None:
    return None if value is None else value.to(other.device, other.dtype)
