"""SAM 2's `config.json` as transformers writes it, in both directions, and its image processor's settings.

`hf_config.py` calls this for SAM 2 and does what is common to all models. transformers has two classes: `Sam2Model` for
pictures, and `Sam2VideoModel`, which also has the memory. It has no HQ-SAM 2. Knows nothing about tensors.

Source: configuration_sam2.py and configuration_sam2_video.py of transformers 5.23; config files on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from samhq.config import DecoderConfig, MemoryConfig, ModelConfig
from samhq.encoder_config import HieraConfig
from samhq.errors import CheckpointError

KINDS = ("sam2", "sam2_video")  #: `model_type` of a model without memory, and with memory.

#: transformers' names, below the section, and our names.
_BACKBONE = {
    "hidden_size": "encoder.dim",
    "num_attention_heads": "encoder.heads",
    "blocks_per_stage": "encoder.depths",
    "window_size_per_stage": "encoder.windows",
    "global_attention_blocks": "encoder.global_blocks",
}
_DECODER = {
    "hidden_size": "decoder.dim",
    "num_hidden_layers": "decoder.depth",
    "num_attention_heads": "decoder.heads",
    "mlp_dim": "decoder.mlp_dim",
    "attention_downsample_rate": "decoder.downsample",
    "iou_head_depth": "decoder.iou_depth",
    "iou_head_hidden_dim": "decoder.iou_dim",
}
_PROMPTS = {"image_size": "side", "mask_input_channels": "decoder.prompt_channels"}
_MEMORY = {
    "num_maskmem": "memory.maps",
    "memory_encoder_output_channels": "memory.dim",
    "memory_attention_num_layers": "memory.depth",
    "memory_attention_feed_forward_hidden_size": "memory.mlp_dim",
    "memory_attention_dropout": "memory.dropout",
    "memory_fuser_num_layers": "memory.fuser_depth",
    "max_object_pointers_in_encoder": "memory.pointers",
    "sigmoid_scale_for_mem_enc": "memory.mask_scale",
    "enable_occlusion_spatial_embedding": "memory.absent_map",
    "enable_temporal_pos_encoding_for_object_pointers": "memory.pointer_times",
}
#: Options of transformers that no published model uses.
_FIXED: dict[str, dict[str, object]] = {
    "backbone": {"query_stride": [2, 2], "num_query_pool_stages": 3, "patch_stride": [4, 4], "hidden_act": "gelu"},
    "vision": {"fpn_top_down_levels": [2, 3], "num_feature_levels": 3, "fpn_kernel_size": 1},
    "decoder": {"num_multimask_outputs": 3, "hidden_act": "gelu"},
    "memory": {
        "memory_attention_num_attention_heads": 1,
        "memory_attention_downsample_rate": 1,
        "memory_attention_feed_forward_hidden_act": "relu",
        "mask_downsampler_kernel_size": 3,
        "mask_downsampler_stride": 2,
        "mask_downsampler_padding": 1,
        "mask_downsampler_total_stride": 16,
        "mask_downsampler_hidden_act": "gelu",
        "memory_fuser_kernel_size": 7,
        "memory_fuser_padding": 3,
        "memory_fuser_hidden_act": "gelu",
        "sigmoid_bias_for_mem_enc": -MemoryConfig.mask_shift,
        "max_cond_frame_num": -1,
        "multimask_output_in_sam": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "multimask_output_for_tracking": True,
    },
}


def declare_sam2(raw: Mapping[str, object]) -> dict[str, object]:
    """The fields that a `config.json` of SAM 2 states, by samhq's dotted names.

    Raises:
        CheckpointError: it states an option that samhq lacks.
    """
    vision = _section(raw, "vision_config")
    backbone = _section(vision, "backbone_config")
    sections = {
        "backbone": (backbone, _BACKBONE),
        "vision": (vision, {}),
        "decoder": (_section(raw, "mask_decoder_config"), _DECODER),
        "prompts": (_section(raw, "prompt_encoder_config"), _PROMPTS),
        "memory": (raw if raw.get("model_type") == KINDS[1] else {}, _MEMORY),
    }
    fields: dict[str, object] = {"hq": False}
    for part, (section, names) in sections.items():
        for option, only in _FIXED.get(part, {}).items():
            if _plain(section.get(option, only)) != only:
                raise CheckpointError(
                    f"Expected {option} to be {only!r}, got {section[option]!r:.80}, which samhq does not have. "
                    "Load the model with transformers."
                )
        fields |= {new: _plain(section[old]) for old, new in names.items() if section.get(old) is not None}
    size = _plain(backbone.get("window_positional_embedding_background_size"))
    if isinstance(size, list) and len(set(size)) == 1:
        fields["encoder.background"] = size[0]
    if isinstance(ratio := backbone.get("mlp_ratio"), float | int):
        fields["encoder.mlp_ratio"] = int(ratio)
    return fields


def sam2_to_transformers(config: ModelConfig, values: Mapping[str, object]) -> dict[str, object]:
    """The `config.json` of transformers 5 for this model; `values` are the config's fields by dotted name.

    Raises:
        CheckpointError: transformers has no such model.
    """
    encoder, decoder, memory = cast(HieraConfig, config.encoder), config.decoder, config.memory  # SAM 2 has no other.
    if config.hq:
        raise CheckpointError(
            f"Expected a model that transformers has, got {config.name}: it has no HQ-SAM 2. "
            "Write it as .safetensors or .pt instead."
        )
    if decoder.masks != 4 or (memory is not None and memory.dim != MemoryConfig.dim):
        raise CheckpointError(
            f"Expected four masks and memories of {MemoryConfig.dim} channels, as transformers has them, got "
            f"{config.name} with others. Write it as .safetensors instead."
        )
    grid, kind = config.grid, KINDS[memory is not None]
    return {
        "architectures": ["Sam2VideoModel" if memory else "Sam2Model"],
        "model_type": kind,
        "initializer_range": 0.02,
        "vision_config": {
            "backbone_config": _backbone(config, encoder, values),
            "backbone_channel_list": list(reversed(encoder.widths)),
            "backbone_feature_sizes": [[4 * grid] * 2, [2 * grid] * 2, [grid] * 2],
            "fpn_hidden_size": decoder.dim,
            **_FIXED["vision"],
            "model_type": "sam2_vision_model",
        },
        "prompt_encoder_config": {
            **_stated(_PROMPTS, values),
            "hidden_size": decoder.dim,
            "patch_size": encoder.patch,
            "model_type": f"{kind}_prompt_encoder",
        },
        "mask_decoder_config": {
            **_stated(_DECODER, values),
            **_FIXED["decoder"],
            "dynamic_multimask_via_stability": True,
            "model_type": f"{kind}_mask_decoder",
        },
        **({} if memory is None else _memory(config, memory, decoder, values)),
    }


def sam2_processor_to_transformers(config: ModelConfig) -> dict[str, object]:
    """`preprocessor_config.json` for transformers' Sam2ImageProcessor."""
    mean, std = config.encoder.normalisation
    return {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [round(value / 255, 6) for value in mean],
        "image_processor_type": "Sam2ImageProcessorFast",
        "image_std": [round(value / 255, 6) for value in std],
        "mask_size": {"height": 4 * config.grid, "width": 4 * config.grid},
        "processor_class": "Sam2VideoProcessor" if config.memory else "Sam2Processor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": config.side, "width": config.side},
    }


