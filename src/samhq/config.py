"""Every architecture number, once, as data: a new model is a row of `MODELS`.

Frozen dataclasses that know nothing about torch; `model/build.py` turns them into modules.

Source: published checkpoints of segment-anything, SAM-HQ (arXiv 2306.01567), MobileSAM
(arXiv 2306.14289), SlimSAM (arXiv 2312.05284), SAM 2 (arXiv 2408.00714) and HQ-SAM 2.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from samhq import operations
from samhq.errors import ConfigError, did_you_mean

#: What the HQ decoder returns: SAM's logits plus the HQ logits, the HQ logits alone, or SAM's alone.
HQMode = Literal["add", "only", "off"]
#: Which of SAM's four masks: the first; the best of the last three; those three; those three by falling score.
Candidates = Literal["single", "best", "all", "sorted"]

#: Where HQ decoders get early features from: a map of the embedding grid, or one four times as fine.
HQLevel = Literal["stride16", "stride4"]

#: Point labels. Corners are how a box travels; `IGNORED` fills ragged batches and takes no part in attention.
IGNORED, NOT_A_POINT, BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT = -10, -1, 0, 1, 2, 3

PIXEL_MEAN = (123.675, 116.28, 103.53)  #: RGB, on a 0..255 scale
PIXEL_STD = (58.395, 57.12, 57.375)  #: RGB, on a 0..255 scale
MASK_THRESHOLD = 0.0  #: a pixel belongs to a mask when its logit is strictly above this
SURE_LOGIT = 10.0  #: of a mask prompt's pixels that are surely on the object; minus that, surely off
MAP_NORM_EPS = 1e-6  #: of norms over the channels of a map, in every published model
MOST_LOGIT = 1e6  #: of a mask prompt; the squares of much more are infinite in float32


class Normalisation(NamedTuple):
    """What pixels are normalised by before a network sees them: (x - mean) / std, RGB on a 0..255 scale."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation(PIXEL_MEAN, PIXEL_STD)  #: that of SAM, SAM-HQ and all published models


