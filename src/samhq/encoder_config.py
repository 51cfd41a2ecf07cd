"""The numbers of each kind of image encoder, and the facts about each kind that the rest of the library needs.

Frozen dataclasses that know nothing about torch. `samhq.config` builds models' configs from them, and
`samhq.model.encoders` builds modules.

Source: published checkpoints of segment-anything, MobileSAM (arXiv 2306.14289), SAM 2 (arXiv 2408.00714); EfficientNet
(arXiv 1905.11946).
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from samhq import operations
from samhq.errors import ConfigError

#: Resolution of the early features for HQ decoders: the embedding grid, or a map four times as fine.
HQLevel = Literal["stride16", "stride4"]

PIXEL_MEAN = (123.675, 116.28, 103.53)  #: RGB, on a 0..255 scale
PIXEL_STD = (58.395, 57.12, 57.375)  #: RGB, on a 0..255 scale


class Normalisation(NamedTuple):
    """How pixels are normalised before a network sees them: (x - mean) / std, RGB on a 0..255 scale."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation(PIXEL_MEAN, PIXEL_STD)  #: The normalisation of SAM, SAM-HQ and all published models.


@dataclass(frozen=True)
class EncoderConfig(ABC):
    """The numbers of one image encoder, and the facts about its kind that the rest of the library needs.

    A subclass adds its numbers as fields; class variables hold what is the same for all encoders of the kind. No code
    checks which subclass a row is: every difference is a member here, or a function in `samhq.model.encoders`.
    """

    kind: ClassVar[str]  #: The kind's usual name, as in "a ViT".
    #: Model families with this encoder, without and with HQ heads, unless a published row names another.
    families: ClassVar[tuple[str, str]] = ("SAM", "SAM-HQ")
    fixed_side: ClassVar[bool] = False  #: Whether its weights fit only one side: they hold a value for each position.
    hq_level: ClassVar[HQLevel] = "stride16"  #: The resolution of its first level, which HQ decoders read.
    normalisation: ClassVar[Normalisation] = IMAGENET  #: The normalisation of its pixels.
    lora: ClassVar[tuple[str, ...]] = ()  #: Endings of the names of linear layers that LoRA adapts.
    idle: ClassVar[tuple[str, ...]] = ()  #: Modules in published files that no forward pass uses.
    generation: ClassVar[int] = 1  #: 2 for SAM 2: its decoder uses finer maps, and pictures fill the square.

    patch: int = field(default=16, kw_only=True)  #: Pixels along one side of a cell of the embedding grid.

    @property
    @abstractmethod
    def early_dim(self) -> int:
        """Channels of the first level, which HQ decoders read."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """A short description of the encoder, for `samhq info`."""

    @abstractmethod
    def operations(self, side: int, out: int) -> int:
        """Multiplications and additions for one picture of `side` pixels, including the neck to `out` channels."""

    @property
    def step(self) -> int:
        """The side of a picture must be a multiple of this."""
        return self.patch

    @property
    def in_transformers(self) -> bool:
        """Whether the transformers library has such an encoder, so that files can be written for it."""
        return False

    @property
    def shortest(self) -> EncoderConfig:
        """An encoder with outputs of the same shapes and as few layers as possible, for runs that only decode."""
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
            raise ConfigError(
                f"Expected dim of a ViT as a multiple of heads, got dim={self.dim}, heads={self.heads}. "
                "Change one of them."
            )
        if not self.head_dim:
            object.__setattr__(self, "head_dim", self.dim // self.heads)
        if not self.global_blocks or not all(0 <= i < self.depth for i in self.global_blocks):
            raise ConfigError(
                f"Expected global_blocks of a ViT among blocks 0..{self.depth - 1}, got {self.global_blocks}. "
                "Change them, or the depth."
            )

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
        return patches + self.depth * linear + attention + operations.neck_convolutions(cells, self.dim, out)


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
    strides: tuple[int, ...] = (2, 2, 1)  #: Strides of the down-samplings between stages; SAM keeps the last grid.
    mlp_ratio: int = 4
    expand: int = 4
    classes: int = 1000  #: Classes of the unused classifier in the published checkpoints.
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
        return total + operations.neck_convolutions((side // self.patch) ** 2, self.dims[-1], out)


@dataclass(frozen=True)
class HieraConfig(EncoderConfig):
    """Hiera with the feature pyramid of SAM 2: four stages at strides 4, 8, 16 and 32."""

    kind: ClassVar[str] = "Hiera"
    families: ClassVar[tuple[str, str]] = ("SAM 2", "HQ-SAM 2")
    lora: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj")
    generation: ClassVar[int] = 2

    dim: int = 96  #: Channels of the first stage; they double with every stage.
    heads: int = 1  #: Heads of the first stage; they double with every stage.
    depths: tuple[int, ...] = (1, 2, 7, 2)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    background: int = 7  #: Side of the position embedding that is enlarged to the grid.
    window_positions: int = 8  #: Side of the position embedding that is repeated over the grid.
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        stages, blocks = len(self.depths), sum(self.depths)
        if stages != 4 or len(self.windows) != 4 or min(self.depths) < 1 or min(self.windows) < 1:
            raise ConfigError(
                f"Expected four depths and four windows of a Hiera, got {self.depths} and {self.windows}. "
                "Give one of each for every stage."
            )
        if any(window % 2 for window in self.windows[:3]):
            raise ConfigError(
                f"Expected even windows in all stages of a Hiera but the last, which are halved, got {self.windows}. "
                "Change the odd ones."
            )
        if not all(0 <= i < blocks for i in self.global_blocks):
            raise ConfigError(
                f"Expected global_blocks of a Hiera among blocks 0..{blocks - 1}, got {self.global_blocks}. "
                "Change them, or the depths."
            )
        if self.dim % self.heads:
            raise ConfigError(
                f"Expected dim of a Hiera as a multiple of heads, got dim={self.dim}, heads={self.heads}. "
                "Change one of them."
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(self.dim * 2**stage for stage in range(len(self.depths)))

    @property
    def step(self) -> int:
        """A multiple of both the period of the first stage's positions and twice the embedding's step."""
        return math.lcm(4 * self.window_positions, 2 * self.patch)

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
        """True if the repeated positions have the side that transformers supports."""
        return self.window_positions == 8

    @property
    def shortest(self) -> HieraConfig:
        """One windowed block in each stage."""
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
class EfficientNetLiteConfig(EncoderConfig):
    """EfficientNet-Lite: three strides are joined into the embedding and three into a fine map; lite0 by default."""

    kind: ClassVar[str] = "EfficientNet-Lite"
    families: ClassVar[tuple[str, str]] = ("samhq small", "samhq small HQ")
    hq_level: ClassVar[HQLevel] = "stride4"
    normalisation: ClassVar[Normalisation] = Normalisation((127.0,) * 3, (128.0,) * 3)
    batch_norm_eps: ClassVar[float] = 1e-3

    stem: int = 32
    channels: tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    depths: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    kernels: tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    expand: int = 6  #: Expansion of every stage but the first, which does not expand.
    fine_dim: int = 32  #: Channels of the map that is four times as fine as the grid.
    hidden: int = 512  #: Channels of the mixing of the joined strides.

    @property
    def early_dim(self) -> int:
        """Channels of the fine map."""
        return self.fine_dim

    @property
    def summary(self) -> str:
        """Depth, first and last width."""
        return f"EfficientNet-Lite, {sum(self.depths)} blocks, {self.channels[0]} to {self.channels[-1]} wide"

    @property
    def step(self) -> int:
        """The last stages halve the embedding grid once more."""
        return 2 * self.patch

    @property
    def _widths(self) -> dict[int, int]:
        """Channels of the last map at each stride."""
        widths, stride = {}, 2
        for width, step in zip(self.channels, self.strides, strict=True):
            stride *= step
            widths[stride] = width
        return widths

    def operations(self, side: int, out: int) -> int:
        """Stem, blocks, the two joins and the mixing."""
        size, inp = side // 2, self.stem
        total = operations.convolution(size**2, 3, 3, self.stem)
        for stage, width in enumerate(self.channels):
            for number in range(self.depths[stage]):
                smaller = size // (self.strides[stage] if number == 0 else 1)
                wide = inp * (self.expand if stage else 1)
                total += operations.matrix(size**2, inp, wide) if stage else 0
                total += operations.matrix(smaller**2, self.kernels[stage] ** 2, wide)
                total += operations.matrix(smaller**2, wide, width)
                size, inp = smaller, width
        widths, cells = self._widths, (side // self.patch) ** 2
        total += operations.matrix(cells, 4 * widths[8] + widths[16], out)
        total += operations.matrix(cells // 4, widths[32], out)
        total += operations.matrix(cells, 49, out) + 2 * operations.matrix(cells, out, self.hidden)
        fine = operations.matrix(16 * cells, 4 * widths[2] + widths[4], self.fine_dim)
        return total + fine + operations.matrix(4 * cells, widths[8], self.fine_dim)
