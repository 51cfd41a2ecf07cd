"""EfficientNet-Lite, the encoder of the starter: pixels in; an embedding grid and a map four times as fine out.

Inverted residuals of convolutions without squeeze-and-excite, with ReLU6: made for CPUs and 8-bit numbers. Strides 8,
16 and 32 are joined to the embedding, strides 2, 4 and 8 to the fine map, so that thin structures keep features of
their own resolution. Batch normalisation always uses its running statistics. Knows nothing about prompts.

Source: Tan and Le, EfficientNet (arXiv 1905.11946); tensorflow/tpu, models/official/efficientnet/lite. The mixing after
the join follows ConvNeXt (arXiv 2201.03545).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.encoder_config import EfficientNetLiteConfig
from samhq.model.convolution import convolve, convolved
from samhq.model.encoders.tensor_shapes import Recognised, TensorShapes
from samhq.model.layers import LayerNorm2d, folded, untouched
from samhq.model.linear import Activation, activated
from samhq.types import Encoded


class SameConvNorm(nn.Module):
    """A convolution without bias and the batch normalisation after it, computed as one convolution.

    At stride 2 the padding is TensorFlow's: an odd pixel goes right and below.
    """

    def __init__(self, inp: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        before = (kernel - stride) // 2 if stride > 1 else kernel // 2
        after = kernel - stride - before if stride > 1 else before
        self.padding = (before, after, before, after)
        self.c = nn.Conv2d(inp, out, kernel, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=EfficientNetLiteConfig.batch_norm_eps)

    def forward(self, x: Float[Tensor, "B c h w"], then: Activation = "none") -> Float[Tensor, "B C H W"]:
        """The normalised map after an activation, half the size at stride 2."""
        if not untouched(self.bn, nn.BatchNorm2d):
            return activated(self.bn(self.c(F.pad(x, self.padding))), then)
        if not untouched(self.c, nn.Conv2d):
            norm, y = self.bn, self.c(F.pad(x, self.padding))
            y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
            return activated(y, then)
        weight, bias = folded(self.c, self.bn)
        stride, groups = self.c.stride[0], self.c.groups
        return convolve(x, weight, bias, stride=stride, padding=self.padding, groups=groups, then=then)


class InvertedResidual(nn.Module):
    """1x1 to more channels, depth-wise convolution, 1x1 to the output; added to the input if the shapes agree."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = inp * expand
        self.expand = SameConvNorm(inp, wide) if expand > 1 else None
        self.depthwise = SameConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = SameConvNorm(wide, out)
        self.residual = stride == 1 and inp == out

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B C H W"]:
        """The transformed map."""
        wide = x if self.expand is None else self.expand(x, "relu6")
        y = self.project(self.depthwise(wide, "relu6"))
        return x + y if self.residual else y


