"""`config.json` as transformers writes it, in both directions, and the processor's settings beside it.

Reading is tolerant: missing fields have transformers' defaults, unknown and generic fields are ignored, and "sam-hq"
counts as "sam_hq". Knows nothing about tensors.

The decoder's `layer_norm_eps` is not read: transformers writes 1e-6 for every model, but all published weights were
trained with 1e-5, which the original code and this library use.

Source: configuration_sam.py and configuration_sam_hq.py of transformers 5.23; config files on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samhq.checkpoint import declared, hf_config_sam2
from samhq.config import HIERA_T, MAP_NORM_EPS, SAM2, VIT_B, MemoryConfig, ModelConfig
from samhq.errors import CheckpointError

_FIELDS = {
    "vision_config": {
        "hidden_size": "encoder.dim",
        "num_hidden_layers": "encoder.depth",
        "num_attention_heads": "encoder.heads",
        "mlp_dim": "encoder.mlp_dim",
        "window_size": "encoder.window",
        "global_attn_indexes": "encoder.global_blocks",
        "patch_size": "encoder.patch",
        "qkv_bias": "encoder.qkv_bias",
        "layer_norm_eps": "encoder.norm_eps",
        "image_size": "side",
        "output_channels": "decoder.dim",
    },
    "prompt_encoder_config": {"hidden_size": "decoder.dim", "mask_input_channels": "decoder.prompt_channels"},
    "mask_decoder_config": {
        "hidden_size": "decoder.dim",
        "num_hidden_layers": "decoder.depth",
        "num_attention_heads": "decoder.heads",
        "mlp_dim": "decoder.mlp_dim",
        "attention_downsample_rate": "decoder.downsample",
        "num_multimask_outputs": "decoder.masks",
        "iou_head_depth": "decoder.iou_depth",
        "iou_head_hidden_dim": "decoder.iou_dim",
    },
}
#: Options of transformers that no published model uses.
_FIXED: dict[str, dict[str, object]] = {
    "vision_config": {"hidden_act": "gelu", "use_abs_pos": True, "use_rel_pos": True, "num_channels": 3},
    "prompt_encoder_config": {"hidden_act": "gelu", "num_point_embeddings": 4},
    "mask_decoder_config": {"hidden_act": "relu"},
}


def config_from_transformers(raw: Mapping[str, object]) -> ModelConfig:
    """The model that a `config.json` describes; a published row if its numbers are the same.

    >>> config_from_transformers({"model_type": "sam-hq"}).name
    'sam_hq_vit_b'

    Raises:
        CheckpointError: another kind of model, a value of the wrong type, or an option that samhq lacks.
    """
    fields = dict(declare(raw))
    if raw.get("model_type") in hf_config_sam2.KINDS:
        memory = MemoryConfig() if raw["model_type"] == hf_config_sam2.KINDS[1] else None
        base = ModelConfig("custom", HIERA_T, memory=memory, defaults=SAM2)
        return declared.with_published_name(declared.with_fields(fields, base))
    for name, default in (("dim", VIT_B.dim), ("heads", VIT_B.heads), ("depth", VIT_B.depth)):
        fields[f"encoder.{name}"] = declared.checked(name, fields.get(f"encoder.{name}", default), default)
    dim, heads = fields["encoder.dim"], fields["encoder.heads"]
    if not (isinstance(dim, int) and isinstance(heads, int) and heads):
        raise CheckpointError(
            f"Expected hidden_size and num_attention_heads above 0, got {dim!r:.80} and {heads!r:.80}. "
            "Correct config.json."
        )
    fields = {"encoder.mlp_dim": 4 * dim, "encoder.head_dim": dim // heads, **fields}
    return declared.with_published_name(declared.with_fields(fields, ModelConfig("custom", VIT_B)))


def declare(raw: Mapping[str, object]) -> dict[str, object]:
    """The fields that a `config.json` states, by samhq's dotted names.

    Raises:
        CheckpointError: it belongs to another kind of model, or states an option that samhq lacks.
    """
    if raw.get("model_type") in hf_config_sam2.KINDS:
        return hf_config_sam2.declare_sam2(raw)
    fields: dict[str, object] = {"hq": _is_hq(raw)} if "model_type" in raw else {}
    for part, names in _FIELDS.items():
        section = raw.get(part)
        if not isinstance(section, Mapping):
            continue
        for option, only in _FIXED[part].items():
            if section.get(option, only) != only:
                raise CheckpointError(
                    f"Expected {part}.{option} to be {only!r}, got {section[option]!r:.80}, which samhq does not have. "
                    "Load the model with transformers."
                )
        fields |= {new: _single(section[old]) for old, new in names.items() if section.get(old) is not None}
        if part == "mask_decoder_config" and isinstance(masks := fields.get("decoder.masks"), int):
            fields["decoder.masks"] = masks + 1
        if part == "vision_config":
            _settle_vision(fields, section)
    return fields


def config_to_transformers(config: ModelConfig) -> dict[str, object]:
    """The `config.json` of transformers 5 for this model, but with the true `layer_norm_eps` of the decoder.

    Raises:
        CheckpointError: transformers has no such model, see `EncoderConfig.in_transformers`.
    """
    encoder, decoder, kind = config.encoder, config.decoder, "sam_hq" if config.hq else "sam"
    if not encoder.in_transformers:
        raise CheckpointError(
            "Expected a ViT whose heads fill the width, or a Hiera with repeated positions of 8 x 8, got "
            f"{config.name} with the encoder {encoder.kind}, for which transformers has no format. Write it as "
            ".safetensors or .pth instead."
        )
    if config.second:
        return hf_config_sam2.sam2_to_transformers(config, declared.flat_fields(config))
    width = encoder.early_dim
    tail: dict[str, object] = {"vit_dim": width} if config.hq else {}
    return {
        "architectures": ["SamHQModel" if config.hq else "SamModel"],
        "initializer_range": 0.02,
        "mask_decoder_config": {**_part(config, "mask_decoder", kind), "layer_norm_eps": decoder.norm_eps, **tail},
        "model_type": kind,
        "prompt_encoder_config": {
            **_part(config, "prompt_encoder", kind),
            "image_embedding_size": config.grid,
            "image_size": config.side,
            "layer_norm_eps": MAP_NORM_EPS,
            "patch_size": encoder.patch,
        },
        "tie_word_embeddings": True,
        "vision_config": {
            **(vision := _part(config, "vision", kind)),
            "attention_dropout": 0.0,
            "initializer_range": 1e-10,
            "mlp_ratio": vision["mlp_dim"] / width,
            "model_type": f"{kind}_vision_model",
            "num_pos_feats": decoder.dim // 2,
            "scale": width // 2,
        },
    }


def processor_to_transformers(config: ModelConfig) -> dict[str, object]:
    """`preprocessor_config.json` for transformers' image processor of the model's kind."""
    if config.second:
        return hf_config_sam2.sam2_processor_to_transformers(config)
    low, (mean, std) = 4 * config.grid, config.encoder.normalisation
    return {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [round(value / 255, 6) for value in mean],
        "image_processor_type": "SamImageProcessor",
        "image_std": [round(value / 255, 6) for value in std],
        "mask_pad_size": {"height": low, "width": low},
        "mask_size": {"longest_edge": low},
        "pad_size": {"height": config.side, "width": config.side},
        "processor_class": "SamHQProcessor" if config.hq else "SamProcessor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": config.side},
    }


def _is_hq(raw: Mapping[str, object]) -> bool:
    kind = str(raw["model_type"]).replace("-", "_")
    if kind not in ("sam", "sam_hq"):
        raise CheckpointError(
            "Expected a config.json of model_type 'sam', 'sam_hq', 'sam2' or 'sam2_video', "
            f"got {raw['model_type']!r:.80}. Load another model."
        )
    return kind == "sam_hq"


def _settle_vision(fields: dict[str, object], section: Mapping[str, object]) -> None:
    """Sets the two values that depend on others: the MLP's width, and global blocks that exist."""
    dim, ratio = fields.get("encoder.dim", VIT_B.dim), section.get("mlp_ratio")
    if isinstance(dim, int) and isinstance(ratio, int | float):
        fields.setdefault("encoder.mlp_dim", int(dim * ratio))
    blocks, depth = fields.get("encoder.global_blocks"), fields.get("encoder.depth", VIT_B.depth)
    if isinstance(blocks, list | tuple) and isinstance(depth, int):
        existing = tuple(i for i in blocks if isinstance(i, int) and i < depth)
        fields["encoder.global_blocks"] = existing


def _single(value: object) -> object:
    """The side of a square that is given as a pair."""
    return value[0] if isinstance(value, list) and len(value) == 2 and value[0] == value[1] else value


def _part(config: ModelConfig, part: str, kind: str) -> dict[str, Any]:
    values = declared.flat_fields(config)
    stated = {old: values[new] for old, new in _FIELDS[f"{part}_config"].items()}
    for name, value in stated.items():
        if isinstance(value, tuple):
            stated[name] = list(value)
    if "num_multimask_outputs" in stated:
        stated["num_multimask_outputs"] = config.decoder.masks - 1
    return {**stated, **_FIXED[f"{part}_config"], "model_type": f"{kind}_{part}"}
