"""Which model a state dict is, from the shapes of its tensors.

Widths, depths, windows, the side and the HQ heads all leave their mark in some shape. The few numbers
that do not (a TinyViT's side, the decoder's heads, names) come from what is written beside the tensors,
or are those of the published models. Where the two contradict each other, nothing is guessed.
Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from samhq.checkpoint import declared, naming, strangers
from samhq.checkpoint.declared import Declared
from samhq.config import MODELS, TINY_VIT, DecoderConfig, ModelConfig, TinyViTConfig, ViTConfig
from samhq.errors import CheckpointError, ConfigError

_FREE = ("name", "family", "encoder.norm_eps", "decoder.norm_eps", "decoder.heads")
_FREE_TINY = ("side", "encoder.strides", "encoder.norm_eps", "encoder.patch")
_HQ = tuple(
    f"mask_decoder.{name}."
    for name in ("hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")
)


@dataclass(frozen=True)
class Detection:
    """What a state dict turned out to be.

    `layout` is "original" or "transformers"; `wrapper` and `prefix` are what stood around the tensors
    ("" for nothing); `dtype` is the weights' own, None where only shapes were given.
    """

    config: ModelConfig
    layout: str
    dtype: torch.dtype | None = None
    wrapper: str = ""
    prefix: str = ""

    def __str__(self) -> str:
        kind = "TinyViT" if isinstance(self.config.encoder, TinyViTConfig) else "ViT"
        return f"{self.config.name} ({self.config.family}, {kind}, {self.config.side} px, {self.layout} layout)"


def detect(state: Mapping[str, object], fields: Declared | None = None) -> Detection:
    """The model whose tensors (or shapes) these are, in either layout.

    `fields` is what is written beside the tensors, see `declared`. A model whose numbers are a published
    one's gets that row's name and family; others are called "custom".

    Raises:
        CheckpointError: these are not the tensors of one whole SAM or SAM-HQ model, or `fields` says
            something else than they do.
    """
    fields = fields or {}
    layout = "transformers" if any(key.startswith("vision_encoder.") for key in state) else "original"
    if strangers.is_stranger(state):
        raise strangers.refuse(state)
    dtype = next(
        (value.dtype for value in state.values() if isinstance(value, Tensor) and value.is_floating_point()), None
    )
    shapes = Shapes(naming.to_original(state, strict=False) if layout == "transformers" else state)
    try:
        config, free = _from_shapes(shapes, fields)
    except (ConfigError, ArithmeticError) as error:
        raise CheckpointError(f"Expected tensors whose shapes make a model, got these: {error}") from error
    _agree(config, fields, free)
    chosen = declared.build({name: fields[name] for name in free if name in fields}, config)
    return Detection(chosen if "name" in fields else declared.named(chosen), layout, dtype)


class Shapes:
    """Shapes by original tensor name, with errors that name what is missing."""

    def __init__(self, state: Mapping[str, object]) -> None:
        self.keys = state.keys()
        self._state = state

    def __call__(self, key: str, rank: int, *, empty: bool = False) -> tuple[int, ...]:
        """The shape of one tensor, which must have `rank` axes and, unless `empty`, hold something."""
        if key not in self._state:
            raise CheckpointError(f"Expected the tensor {key}, got a file without it. Load a complete checkpoint.")
        value: Any = self._state[key]
        shape: tuple[int, ...] = tuple(getattr(value, "shape", value))
        if len(shape) != rank or not (all(shape) or empty):
            raise CheckpointError(f"Expected {key} to have {rank} axes, got {list(shape)}. Download the file again.")
        return shape

    def has(self, *beginnings: str) -> bool:
        """Whether some name starts so."""
        return any(key.startswith(beginnings) for key in self.keys)

    def count(self, beginning: str) -> int:
        """How many numbered children `beginning` has; they must be 0, 1, 2, … without a gap."""
        rest = {key[len(beginning) :].split(".")[0] for key in self.keys if key.startswith(beginning)}
        numbers = {int(part) for part in rest if part.isdecimal() and len(part) < 6}
        if not numbers or numbers != set(range(len(numbers))):
            raise CheckpointError(f"Expected tensors {beginning}0., 1., … without a gap, got {sorted(numbers)[:9]}.")
        return len(numbers)


def _from_shapes(shapes: Shapes, fields: Declared) -> tuple[ModelConfig, tuple[str, ...]]:
    """The config, and the names of the fields that the tensors leave open."""
    hq, decoder = shapes.has(*_HQ), _decoder(shapes)
    if shapes.has("image_encoder.patch_embed.seq."):
        return ModelConfig("custom", _tiny_vit(shapes, fields), hq=hq, decoder=decoder), (*_FREE, *_FREE_TINY)
    if not shapes.has("image_encoder.patch_embed.proj."):
        raise strangers.refuse(shapes.keys)
    encoder, side, free = _vit(shapes)
    return ModelConfig("custom", encoder, hq=hq, side=side, decoder=decoder), (*_FREE, *free)


def _vit(shapes: Shapes) -> tuple[ViTConfig, int, tuple[str, ...]]:
    dim, _, patch, _ = shapes("image_encoder.patch_embed.proj.weight", 4)
    _, grid, other, _ = shapes("image_encoder.pos_embed", 4)
    if grid != other:
        raise CheckpointError(f"Expected a square pos_embed, got {grid} by {other}. Load a model of square pictures.")
    depth = shapes.count("image_encoder.blocks.")
    table, head_dim = zip(*(shapes(f"image_encoder.blocks.{i}.attn.rel_pos_h", 2) for i in range(depth)), strict=True)
    window, blocks, free = _windows(table, grid, dim)
    qkv = shapes("image_encoder.blocks.0.attn.qkv.weight", 2)[0]
    if qkv % (3 * head_dim[0]):
        raise CheckpointError(f"Expected qkv rows to be a multiple of 3 * {head_dim[0]}, got {qkv}.")
    encoder = ViTConfig(
        dim=dim,
        depth=depth,
        heads=qkv // (3 * head_dim[0]),
        global_blocks=blocks,
        mlp_dim=shapes("image_encoder.blocks.0.mlp.lin1.weight", 2)[0],
        head_dim=head_dim[0],
        window=window,
        patch=patch,
        qkv_bias="image_encoder.blocks.0.attn.qkv.bias" in shapes.keys,
    )
    return encoder, grid * patch, free


def _windows(tables: tuple[int, ...], grid: int, dim: int) -> tuple[int, tuple[int, ...], tuple[str, ...]]:
    """Window, global blocks, and what stays open, from the lengths 2·window-1 or 2·grid-1 of the tables."""
    blocks = tuple(i for i, length in enumerate(tables) if length == 2 * grid - 1)
    windowed = {length for length in tables if length != 2 * grid - 1}
    if len(windowed) > 1 or not blocks or any(length % 2 == 0 for length in windowed):
        raise CheckpointError(
            f"Expected relative positions for one window and for the grid of {grid}, got tables of length "
            f"{sorted(set(tables))}. Load a model whose positions were not resized."
        )
    if windowed:
        return (windowed.pop() + 1) // 2, blocks, ()
    # A window as large as the grid leaves no trace: believe a published model of this width and depth.
    rows = [row.encoder for row in MODELS.values() if isinstance(row.encoder, ViTConfig)]
    same = [row for row in rows if (row.dim, row.depth, row.window) == (dim, len(tables), grid)]
    open_fields = ("encoder.window", "encoder.global_blocks")
    return (grid, same[0].global_blocks, open_fields) if same else (grid, blocks, open_fields)


def _tiny_vit(shapes: Shapes, fields: Declared) -> TinyViTConfig:
    at = "image_encoder.layers"
    stages = shapes.count(f"{at}.")
    dims = [shapes("image_encoder.patch_embed.seq.2.c.weight", 4)[0]]
    dims += [shapes(f"{at}.{i}.downsample.conv3.c.weight", 4)[0] for i in range(stages - 1)]
    biases = [shapes(f"{at}.{i}.blocks.0.attn.attention_biases", 2) for i in range(1, stages)]
    return TinyViTConfig(
        dims=tuple(dims),
        depths=tuple(shapes.count(f"{at}.{i}.blocks.") for i in range(stages)),
        heads=(_first(fields, "heads"), *(heads for heads, _ in biases)),
        windows=(_first(fields, "windows"), *(round(area**0.5) for _, area in biases)),
        strides=TINY_VIT.strides,
        mlp_ratio=shapes(f"{at}.1.blocks.0.mlp.fc1.weight", 2)[0] // dims[1],
        expand=shapes(f"{at}.0.blocks.0.conv1.c.weight", 4)[0] // dims[0],
        classes=shapes("image_encoder.head.bias", 1, empty=True)[0],
    )


def _first(fields: Declared, name: str) -> int:
    """A number for a TinyViT's first stage, which has no attention and so shows none."""
    stated, default = fields.get(f"encoder.{name}"), vars(TINY_VIT)[name][0]
    return stated[0] if isinstance(stated, list | tuple) and stated and isinstance(stated[0], int) else default


