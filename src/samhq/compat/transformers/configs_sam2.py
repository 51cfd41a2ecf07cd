"""transformers' configuration classes for SAM 2 on pictures, and their conversion to samhq's own table.

As in `configs.py`, fields, defaults and files are transformers', and unknown names are dropped. The memory of videos is
in `configs_sam2_video.py`. Knows nothing about modules or weights.

Source: configuration_sam2.py of transformers 5.23 (field names and defaults).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from samhq.checkpoint.hf_config import config_to_transformers
from samhq.compat.transformers.configs import Settings, check_same, model_config_of, part_of, square_side, tolerant
from samhq.config import ModelConfig
from samhq.errors import CheckpointError, ConfigError

Made = TypeVar("Made", bound="Sam2Config")


@tolerant
@dataclass
class Sam2HieraDetConfig(Settings):
    """The numbers of Hiera, the encoder's backbone. Heads and widths double from stage to stage."""

    model_type: ClassVar[str] = "sam2_hiera_det_model"
    section: ClassVar[str] = "backbone_config"

    hidden_size: int = 96
    num_attention_heads: int = 1
    num_channels: int = 3
    image_size: Any = (1024, 1024)
    patch_kernel_size: tuple[int, int] = (7, 7)
    patch_stride: tuple[int, int] = (4, 4)
    patch_padding: tuple[int, int] = (3, 3)
    query_stride: tuple[int, int] = (2, 2)
    window_positional_embedding_background_size: tuple[int, int] = (7, 7)
    num_query_pool_stages: int = 3
    blocks_per_stage: tuple[int, ...] = (1, 2, 7, 2)
    embed_dim_per_stage: tuple[int, ...] = (96, 192, 384, 768)
    num_attention_heads_per_stage: tuple[int, ...] = (1, 2, 4, 8)
    window_size_per_stage: tuple[int, ...] = (8, 4, 14, 7)
    global_attention_blocks: tuple[int, ...] = (5, 7, 9)
    mlp_ratio: float = 4.0
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, list):
                setattr(self, name, tuple(value))


@tolerant
@dataclass
class Sam2VisionConfig(Settings):
    """The numbers of the image encoder: the backbone, and the neck that gives three maps of one width."""

    model_type: ClassVar[str] = "sam2_vision_model"
    section: ClassVar[str] = "vision_config"

    backbone_config: Any = None
    backbone_channel_list: tuple[int, ...] = (768, 384, 192, 96)
    backbone_feature_sizes: Any = ((256, 256), (128, 128), (64, 64))
    fpn_hidden_size: int = 256
    fpn_kernel_size: int = 1
    fpn_stride: int = 1
    fpn_padding: int = 0
    fpn_top_down_levels: tuple[int, ...] = (2, 3)
    num_feature_levels: int = 3
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        self.backbone_config = part_of(self.backbone_config, Sam2HieraDetConfig)
        self.backbone_channel_list = tuple(self.backbone_channel_list)
        self.backbone_feature_sizes = tuple(tuple(size) for size in self.backbone_feature_sizes)
        self.fpn_top_down_levels = tuple(self.fpn_top_down_levels)


@tolerant
@dataclass
class Sam2PromptEncoderConfig(Settings):
    """The prompt encoder's numbers."""

    model_type: ClassVar[str] = "sam2_prompt_encoder"
    section: ClassVar[str] = "prompt_encoder_config"

    hidden_size: int = 256
    image_size: int = 1024
    patch_size: int = 16
    mask_input_channels: int = 16
    num_point_embeddings: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    scale: int = 1

    def __post_init__(self) -> None:
        self.image_size, self.patch_size = square_side(self.image_size), square_side(self.patch_size)


@tolerant
@dataclass
class Sam2MaskDecoderConfig(Settings):
    """The mask decoder's numbers, and when a single mask gives way to the best of the other three."""

    model_type: ClassVar[str] = "sam2_mask_decoder"
    section: ClassVar[str] = "mask_decoder_config"

    hidden_size: int = 256
    hidden_act: str = "gelu"
    mlp_dim: int = 2048
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    attention_downsample_rate: int = 2
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    dynamic_multimask_via_stability: bool = True
    dynamic_multimask_stability_delta: float = 0.05
    dynamic_multimask_stability_thresh: float = 0.98


@tolerant
@dataclass
class Sam2Config(Settings):
    """A SAM 2 for pictures. Each part may be given as its class, as a dict, or not at all."""

    model_type: ClassVar[str] = "sam2"
    parts: ClassVar[tuple[type[Settings], ...]] = (Sam2VisionConfig, Sam2PromptEncoderConfig, Sam2MaskDecoderConfig)

    vision_config: Any = None
    prompt_encoder_config: Any = None
    mask_decoder_config: Any = None
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        for kind in self.parts:
            setattr(self, kind.section, part_of(getattr(self, kind.section), kind))

    @classmethod
    def from_model_config(cls: type[Made], config: ModelConfig) -> Made:
        """transformers' form of a row of samhq's table.

        Raises:
            ConfigError: transformers has no such model (HQ-SAM 2).
        """
        try:
            return cls.from_dict(config_to_transformers(cls.row(config)))
        except CheckpointError as error:
            raise ConfigError(f"{error} In Python, samhq.load runs every model.") from error

    def to_model_config(self) -> ModelConfig:
        """The row of samhq's table with the same numbers.

        Raises:
            ConfigError: parts that contradict each other, numbers that fit no model, or an option that samhq lacks.
        """
        vision, prompt, decoder = self.vision_config, self.prompt_encoder_config, self.mask_decoder_config
        backbone = vision.backbone_config
        width = "mask_decoder_config.hidden_size", decoder.hidden_size
        check_same("prompt_encoder_config.hidden_size", prompt.hidden_size, *width)
        check_same("vision_config.fpn_hidden_size", vision.fpn_hidden_size, *width)
        size = "prompt_encoder_config.image_size", prompt.image_size
        check_same("backbone_config.image_size", square_side(backbone.image_size), *size)
        check_same("backbone_config.layer_norm_eps", backbone.layer_norm_eps, "samhq", 1e-6)
        check_doubled("embed_dim_per_stage", backbone, "hidden_size")
        check_doubled("num_attention_heads_per_stage", backbone, "num_attention_heads")
        return self.row(model_config_of(self.to_dict()))

    @classmethod
    def row(cls, config: ModelConfig) -> ModelConfig:
        """The part of a row of samhq's table that this class holds: all but the memory."""
        return config.replace(memory=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values as transformers writes them, the parts as dicts."""
        return {**super().to_dict(), "architectures": [type(self).__name__.replace("Config", "Model")]}


def check_doubled(name: str, backbone: Sam2HieraDetConfig, first: str) -> None:
    """Refuses numbers by stage that do not begin with the field `first` and double from stage to stage.

    Raises:
        ConfigError: they do not.
    """
    doubled = tuple(getattr(backbone, first) * 2**stage for stage in range(len(backbone.blocks_per_stage)))
    check_same(f"backbone_config.{name}", getattr(backbone, name), f"{first}, doubled from stage to stage,", doubled)
