"""Every architecture number, once, as data: a new model is a row of `MODELS`.

Frozen dataclasses that know nothing about torch; `model/build.py` turns them into modules.

Source: published checkpoints of segment-anything, SAM-HQ (arXiv 2306.01567), MobileSAM
(arXiv 2306.14289) and SlimSAM (arXiv 2312.05284).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from samhq.errors import ConfigError, did_you_mean

#: What the HQ decoder returns: SAM's logits plus the HQ logits, the HQ logits alone, or SAM's alone.
HQMode = Literal["add", "only", "off"]
#: Which of SAM's four masks: the first; the best of the last three; those three; those three by falling score.
Candidates = Literal["single", "best", "all", "sorted"]

#: Point labels. Corners are how a box travels; `IGNORED` fills ragged batches and takes no part in attention.
IGNORED, NOT_A_POINT, BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT = -10, -1, 0, 1, 2, 3

PIXEL_MEAN = (123.675, 116.28, 103.53)  #: RGB, on a 0..255 scale
PIXEL_STD = (58.395, 57.12, 57.375)  #: RGB, on a 0..255 scale
MASK_THRESHOLD = 0.0  #: a pixel belongs to a mask when its logit is strictly above this
MOST_LOGIT = 1e6  #: of a mask prompt; the squares of much more are infinite in float32


@dataclass(frozen=True)
class ViTConfig:
    """Plain vision transformer with windowed attention and decomposed relative positions."""

    dim: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    mlp_dim: int = 0  #: 0 means four times `dim`
    head_dim: int = 0  #: 0 means `dim // heads`
    window: int = 14
    patch: int = 16
    qkv_bias: bool = True
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        if not self.mlp_dim:
            object.__setattr__(self, "mlp_dim", 4 * self.dim)
        if self.dim % self.heads:
            raise ConfigError(f"ViT: dim must be a multiple of heads, got dim={self.dim}, heads={self.heads}.")
        if not self.head_dim:
            object.__setattr__(self, "head_dim", self.dim // self.heads)
        if not self.global_blocks or not all(0 <= i < self.depth for i in self.global_blocks):
            raise ConfigError(f"ViT: global_blocks must name blocks 0..{self.depth - 1}, got {self.global_blocks}.")

    @property
    def early_dim(self) -> int:
        """Channels of the first global block's output, which HQ decoders read."""
        return self.dim


@dataclass(frozen=True)
class TinyViTConfig:
    """TinyViT-5M as Light HQ-SAM and MobileSAM use it: four stages, stride 16 in all."""

    dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (2, 4, 5, 10)
    windows: tuple[int, ...] = (7, 7, 14, 7)
    strides: tuple[int, ...] = (2, 2, 1)  #: of the three down-samplings between stages; SAM keeps the last grid
    mlp_ratio: int = 4
    expand: int = 4
    classes: int = 1000  #: of the unused classifier that the published checkpoints carry
    patch: int = 16
    norm_eps: float = 1e-5

    @property
    def early_dim(self) -> int:
        """Channels of the first attention stage's output, which Light HQ-SAM reads."""
        return self.dims[2]


@dataclass(frozen=True)
class HieraConfig:
    """Hiera with the feature pyramid of SAM 2: four stages at strides 4, 8, 16 and 32."""

    dim: int = 96  #: of the first stage; doubles with every stage
    heads: int = 1  #: of the first stage; doubles with every stage
    depths: tuple[int, ...] = (1, 2, 7, 2)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    background: int = 7  #: side of the position embedding that is enlarged to the grid
    window_positions: int = 8  #: side of the position embedding that is repeated over the grid
    mlp_ratio: int = 4
    patch: int = 16  #: pixels of a cell of the embedding, a side

    def __post_init__(self) -> None:
        stages, blocks = len(self.depths), sum(self.depths)
        if stages != 4 or len(self.windows) != 4 or min(self.depths) < 1 or min(self.windows) < 1:
            raise ConfigError(f"Hiera: expected four depths and four windows, got {self.depths} and {self.windows}.")
        if not all(0 <= i < blocks for i in self.global_blocks):
            raise ConfigError(f"Hiera: global_blocks must name blocks 0..{blocks - 1}, got {self.global_blocks}.")
        if self.dim % self.heads:
            raise ConfigError(f"Hiera: dim must be a multiple of heads, got dim={self.dim}, heads={self.heads}.")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(self.dim * 2**stage for stage in range(len(self.depths)))

    @property
    def step(self) -> int:
        """What the side must be a multiple of: positions of the first stage repeat every so many pixels."""
        return 4 * self.window_positions

    @property
    def early_dim(self) -> int:
        """HQ-SAM 2 reads no early features."""
        return 0


