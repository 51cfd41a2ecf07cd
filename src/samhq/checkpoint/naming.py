"""Translates tensor names between the original layout and transformers', with one table for both directions.

Only renames, so the same functions work for tensors and shapes. The exception are SAM 2's four point embeddings, which
transformers stacks. Knows nothing about files or architectures beyond their attribute names.

Source: state dicts of segment-anything and segment_anything_hq 0.3 beside those of transformers 5.23.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import torch

from samhq.checkpoint import naming_sam2
from samhq.config import DecoderConfig
from samhq.errors import CheckpointError

Value = TypeVar("Value")

#: The frequencies of all positions. They stay float32 whatever the weights are: half precision would move points.
MATRIX = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
MATRICES = (MATRIX, naming_sam2.MATRIX)  #: Names in SAM and in SAM 2.
POSITIONAL = "shared_image_embedding.positional_embedding"
#: The second place where transformers keeps the same tensor; files hold either or both.
POSITIONAL_COPY = "prompt_encoder.shared_embedding.positional_embedding"

#: (original, transformers); `#` stands for a number, `*` for any ending. The first row that matches is used.
_TABLE: tuple[tuple[str, str], ...] = (
    ("image_encoder.patch_embed.proj.*", "vision_encoder.patch_embed.projection.*"),
    ("image_encoder.blocks.#.norm#.*", "vision_encoder.layers.#.layer_norm#.*"),
    ("image_encoder.blocks.#.*", "vision_encoder.layers.#.*"),
    ("image_encoder.neck.0.*", "vision_encoder.neck.conv1.*"),
    ("image_encoder.neck.1.*", "vision_encoder.neck.layer_norm1.*"),
    ("image_encoder.neck.2.*", "vision_encoder.neck.conv2.*"),
    ("image_encoder.neck.3.*", "vision_encoder.neck.layer_norm2.*"),
    ("image_encoder.pos_embed", "vision_encoder.pos_embed"),
    (MATRIX, POSITIONAL),
    ("prompt_encoder.point_embeddings.#.*", "prompt_encoder.point_embed.#.*"),
    ("prompt_encoder.mask_downscaling.0.*", "prompt_encoder.mask_embed.conv1.*"),
    ("prompt_encoder.mask_downscaling.1.*", "prompt_encoder.mask_embed.layer_norm1.*"),
    ("prompt_encoder.mask_downscaling.3.*", "prompt_encoder.mask_embed.conv2.*"),
    ("prompt_encoder.mask_downscaling.4.*", "prompt_encoder.mask_embed.layer_norm2.*"),
    ("prompt_encoder.mask_downscaling.6.*", "prompt_encoder.mask_embed.conv3.*"),
    ("prompt_encoder.not_a_point_embed.*", "prompt_encoder.not_a_point_embed.*"),
    ("prompt_encoder.no_mask_embed.*", "prompt_encoder.no_mask_embed.*"),
    ("mask_decoder.transformer.norm_final_attn.*", "mask_decoder.transformer.layer_norm_final_attn.*"),
    ("mask_decoder.transformer.layers.#.norm#.*", "mask_decoder.transformer.layers.#.layer_norm#.*"),
    ("mask_decoder.transformer.layers.#.*", "mask_decoder.transformer.layers.#.*"),
    (
        "mask_decoder.transformer.final_attn_token_to_image.*",
        "mask_decoder.transformer.final_attn_token_to_image.*",
    ),
    ("mask_decoder.iou_token.*", "mask_decoder.iou_token.*"),
    ("mask_decoder.mask_tokens.*", "mask_decoder.mask_tokens.*"),
    ("mask_decoder.output_upscaling.0.*", "mask_decoder.upscale_conv1.*"),
    ("mask_decoder.output_upscaling.1.*", "mask_decoder.upscale_layer_norm.*"),
    ("mask_decoder.output_upscaling.3.*", "mask_decoder.upscale_conv2.*"),
    ("mask_decoder.hf_token.*", "mask_decoder.hq_token.*"),
    ("mask_decoder.compress_vit_feat.0.*", "mask_decoder.compress_vit_conv1.*"),
    ("mask_decoder.compress_vit_feat.1.*", "mask_decoder.compress_vit_norm.*"),
    ("mask_decoder.compress_vit_feat.3.*", "mask_decoder.compress_vit_conv2.*"),
    ("mask_decoder.embedding_encoder.0.*", "mask_decoder.encoder_conv1.*"),
    ("mask_decoder.embedding_encoder.1.*", "mask_decoder.encoder_norm.*"),
    ("mask_decoder.embedding_encoder.3.*", "mask_decoder.encoder_conv2.*"),
    ("mask_decoder.embedding_maskfeature.0.*", "mask_decoder.mask_conv1.*"),
    ("mask_decoder.embedding_maskfeature.1.*", "mask_decoder.mask_norm.*"),
    ("mask_decoder.embedding_maskfeature.3.*", "mask_decoder.mask_conv2.*"),
)
#: Heads of a fixed depth; the depth of the IoU head depends on the model.
_HEADS = (
    ("mask_decoder.output_hypernetworks_mlps.#", "mask_decoder.output_hypernetworks_mlps.#"),
    ("mask_decoder.hf_mlp", "mask_decoder.hq_mask_mlp"),
)
_IOU_HEAD = "mask_decoder.iou_prediction_head"

Renamer = Callable[[str], "str | None"]


def to_transformers(state: Mapping[str, Value]) -> dict[str, Value]:
    """The same values under transformers' names, in the same order.

    The positional matrix appears once for SAM and twice for SAM 2, as transformers writes it to disk.

    >>> to_transformers({"mask_decoder.hf_token.weight": (1, 256)})
    {'mask_decoder.hq_token.weight': (1, 256)}

    Raises:
        CheckpointError: a name has no counterpart, as in every encoder but the ViT.
    """
    if is_sam2(state):
        return _with_copy(_rename(_stacked(state), _sam2_renamer(forward=True), "transformers"))
    rename = _renamer(_depth(state, "layers"), forward=True)
    foreign = [key for key in state if key.startswith("image_encoder.") and rename(key) is None]
    if foreign:
        raise CheckpointError(
            f"Expected a model with a plain ViT encoder, got {some_names(foreign, 2)}, which belong to another encoder "
            "(such as the TinyViT of MobileSAM and Light HQ-SAM), for which transformers has no format. "
            "Write it as .safetensors or .pth instead."
        )
    return _rename(state, rename, "transformers")


def to_original(state: Mapping[str, Value], *, strict: bool = True) -> dict[str, Value]:
    """The same values under the original names, in the same order, without the positional matrix's copy.

    Either positional key is accepted. With `strict=False` a name without counterpart does not change, so that the
    caller can list it.

    >>> to_original({"prompt_encoder.shared_embedding.positional_embedding": (2, 128)})
    {'prompt_encoder.pe_layer.positional_encoding_gaussian_matrix': (2, 128)}

    Raises:
        CheckpointError: `strict`, and a name has no counterpart.
    """
    if POSITIONAL in state:
        state = {key: value for key, value in state.items() if key != POSITIONAL_COPY}
    else:
        state = {POSITIONAL if key == POSITIONAL_COPY else key: value for key, value in state.items()}
    if is_sam2(state):
        return _unstacked(_rename(state, _sam2_renamer(forward=False), "original", strict=strict))
    return _rename(state, _renamer(_depth(state, "proj_"), forward=False), "original", strict=strict)


def is_sam2(state: Iterable[str]) -> bool:
    """Whether these are tensor names of SAM 2, in either layout.

    >>> is_sam2(["sam_mask_decoder.iou_token.weight"]), is_sam2(["mask_decoder.iou_token.weight"])
    (True, False)
    """
    marks = ("sam_mask_decoder.", "sam_prompt_encoder.", "image_encoder.trunk.", "vision_encoder.backbone.")
    return any(key.startswith(marks) or key == "mask_decoder.obj_score_token.weight" for key in state)


def _stacked(state: Mapping[str, Value]) -> dict[str, Value]:
    """The point embeddings as one tensor, or shape, in place of the first one, with transformers' name."""
    keys = sorted(key for key in state if key.startswith(naming_sam2.POINTS))
    parts: list[Any] = [state[key] for key in keys]
    if not parts:
        return dict(state)
    whole: Any = torch.cat(parts) if isinstance(parts[0], torch.Tensor) else (len(parts), *parts[0][1:])
    named = {naming_sam2.POINTS_STACKED if key == keys[0] else key: value for key, value in state.items()}
    return {
        key: whole if key == naming_sam2.POINTS_STACKED else value for key, value in named.items() if key not in keys
    }