@dataclass(frozen=True)
class EncoderConfig(ABC):
    """The numbers of one image encoder, and what the rest of the library has to know about its kind.

    A subclass adds its numbers as fields; class variables say what is the same for all encoders of the kind. Nobody
    asks which subclass a row is: what differs is a member here, or a function in `samhq.model.encoders`.
    """

    kind: ClassVar[str]  #: what people call it, as in "a ViT"
    #: Families that models with this encoder belong to, without and with HQ heads, unless a published row says else.
    families: ClassVar[tuple[str, str]] = ("SAM", "SAM-HQ")
    fixed_side: ClassVar[bool] = False  #: whether its weights suit one side only, because they hold a value a position
    hq_level: ClassVar[HQLevel] = "stride16"  #: the resolution of its first level, which HQ decoders read
    normalisation: ClassVar[Normalisation] = IMAGENET  #: what its pixels are normalised by
    lora: ClassVar[tuple[str, ...]] = ()  #: ends of the names of linear layers that LoRA adapts
    idle: ClassVar[tuple[str, ...]] = ()  #: modules that published files carry and that no forward pass uses
    generation: ClassVar[int] = 1  #: 2 for SAM 2: its decoder takes in finer maps, and pictures fill the square

    patch: int = field(default=16, kw_only=True)  #: pixels along one side of a cell of the embedding grid

    @property
    @abstractmethod
    def early_dim(self) -> int:
        """Channels of the first level, which HQ decoders read."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """The encoder in a few words, for `samhq info`."""

    @abstractmethod
    def operations(self, side: int, out: int) -> int:
        """Multiplications and additions for one picture of `side` pixels, the neck to `out` channels included."""

    @property
    def step(self) -> int:
        """What the side of a picture must be a multiple of."""
        return self.patch

    @property
    def in_transformers(self) -> bool:
        """Whether the transformers library has such an encoder, so that files can be written for it."""
        return False

    @property
    def shortest(self) -> EncoderConfig:
        """An encoder with the same outputs and as few layers as possible, for runs that only decode."""
        return self

    def level_hwc(self, side: int) -> tuple[int, int, int]:
        """Height, width and channels of the first level for pictures of `side` pixels."""
        size = side // self.patch * (4 if self.hq_level == "stride4" else 1)
        return size, size, self.early_dim


@dataclass(frozen=True)
class ViTConfig(EncoderConfig):
    """Plain vision transformer with windowed attention and decomposed relative positions."""

    kind: ClassVar[str] = "ViT"
    fixed_side: ClassVar[bool] = True
    lora: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj")

    dim: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    mlp_dim: int = 0  #: 0 means four times `dim`
    head_dim: int = 0  #: 0 means `dim // heads`
    window: int = 14
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
        """Channels of the first global block's output."""
        return self.dim

    @property
    def summary(self) -> str:
        """Depth and width."""
        return f"ViT, {self.depth} blocks, {self.dim} wide"

    @property
    def in_transformers(self) -> bool:
        """True where the heads fill the width; transformers has no other heads."""
        return self.head_dim * self.heads == self.dim

    @property
    def shortest(self) -> ViTConfig:
        """One global block."""
        return dataclasses.replace(self, depth=1, global_blocks=(0,))

    def operations(self, side: int, out: int) -> int:
        """Patches, blocks and neck."""
        grid = side // self.patch
        cells, inner = grid**2, self.heads * self.head_dim
        linear = operations.matrix(cells, self.dim, 3 * inner) + operations.matrix(cells, inner, self.dim)
        linear += 2 * operations.matrix(cells, self.dim, self.mlp_dim)
        sizes = (0 if i in self.global_blocks else self.window for i in range(self.depth))
        attention = sum(operations.biased_attention(grid, size, inner) for size in sizes)
        patches = operations.matrix(cells, 3 * self.patch**2, self.dim)
        return patches + self.depth * linear + attention + operations.neck(cells, self.dim, out)