@dataclass(frozen=True)
class MemoryConfig:
    """How SAM 2 remembers objects in a video; the same numbers in every published model but for two marked ones."""

    dim: int = 64  #: channels of a memory map; object pointers are cut into tokens of so many
    maps: int = 7  #: memory maps that a frame looks at: the prompted frames', and six of the frames before
    depth: int = 4  #: layers of memory attention
    mlp_dim: int = 2048
    dropout: float = 0.1  #: in training
    fuser_depth: int = 2
    pointers: int = 16  #: frames whose object pointers count
    mask_scale: float = 20.0  #: of mask values on their way into memory
    mask_bias: float = -10.0
    absent_map: bool = True  #: SAM 2.1: memories of frames without the object are marked
    pointer_times: bool = True  #: SAM 2.1: object pointers carry how long ago they were made


@dataclass(frozen=True)
class DecoderConfig:
    """Prompt encoder, two-way transformer and mask heads; the same numbers in every published model."""

    dim: int = 256
    depth: int = 2
    heads: int = 8
    mlp_dim: int = 2048
    downsample: int = 2  #: cross-attention works in `dim // downsample` channels
    masks: int = 4  #: mask tokens: one for clear prompts, the rest for ambiguous ones
    iou_depth: int = 3
    iou_dim: int = 256
    prompt_channels: int = 16  #: of the mask prompt's convolutions
    norm_eps: float = 1e-5  #: transformers writes 1e-6 in its configs; the original models use 1e-5


@dataclass(frozen=True)
class ModelConfig:
    """One model: an encoder, a decoder, the side of the square it sees, and whether it has HQ heads."""

    name: str
    encoder: ViTConfig | TinyViTConfig | HieraConfig
    hq: bool = False
    side: int = 1024
    decoder: DecoderConfig = DecoderConfig()
    family: str = "SAM"
    memory: MemoryConfig | None = None  #: for SAM 2 models that can follow objects through a video

    def __post_init__(self) -> None:
        step = getattr(self.encoder, "step", self.encoder.patch)
        if self.side < step or self.side % step:
            raise ConfigError(f"{self.name}: the side must be a positive multiple of {step}, got {self.side}.")

    @property
    def second(self) -> bool:
        """Whether this is SAM 2: pictures fill the square, and the decoder takes in finer maps."""
        return isinstance(self.encoder, HieraConfig)

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
HIERA_T = HieraConfig()
HIERA_S = HieraConfig(depths=(1, 2, 11, 2), global_blocks=(7, 10, 13))
HIERA_B = HieraConfig(dim=112, heads=2, depths=(2, 3, 16, 3), global_blocks=(12, 16, 20), background=14)
HIERA_L = HieraConfig(dim=144, heads=2, depths=(2, 6, 36, 4), windows=(8, 4, 16, 8), global_blocks=(23, 33, 43))
MEMORY = MemoryConfig()
MEMORY_2_0 = MemoryConfig(absent_map=False, pointer_times=False)
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
    )
}

#: SAM 2's rows: networks that can be built; files of them cannot be loaded by name yet.
SAM2_MODELS: dict[str, ModelConfig] = {
    row.name: row
    for row in (
        ModelConfig("sam2.1_hiera_tiny", HIERA_T, family="SAM 2.1", memory=MEMORY),
        ModelConfig("sam2.1_hiera_small", HIERA_S, family="SAM 2.1", memory=MEMORY),
        ModelConfig("sam2.1_hiera_base_plus", HIERA_B, family="SAM 2.1", memory=MEMORY),
        ModelConfig("sam2.1_hiera_large", HIERA_L, family="SAM 2.1", memory=MEMORY),
        ModelConfig("sam2.1_hq_hiera_large", HIERA_L, hq=True, family="HQ-SAM 2", memory=MEMORY),
        ModelConfig("sam2_hiera_tiny", HIERA_T, family="SAM 2", memory=MEMORY_2_0),
        ModelConfig("sam2_hiera_small", HIERA_S, family="SAM 2", memory=MEMORY_2_0),
        ModelConfig("sam2_hiera_base_plus", HIERA_B, family="SAM 2", memory=MEMORY_2_0),
        ModelConfig("sam2_hiera_large", HIERA_L, family="SAM 2", memory=MEMORY_2_0),
    )
}


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