def _backbone(config: ModelConfig, encoder: HieraConfig, values: Mapping[str, object]) -> dict[str, object]:
    return {
        **_stated(_BACKBONE, values),
        **_FIXED["backbone"],
        "embed_dim_per_stage": list(encoder.widths),
        "num_attention_heads_per_stage": [encoder.heads * 2**stage for stage in range(4)],
        "window_positional_embedding_background_size": [encoder.background] * 2,
        "mlp_ratio": float(encoder.mlp_ratio),
        "image_size": [config.side] * 2,
        "model_type": "sam2_hiera_det_model",
    }


def _memory(
    config: ModelConfig, memory: MemoryConfig, decoder: DecoderConfig, values: Mapping[str, object]
) -> dict[str, object]:
    return {
        **_stated(_MEMORY, values),
        **_FIXED["memory"],
        "image_size": config.side,
        "memory_attention_hidden_size": decoder.dim,
        "memory_attention_rope_feat_sizes": [config.grid] * 2,
        "memory_attention_rope_dropout": memory.dropout,
        "memory_encoder_hidden_size": decoder.dim,
        "mask_downsampler_embed_dim": decoder.dim,
        "memory_fuser_embed_dim": decoder.dim,
        "memory_fuser_intermediate_dim": 4 * decoder.dim,
    }


def _stated(names: Mapping[str, str], values: Mapping[str, object]) -> dict[str, object]:
    """transformers' names with our values, tuples as lists."""
    stated = {old: values[new] for old, new in names.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in stated.items()}


def _section(raw: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = raw.get(name)
    return section if isinstance(section, Mapping) else {}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
