"""Every architecture number, once, as data: a new model is a row of `MODELS`.

Frozen dataclasses that know nothing about torch; `model/build.py` turns them into modules.

Source: published checkpoints of segment-anything, SAM-HQ (arXiv 2306.01567), MobileSAM
(arXiv 2306.14289), SlimSAM (arXiv 2312.05284), SAM 2 (arXiv 2408.00714) and HQ-SAM 2.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from samhq.encoder_config import (
    EfficientNetLiteConfig,
    EncoderConfig,
    HieraConfig,
    TinyViTConfig,
    ViTConfig,
)
from samhq.errors import ConfigError, did_you_mean

#: What the HQ decoder returns: SAM's logits plus the HQ logits, the HQ logits alone, or SAM's alone.
HQMode = Literal["add", "only", "off"]
#: Which of SAM's four masks: the first; the best of the last three; the last three; those three by falling score.
Candidates = Literal["single", "best", "all", "sorted"]
#: Which of SAM's masks answers a single click: the best of three, or the one trained for clear prompts.
ClickMask = Literal["best", "single"]
#: Which of several overlapping objects owns a pixel of a label map: the smallest, or the one with the best score.
Order = Literal["area", "score"]

#: Point labels. Boxes are two points with corner labels; `IGNORED` pads ragged batches and is masked out of attention.
IGNORED, NOT_A_POINT, BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT = -10, -1, 0, 1, 2, 3

MASK_THRESHOLD = 0.0  #: A pixel belongs to a mask if its logit is strictly above this.
SURE_LOGIT = 10.0  #: Logit of a mask prompt's pixels on the object; pixels off the object get the negative.
MAP_NORM_EPS = 1e-6  #: Epsilon of norms over the channels of a map, in every published model.
MOST_LOGIT = 1e6  #: Largest logit of a mask prompt; the squares of much larger values are infinite in float32.


@dataclass(frozen=True)
class MemoryConfig:
    """How SAM 2 remembers objects in a video. The published models differ only in the two fields marked SAM 2.1."""

    dim: int = 64  #: Channels of a memory map. Object pointers are split into tokens of this many channels.
    maps: int = 7  #: Memory maps that a frame attends to: those of prompted frames, and of six frames before.
    depth: int = 4  #: Layers of memory attention.
    mlp_dim: int = 2048
    dropout: float = 0.1  #: in training
    fuser_depth: int = 2
    pointers: int = 16  #: Number of frames whose object pointers are used.
    mask_scale: float = 20.0  #: Mask values in 0..1 are multiplied by this before they enter memory, ...
    mask_shift: float = 10.0  #: ... and this is subtracted.
    absent_map: bool = True  #: SAM 2.1: memories of frames without the object are marked.
    pointer_times: bool = True  #: SAM 2.1: object pointers carry their age in frames.


@dataclass(frozen=True)
class DecoderConfig:
    """Prompt encoder, two-way transformer and mask heads; all published models have the same numbers."""

    dim: int = 256
    depth: int = 2
    heads: int = 8
    mlp_dim: int = 2048
    downsample: int = 2  #: Cross-attention works in `dim // downsample` channels.
    masks: int = 4  #: Mask tokens: one for clear prompts, the others for ambiguous ones.
    iou_depth: int = 3
    iou_dim: int = 256
    prompt_channels: int = 16  #: of the mask prompt's convolutions
    norm_eps: float = 1e-5  #: transformers writes 1e-6 in its configs; the original models use 1e-5

    head_depth: ClassVar[int] = 3  #: Layers of the MLP that makes the vector of each mask, the HQ mask's included.

    @property
    def middle_dim(self) -> int:
        """Channels half way from the image tokens to the mask features."""
        return self.dim // 4

    @property
    def mask_dim(self) -> int:
        """Channels of the mask features and of the HQ map."""
        return self.dim // 8


@dataclass(frozen=True)
class Defaults:
    """Settings that come with weights, because they were tuned for them; None means the library's own default."""

    pred_iou_thresh: float | None = None  #: Of whole-image masks, as `AutomaticConfig.pred_iou_thresh`.
    stability_score_thresh: float | None = None  #: Of whole-image masks, as `AutomaticConfig.stability_score_thresh`.
    hq: HQMode | None = None  #: The HQ mode.
    #: Objects with a box prompt get a second look in a crop with this share of their longer side as margin.
    refine_margin: float | None = None
    #: Thin objects with a second look get a closer one, in tiles of 1 / `thin_zoom` of their longer side.
    thin_zoom: float | None = None
    click_mask: ClickMask | None = None  #: Which mask answers a single click; "best" where None.

    def stated(self) -> dict[str, Any]:
        """The settings that are not None.

        >>> Defaults(hq="only").stated()
        {'hq': 'only'}
        """
        return {name: value for name, value in vars(self).items() if value is not None}


NO_DEFAULTS = Defaults()


