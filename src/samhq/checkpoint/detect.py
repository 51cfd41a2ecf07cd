"""Finds out which model a state dict is, from the shapes of its tensors.

Widths, depths, windows, the side and the HQ heads all show in some shape. A few numbers do not (a TinyViT's side, the
decoder's heads, names): these come from the fields stored beside the tensors, or from the published models. If fields
and tensors contradict each other, it is an error. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from samhq.checkpoint import declared, naming, strangers
from samhq.checkpoint.declared import Declared
from samhq.config import SAM2, DecoderConfig, Defaults, MemoryConfig, ModelConfig
from samhq.errors import CheckpointError, ConfigError
from samhq.model.encoders.table import ENCODERS
from samhq.model.encoders.tensor_shapes import TensorShapes
from samhq.model.mask_decoder_hq import HQ_MODULES

_FREE = ("name", "family", "decoder.norm_eps", "decoder.heads", *(f"defaults.{name}" for name in vars(Defaults())))
_FREE_MEMORY = tuple(f"memory.{name}" for name in ("dropout", "pointers", "mask_scale", "mask_shift"))
_HQ = tuple(f"{prefix}mask_decoder.{name}." for prefix in ("", "sam_") for name in HQ_MODULES)


@dataclass(frozen=True)
class Detection:
    """The model that a state dict belongs to.

    `layout` is "original" or "transformers". `wrapper` and `prefix` are the entries and the prefix around the tensors
    ("" for none). `left_out` names what the file holds beside the model. `dtype` is the weights' own, or None if only
    shapes were given.
    """

    config: ModelConfig
    layout: str
    dtype: torch.dtype | None = None
    wrapper: str = ""
    prefix: str = ""
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        kind = self.config.encoder.kind
        return f"{self.config.name} ({self.config.family}, {kind}, {self.config.side} px, {self.layout} layout)"


def detect_model(state: Mapping[str, object], fields: Declared | None = None) -> Detection:
    """The model with these tensors (or shapes), in either layout.

    `fields` are stored beside the tensors, see `declared`. A model with the numbers of a published one gets its name
    and family; others are called "custom".

    Raises:
        CheckpointError: these are not the tensors of one whole SAM or SAM-HQ model, or `fields` contradict them.
    """
    fields = fields or {}
    layout = "transformers" if any(key.startswith("vision_encoder.") for key in state) else "original"
    if strangers.is_stranger(state):
        raise strangers.error_for_unknown(state)
    dtype = next(
        (value.dtype for value in state.values() if isinstance(value, Tensor) and value.is_floating_point()), None
    )
    shapes = TensorShapes(naming.to_original(state, strict=False) if layout == "transformers" else state)
    try:
        config, free = _from_shapes(shapes, fields)
    except (ConfigError, ArithmeticError) as error:
        raise CheckpointError(
            f"Expected tensors whose shapes make a model, got others: {error} Load a published file."
        ) from error
    _agree(config, fields, free)
    chosen = declared.with_fields({name: fields[name] for name in free if name in fields}, config)
    return Detection(chosen if "name" in fields else declared.with_published_name(chosen), layout, dtype)


def _from_shapes(shapes: TensorShapes, fields: Declared) -> tuple[ModelConfig, tuple[str, ...]]:
    """The config, and the names of fields that the tensors do not show."""
    kind = next((kind for kind in ENCODERS.values() if shapes.has(kind.mark)), None)
    if kind is None:
        raise strangers.error_for_unknown(shapes.keys)
    hq, decoder = shapes.has(*_HQ), _decoder(shapes)
    recognised = kind.recognised(shapes, fields)
    config = ModelConfig("custom", recognised.encoder, hq=hq, decoder=decoder)
    if config.second:
        config = config.replace(memory=_memory(shapes), defaults=SAM2)
    config = config if recognised.side is None else config.replace(side=recognised.side)
    return config, (*_FREE, *recognised.undecided, *_FREE_MEMORY)


def _memory(shapes: TensorShapes) -> MemoryConfig | None:
    """SAM 2's memory; None if the file has none."""
    if not shapes.has("memory_encoder.", "memory_attention."):
        return None
    maps, _, _, dim = shapes("maskmem_tpos_enc", 4)
    return MemoryConfig(
        dim=dim,
        maps=maps,
        depth=shapes.count("memory_attention.layers."),
        mlp_dim=shapes("memory_attention.layers.0.linear1.weight", 2)[0],
        fuser_depth=shapes.count("memory_encoder.fuser.layers."),
        absent_map="no_obj_embed_spatial" in shapes.keys,
        pointer_times="obj_ptr_tpos_proj.weight" in shapes.keys,
    )


def _decoder(shapes: TensorShapes) -> DecoderConfig:
    prefix = "sam_" if shapes.has("sam_mask_decoder.") else ""
    at, hidden = f"{prefix}mask_decoder", "layers.0" if prefix else "lin1"
    dim = shapes(f"{at}.iou_token.weight", 2)[1]
    return DecoderConfig(
        dim=dim,
        depth=shapes.count(f"{at}.transformer.layers."),
        mlp_dim=shapes(f"{at}.transformer.layers.0.mlp.{hidden}.weight", 2)[0],
        downsample=dim // shapes(f"{at}.transformer.layers.0.cross_attn_token_to_image.q_proj.weight", 2)[0],
        masks=shapes(f"{at}.mask_tokens.weight", 2)[0],
        iou_depth=shapes.count(f"{at}.iou_prediction_head.layers."),
        iou_dim=shapes(f"{at}.iou_prediction_head.layers.0.weight", 2)[0],
        prompt_channels=shapes(f"{prefix}prompt_encoder.mask_downscaling.3.weight", 4)[0],
    )


def _agree(config: ModelConfig, fields: Declared, free: tuple[str, ...]) -> None:
    """Refuses a stated number that differs from the tensors."""
    for name, shown in declared.flat_fields(config).items():
        if name in fields and name not in free and declared.checked(name, fields[name], shown) != shown:
            raise CheckpointError(
                f"Expected the tensors to fit what is written beside them, got {name} = {fields[name]!r} in the "
                f"config and {shown!r} in the tensors. Download both again, or remove the config."
            )