@dataclass(frozen=True)
class TinyViTConfig(EncoderConfig):
    """TinyViT-5M as Light HQ-SAM and MobileSAM use it: four stages, stride 16 in all."""

    kind: ClassVar[str] = "TinyViT"
    families: ClassVar[tuple[str, str]] = ("MobileSAM", "Light HQ-SAM")
    lora: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj")
    idle: ClassVar[tuple[str, ...]] = ("norm_head", "head")

    dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (2, 4, 5, 10)
    windows: tuple[int, ...] = (7, 7, 14, 7)
    strides: tuple[int, ...] = (2, 2, 1)  #: of the three down-samplings between stages; SAM keeps the last grid
    mlp_ratio: int = 4
    expand: int = 4
    classes: int = 1000  #: of the unused classifier that the published checkpoints carry
    norm_eps: float = 1e-5

    @property
    def early_dim(self) -> int:
        """Channels of the first attention stage's output, which Light HQ-SAM reads."""
        return self.dims[2]

    @property
    def summary(self) -> str:
        """Depth, first and last width."""
        return f"TinyViT, {sum(self.depths)} blocks, {self.dims[0]} to {self.dims[-1]} wide"

    def operations(self, side: int, out: int) -> int:
        """Patches, stages and neck."""
        size, first = side // 4, self.dims[0]
        total = operations.matrix((side // 2) ** 2, 27, first // 2) + operations.matrix(size**2, 9 * first // 2, first)
        for i, dim in enumerate(self.dims):
            if i == 0:
                total += self.depths[0] * operations.bottleneck(size, size, dim, self.expand * dim, dim)
            else:
                total += self.depths[i] * operations.tiny_block(size, dim, self.windows[i], self.mlp_ratio)
            if i + 1 < len(self.dims):
                smaller, following = -(-size // self.strides[i]), self.dims[i + 1]
                total += operations.bottleneck(size, smaller, dim, following, following)
                size = smaller
        return total + operations.neck((side // self.patch) ** 2, self.dims[-1], out)


@dataclass(frozen=True)
class HieraConfig(EncoderConfig):
    """Hiera with the feature pyramid of SAM 2: four stages at strides 4, 8, 16 and 32."""

    kind: ClassVar[str] = "Hiera"
    families: ClassVar[tuple[str, str]] = ("SAM 2", "HQ-SAM 2")
    lora: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj")
    generation: ClassVar[int] = 2

    dim: int = 96  #: of the first stage; doubles with every stage
    heads: int = 1  #: of the first stage; doubles with every stage
    depths: tuple[int, ...] = (1, 2, 7, 2)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    background: int = 7  #: side of the position embedding that is enlarged to the grid
    window_positions: int = 8  #: side of the position embedding that is repeated over the grid
    mlp_ratio: int = 4

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
        """0: HQ-SAM 2 reads no early features."""
        return 0

    @property
    def summary(self) -> str:
        """Depth, first and last width."""
        return f"Hiera, {sum(self.depths)} blocks, {self.widths[0]} to {self.widths[-1]} wide"

    @property
    def in_transformers(self) -> bool:
        """True where the repeated positions are of the side that transformers has."""
        return self.window_positions == 8

    @property
    def shortest(self) -> HieraConfig:
        """One windowed block a stage."""
        return dataclasses.replace(self, depths=(1, 1, 1, 1), global_blocks=())

    def operations(self, side: int, out: int) -> int:
        """Patches, blocks and neck."""
        total, number = operations.matrix((side // 4) ** 2, 147, self.dim), 0
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            grid = side // 4 // 2**stage
            for i in range(depth):
                pooled = stage > 0 and i == 0
                window = 0 if number in self.global_blocks else self.windows[stage - pooled]
                total += operations.hiera_block(grid * (1 + pooled), width, window, self.mlp_ratio, pooled=pooled)
                number += 1
            total += operations.matrix(grid**2, width, out)
        return total


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

    head_depth: ClassVar[int] = 3  #: layers of the MLP that makes a mask's vector, the HQ mask's included

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
    """Settings that weights bring along because they were tuned for them; None means the library's own default."""

    pred_iou_thresh: float | None = None  #: of whole-image masks, as `AutomaticConfig.pred_iou_thresh`
    stability_score_thresh: float | None = None  #: of whole-image masks, as `AutomaticConfig.stability_score_thresh`
    hq: HQMode | None = None  #: what the HQ decoder paints
    refine_boxes: bool | None = None  #: whether objects asked for with a box get a second look, enlarged

    def stated(self) -> dict[str, Any]:
        """The settings that are not None.

        >>> Defaults(hq="only").stated()
        {'hq': 'only'}
        """
        return {name: value for name, value in vars(self).items() if value is not None}


NO_DEFAULTS = Defaults()


@dataclass(frozen=True)
class ModelConfig:
    """One model: an encoder, a decoder, the side of the square it sees, and whether it has HQ heads.

    `defaults` come with the weights and are no part of the architecture: equal configs may differ in them.
    """

    name: str
    encoder: EncoderConfig
    hq: bool = False
    side: int = 1024
    decoder: DecoderConfig = DecoderConfig()
    family: str = "SAM"
    memory: MemoryConfig | None = None  #: for SAM 2 models that can follow objects through a video
    defaults: Defaults = field(default=NO_DEFAULTS, compare=False)

    def __post_init__(self) -> None:
        step = self.encoder.step
        if self.side < step or self.side % step:
            raise ConfigError(f"{self.name}: the side must be a positive multiple of {step}, got {self.side}.")

    @property
    def second(self) -> bool:
        """Whether this is SAM 2: pictures fill the square, and the decoder takes in finer maps."""
        return self.encoder.generation == 2

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