class Mixer(nn.Module):
    """Depth-wise 7x7 convolution, norm, and two 1x1 convolutions, added to the input; mixes the joined levels."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.widen = nn.Conv2d(dim, hidden, 1)
        self.narrow = nn.Conv2d(hidden, dim, 1)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """The mixed map. Before training it equals the input."""
        mixed = self.norm(convolved(self.depthwise, x))
        return x + convolved(self.narrow, convolved(self.widen, mixed, "gelu"))


class Neck(nn.Module):
    """Maps of strides 8, 16 and 32 joined at stride 16, mixed and normalised."""

    def __init__(self, widths: tuple[int, int, int], out: int, hidden: int) -> None:
        super().__init__()
        self.join8 = nn.Conv2d(4 * widths[0], out, 1)
        self.join16 = nn.Conv2d(widths[1], out, 1)
        self.join32 = nn.Conv2d(widths[2], out, 1)
        self.mix = Mixer(out, hidden)
        self.norm = LayerNorm2d(out)

    def forward(
        self, at8: Float[Tensor, "B a u u"], at16: Float[Tensor, "B b g g"], at32: Float[Tensor, "B c d d"]
    ) -> Float[Tensor, "B C g g"]:
        """The embedding."""
        fine, coarse = convolved(self.join8, F.pixel_unshuffle(at8, 2)), _doubled(convolved(self.join32, at32))
        joined = fine + convolved(self.join16, at16) + coarse
        return self.norm(self.mix(joined))


class Fine(nn.Module):
    """Maps of strides 2, 4 and 8 joined at stride 4."""

    def __init__(self, widths: tuple[int, int, int], out: int) -> None:
        super().__init__()
        self.join2 = nn.Conv2d(4 * widths[0], out, 1)
        self.join4 = nn.Conv2d(widths[1], out, 1)
        self.join8 = nn.Conv2d(widths[2], out, 1)

    def forward(
        self, at2: Float[Tensor, "B a v v"], at4: Float[Tensor, "B b u u"], at8: Float[Tensor, "B c g g"]
    ) -> Float[Tensor, "B C u u"]:
        """The fine map."""
        fine, coarse = convolved(self.join2, F.pixel_unshuffle(at2, 2)), _doubled(convolved(self.join8, at8))
        return fine + convolved(self.join4, at4) + coarse


def _doubled(x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class EfficientNetLite(nn.Module):
    """Normalised pixels [B,3,S,S] to features [B,out,g,g] and one level [B,4g,4g,fine_dim]; g is S / 16."""

    def __init__(
        self,
        *,
        side: int,
        stem: int,
        channels: tuple[int, ...],
        depths: tuple[int, ...],
        kernels: tuple[int, ...],
        strides: tuple[int, ...],
        expand: int,
        fine_dim: int,
        hidden: int,
        out: int,
    ) -> None:
        super().__init__()
        self.side = side
        self.stem = SameConvNorm(3, stem, 3, 2)
        blocks: list[nn.Module] = []
        #: The last block of each stride, after which the map of the stride is complete.
        self.complete: dict[int, int] = {}
        widths, inp, stride = {}, stem, 2
        for stage, width in enumerate(channels):
            stride *= strides[stage]
            for number in range(depths[stage]):
                step = strides[stage] if number == 0 else 1
                blocks.append(InvertedResidual(inp, width, kernels[stage], step, expand if stage else 1))
                inp = width
            self.complete[stride], widths[stride] = len(blocks) - 1, width
        self.blocks = nn.ModuleList(blocks)
        self.neck = Neck((widths[8], widths[16], widths[32]), out, hidden)
        self.fine = Fine((widths[2], widths[4], widths[8]), fine_dim)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> Encoded:
        """Features, and the fine map as the only level."""
        x, maps = self.stem(pixels, "relu6"), {}
        for number, block in enumerate(self.blocks):
            x = block(x)
            maps[number] = x
        at2, at4, at8, at16, at32 = (maps[self.complete[stride]] for stride in (2, 4, 8, 16, 32))
        fine = self.fine(at2, at4, at8)
        return Encoded(self.neck(at8, at16, at32), (fine.permute(0, 2, 3, 1),))


def keywords(row: EfficientNetLiteConfig) -> dict[str, Any]:
    """The arguments of the module: all fields of the row except `patch`, which follows from its strides."""
    return {name: value for name, value in vars(row).items() if name != "patch"}


def recognise(shapes: TensorShapes, declared: Mapping[str, object]) -> Recognised:
    """The row for an EfficientNet-Lite with these tensors; kernels and strides are always the published ones.

    Raises:
        CheckpointError: a tensor is missing, or the shapes do not fit an EfficientNet-Lite.
    """
    del declared
    at = "image_encoder"
    row = EfficientNetLiteConfig()
    blocks = shapes.count(f"{at}.blocks.")
    widths = [shapes(f"{at}.blocks.{number}.project.c.weight", 4)[0] for number in range(blocks)]
    channels, depths = _stages(widths)
    wide, narrow = shapes(f"{at}.blocks.{blocks - 1}.expand.c.weight", 4)[:2]
    return Recognised(
        EfficientNetLiteConfig(
            stem=shapes(f"{at}.stem.c.weight", 4)[0],
            channels=channels if len(channels) == len(row.channels) else row.channels,
            depths=depths if len(channels) == len(row.channels) else row.depths,
            expand=wide // max(1, narrow),
            fine_dim=shapes(f"{at}.fine.join4.weight", 4)[0],
            hidden=shapes(f"{at}.neck.mix.widen.weight", 4)[0],
        ),
        undecided=("side",),
    )


def _stages(widths: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and depths of stages, from the width of every block; neighbouring stages differ in width.

    >>> _stages([16, 24, 24, 40])
    ((16, 24, 40), (1, 2, 1))
    """
    channels: list[int] = []
    depths: list[int] = []
    for width in widths:
        if channels and channels[-1] == width:
            depths[-1] += 1
        else:
            channels.append(width)
            depths.append(1)
    return tuple(channels), tuple(depths)