def _decoder(shapes: Shapes) -> DecoderConfig:
    at = "mask_decoder"
    dim = shapes(f"{at}.iou_token.weight", 2)[1]
    return DecoderConfig(
        dim=dim,
        depth=shapes.count(f"{at}.transformer.layers."),
        mlp_dim=shapes(f"{at}.transformer.layers.0.mlp.lin1.weight", 2)[0],
        downsample=dim // shapes(f"{at}.transformer.layers.0.cross_attn_token_to_image.q_proj.weight", 2)[0],
        masks=shapes(f"{at}.mask_tokens.weight", 2)[0],
        iou_depth=shapes.count(f"{at}.iou_prediction_head.layers."),
        iou_dim=shapes(f"{at}.iou_prediction_head.layers.0.weight", 2)[0],
        prompt_channels=shapes("prompt_encoder.mask_downscaling.3.weight", 4)[0],
    )


def _agree(config: ModelConfig, fields: Declared, free: tuple[str, ...]) -> None:
    """Raise where a stated number is not the one that the tensors show."""
    for name, seen in declared.flat(config).items():
        if name in fields and name not in free and declared.checked(name, fields[name], seen) != seen:
            raise CheckpointError(
                f"Expected the tensors to fit what is written beside them, got {name} = {fields[name]!r} in the "
                f"config and {seen!r} in the tensors. Download both again, or remove the config."
            )