def _with_copy(state: Mapping[str, Value]) -> dict[str, Value]:
    """The tensors with the positional matrix in both of its places."""
    copied: dict[str, Any] = dict(state)
    if (matrix := copied.get(POSITIONAL)) is not None:
        copied[POSITIONAL_COPY] = matrix.clone() if isinstance(matrix, torch.Tensor) else matrix
    return copied


def _unstacked(state: Mapping[str, Value]) -> dict[str, Value]:
    """The inverse of `_stacked`."""
    apart: dict[str, Any] = {}
    for key, value in state.items():
        if key != naming_sam2.POINTS_STACKED:
            apart[key] = value
            continue
        whole: Any = value
        rows = list(whole[:, None].unbind()) if isinstance(whole, torch.Tensor) else [(1, *whole[1:])] * whole[0]
        apart |= {f"{naming_sam2.POINTS}{i}.weight": row for i, row in enumerate(rows)}
    return apart


def some_names(keys: Iterable[str], count: int = 5) -> str:
    """Up to `count` names for a message, then the number of others.

    >>> some_names(["a", "b", "c"], count=2)
    'a, b and 1 more'
    """
    names = list(keys)
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" and {rest} more" if rest > 0 else "")


def _rename(state: Mapping[str, Value], name: Renamer, layout: str, *, strict: bool = True) -> dict[str, Value]:
    pairs = {key: name(key) for key in state}
    unknown = [key for key, new in pairs.items() if new is None]
    if unknown and strict:
        raise CheckpointError(
            f"Expected only tensors of a SAM model, got {some_names(unknown)}, which the {layout} layout does not "
            "have. Remove these tensors, or load the file that the model was published in."
        )
    renamed = {pairs[key] or key: value for key, value in state.items()}
    if len(renamed) < len(state):
        raise CheckpointError(
            f"Expected one tensor for each {layout} name, got several for some: the file mixes two layouts. "
            "Keep the tensors of one."
        )
    return renamed


