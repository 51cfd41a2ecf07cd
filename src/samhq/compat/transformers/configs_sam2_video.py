"""transformers' configuration classes for SAM 2 with its memory of videos, and their conversion to samhq's own table.

As in `configs.py`, fields, defaults and files are transformers', and unknown names are dropped. Knows nothing about
modules or weights.

Source: configuration_sam2_video.py of transformers 5.23 (field names and defaults).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from samhq.compat.transformers.configs import Settings, check_same, square_side, tolerant
from samhq.compat.transformers.configs_sam2 import (
    Sam2Config,
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)
from samhq.config import ModelConfig
from samhq.errors import ConfigError


@tolerant
@dataclass
class Sam2VideoPromptEncoderConfig(Sam2PromptEncoderConfig):
    """The prompt encoder's numbers."""

    model_type: ClassVar[str] = "sam2_video_prompt_encoder"


@tolerant
@dataclass
class Sam2VideoMaskDecoderConfig(Sam2MaskDecoderConfig):
    """The mask decoder's numbers, and when a single mask gives way to the best of the other three."""

    model_type: ClassVar[str] = "sam2_video_mask_decoder"


#: Fields that are as wide as the mask decoder.
_WIDTHS = (
    "memory_attention_hidden_size",
    "memory_encoder_hidden_size",
    "mask_downsampler_embed_dim",
    "memory_fuser_embed_dim",
)


@tolerant
@dataclass
class Sam2VideoConfig(Sam2Config):
    """A SAM 2 with memory. Each part may be given as its class, as a dict, or not at all."""

    model_type: ClassVar[str] = "sam2_video"
    parts: ClassVar[tuple[type[Settings], ...]] = (
        Sam2VisionConfig,
        Sam2VideoPromptEncoderConfig,
        Sam2VideoMaskDecoderConfig,
    )

    num_maskmem: int = 7
    image_size: int = 1024
    sigmoid_scale_for_mem_enc: float = 20.0
    sigmoid_bias_for_mem_enc: float = -10.0
    enable_occlusion_spatial_embedding: bool = True
    multimask_output_in_sam: bool = True
    multimask_min_pt_num: int = 0
    multimask_max_pt_num: int = 1
    multimask_output_for_tracking: bool = True
    max_object_pointers_in_encoder: int = 16
    max_cond_frame_num: int = -1
    enable_temporal_pos_encoding_for_object_pointers: bool = True
    memory_attention_hidden_size: int = 256
    memory_attention_num_layers: int = 4
    memory_attention_num_attention_heads: int = 1
    memory_attention_downsample_rate: int = 1
    memory_attention_feed_forward_hidden_size: int = 2048
    memory_attention_feed_forward_hidden_act: str = "relu"
    memory_attention_dropout: float = 0.1
    memory_attention_rope_feat_sizes: tuple[int, int] = (64, 64)
    memory_attention_rope_dropout: float = 0.1
    memory_encoder_hidden_size: int = 256
    memory_encoder_output_channels: int = 64
    mask_downsampler_embed_dim: int = 256
    mask_downsampler_kernel_size: int = 3
    mask_downsampler_stride: int = 2
    mask_downsampler_padding: int = 1
    mask_downsampler_total_stride: int = 16
    mask_downsampler_hidden_act: str = "gelu"
    memory_fuser_num_layers: int = 2
    memory_fuser_embed_dim: int = 256
    memory_fuser_intermediate_dim: int = 1024
    memory_fuser_kernel_size: int = 7
    memory_fuser_padding: int = 3
    memory_fuser_layer_scale_init_value: float = 1e-6
    memory_fuser_hidden_act: str = "gelu"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.image_size = square_side(self.image_size)
        self.memory_attention_rope_feat_sizes = tuple(self.memory_attention_rope_feat_sizes)  # type: ignore[assignment]

    def to_model_config(self) -> ModelConfig:
        """The row of samhq's table with the same numbers.

        Raises:
            ConfigError: parts that contradict each other, numbers that fit no model, or an option that samhq lacks.
        """
        width = "mask_decoder_config.hidden_size", self.mask_decoder_config.hidden_size
        for name in _WIDTHS:
            check_same(name, getattr(self, name), *width)
        check_same("memory_fuser_intermediate_dim", self.memory_fuser_intermediate_dim, f"4 x {width[0]}", 4 * width[1])
        side = self.prompt_encoder_config.image_size
        check_same("image_size", self.image_size, "prompt_encoder_config.image_size", side)
        grid = side // self.prompt_encoder_config.patch_size
        check_same("memory_attention_rope_feat_sizes", self.memory_attention_rope_feat_sizes, "image_size", (grid,) * 2)
        return super().to_model_config()

    @classmethod
    def row(cls, config: ModelConfig) -> ModelConfig:
        """The row itself.

        Raises:
            ConfigError: it has no memory.
        """
        if config.memory is None:
            raise ConfigError(
                f"Expected a SAM 2 with the memory of videos, got {config.name} without it. Use Sam2Model, or load "
                "weights that have it, such as facebook/sam2.1-hiera-tiny."
            )
        return config