@dataclass(frozen=True)
class ModelConfig:
    """One model: an encoder, a decoder, the side of its input square, and whether it has HQ heads.

    `defaults` come with the weights and are not part of the architecture: equal configs may have different defaults.
    """

    name: str
    encoder: EncoderConfig
    hq: bool = False
    side: int = 1024
    decoder: DecoderConfig = DecoderConfig()
    family: str = "SAM"
    memory: MemoryConfig | None = None  #: For SAM 2 models that can follow objects through a video.
    defaults: Defaults = field(default=NO_DEFAULTS, compare=False)

    def __post_init__(self) -> None:
        step = self.encoder.step
        if self.side < step or self.side % step:
            raise ConfigError(
                f"Expected the side of {self.name} as a positive multiple of {step}, got {self.side}. Use another side."
            )

    @property
    def second(self) -> bool:
        """Whether this is SAM 2: pictures fill the square, and the decoder uses finer maps."""
        return self.encoder.generation == 2

    @property
    def has_hq_map(self) -> bool:
        """Whether embeddings carry an HQ map; HQ-SAM 2 needs none."""
        return self.hq and not self.second

    @property
    def grid(self) -> int:
        """Side of the embedding grid; low-resolution masks are four times as large."""
        return self.side // self.encoder.patch

    def replace(self, **changes: object) -> ModelConfig:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


VIT_B = ViTConfig(dim=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11))
VIT_L = ViTConfig(dim=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23))
VIT_H = ViTConfig(dim=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31))
TINY_VIT = TinyViTConfig()
EFFICIENTNET_LITE0 = EfficientNetLiteConfig()
HIERA_T = HieraConfig()
HIERA_S = HieraConfig(depths=(1, 2, 11, 2), global_blocks=(7, 10, 13))
HIERA_B = HieraConfig(dim=112, heads=2, depths=(2, 3, 16, 3), global_blocks=(12, 16, 20), background=14)
HIERA_L = HieraConfig(dim=144, heads=2, depths=(2, 6, 36, 4), windows=(8, 4, 16, 8), global_blocks=(23, 33, 43))
MEMORY = MemoryConfig()
MEMORY_2_0 = MemoryConfig(absent_map=False, pointer_times=False)
SAM2 = Defaults(pred_iou_thresh=0.8)  #: SAM 2's predicted IoU is lower, because it is a sigmoid.
SLIM_50 = ViTConfig(dim=384, depth=12, heads=12, global_blocks=(2, 5, 8, 11))
SLIM_77 = ViTConfig(dim=168, depth=12, heads=12, global_blocks=(2, 5, 8, 11), mlp_dim=696)

MODELS: dict[str, ModelConfig] = {
    row.name: row
    for row in (
        ModelConfig("sam_vit_b", VIT_B),
        ModelConfig("sam_vit_l", VIT_L),
        ModelConfig("sam_vit_h", VIT_H),
        ModelConfig("sam_hq_vit_b", VIT_B, hq=True, family="SAM-HQ"),
        ModelConfig("sam_hq_vit_l", VIT_L, hq=True, family="SAM-HQ"),
        ModelConfig("sam_hq_vit_h", VIT_H, hq=True, family="SAM-HQ"),
        ModelConfig("sam_hq_vit_tiny", TINY_VIT, hq=True, family="Light HQ-SAM"),
        ModelConfig("mobile_sam", TINY_VIT, family="MobileSAM"),
        ModelConfig("slimsam_50", SLIM_50, family="SlimSAM"),
        ModelConfig("slimsam_77", SLIM_77, family="SlimSAM"),
        ModelConfig("sam2.1_hiera_tiny", HIERA_T, family="SAM 2.1", memory=MEMORY, defaults=SAM2),
        ModelConfig("sam2.1_hiera_small", HIERA_S, family="SAM 2.1", memory=MEMORY, defaults=SAM2),
        ModelConfig("sam2.1_hiera_base_plus", HIERA_B, family="SAM 2.1", memory=MEMORY, defaults=SAM2),
        ModelConfig("sam2.1_hiera_large", HIERA_L, family="SAM 2.1", memory=MEMORY, defaults=SAM2),
        ModelConfig("sam2.1_hq_hiera_large", HIERA_L, hq=True, family="HQ-SAM 2", memory=MEMORY, defaults=SAM2),
        ModelConfig("sam2_hiera_tiny", HIERA_T, family="SAM 2", memory=MEMORY_2_0, defaults=SAM2),
        ModelConfig("sam2_hiera_small", HIERA_S, family="SAM 2", memory=MEMORY_2_0, defaults=SAM2),
        ModelConfig("sam2_hiera_base_plus", HIERA_B, family="SAM 2", memory=MEMORY_2_0, defaults=SAM2),
        ModelConfig("sam2_hiera_large", HIERA_L, family="SAM 2", memory=MEMORY_2_0, defaults=SAM2),
        ModelConfig("starter", EFFICIENTNET_LITE0, hq=True, side=512, family="samhq starter"),
    )
}

#: The rows of SAM 2.
SAM2_MODELS = {name: row for name, row in MODELS.items() if row.second}


def model_config(name: str) -> ModelConfig:
    """The published model called `name`.

    >>> model_config("sam_hq_vit_l").encoder.depth
    24

    Raises:
        ConfigError: no model has that name; the message offers the nearest.
    """
    if name not in MODELS:
        raise ConfigError(f"Expected the name of a model, got {name!r}. {did_you_mean(name, MODELS)}")
    return MODELS[name]