def _depth(state: Mapping[str, object], kind: str) -> int:
    """The number of layers of the IoU head; transformers' name of its last layer depends on it."""
    keys = [key for key in state if key.startswith(f"{_IOU_HEAD}.{kind}") and key.endswith(".weight")]
    if kind == "proj_":
        keys += [key for key in state if key.startswith(f"{_IOU_HEAD}.layers.") and key.endswith(".weight")]
    return max(len(keys), 2) if keys else DecoderConfig.iou_depth


@lru_cache(maxsize=8)
def _renamer(iou_depth: int, *, forward: bool) -> Renamer:
    rows = (
        *_TABLE,
        *(row for head in _HEADS for row in _mlp(*head, DecoderConfig.head_depth)),
        *_mlp(_IOU_HEAD, _IOU_HEAD, iou_depth),
    )
    return _by_rules(rows, forward=forward)


@lru_cache(maxsize=2)
def _sam2_renamer(*, forward: bool) -> Renamer:
    points = (naming_sam2.POINTS_STACKED, naming_sam2.POINTS_STACKED)
    heads = (row for head in naming_sam2.HEADS for row in _mlp(*head, DecoderConfig.head_depth))
    return _by_rules((points, *naming_sam2.TABLE, *heads), forward=forward)


def _by_rules(rows: Iterable[tuple[str, str]], *, forward: bool) -> Renamer:
    rules = [(_pattern(a), _template(b)) for a, b in (rows if forward else [(b, a) for a, b in rows])]

    def name(key: str) -> str | None:
        for pattern, template in rules:
            if match := pattern.fullmatch(key):
                return template.format(*match.groups())
        return None

    return name


def _mlp(original: str, transformers: str, depth: int) -> list[tuple[str, str]]:
    """Rows of one head: transformers names the first and last layer, and numbers those between from 0."""
    middle = [(f"{original}.layers.{i}.*", f"{transformers}.layers.{i - 1}.*") for i in range(1, depth - 1)]
    first = (f"{original}.layers.0.*", f"{transformers}.proj_in.*")
    last = (f"{original}.layers.{depth - 1}.*", f"{transformers}.proj_out.*")
    return [first, *middle, last]


def _pattern(row: str) -> re.Pattern[str]:
    return re.compile(re.escape(row).replace(r"\#", r"(\d+)").replace(r"\*", "(.+)"))


def _template(row: str) -> str:
    return row.replace("#", "{}").replace("*", "{}")
