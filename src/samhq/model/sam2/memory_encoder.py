"""A frame's features and an object's mask to a memory map of few channels.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), section 4 and appendix D.1; Liu et al., ConvNeXt (arXiv 2201.03545).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.model.layers import LayerNorm2d
from samhq.model.linear import linear, pointwise


class MaskDownSampler(nn.Module):
    """A mask at the model's side to a map of the embedding grid: four convolutions of stride 2, then one of 1x1."""

    def __init__(self, out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (1, 4, 16, 64):
            layers += [
                nn.Conv2d(channels, 4 * channels, kernel_size=3, stride=2, padding=1),
                LayerNorm2d(4 * channels),
                nn.GELU(),
            ]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(256, out, kernel_size=1))

    def forward(self, masks: Float[Tensor, "P 1 S S"]) -> Float[Tensor, "P C g g"]:
        """One vector for each square of 16 by 16 pixels."""
        return self.encoder(masks)


class FuserBlock(nn.Module):
    """A ConvNeXt block: a wide depthwise convolution, then an MLP over channels, scaled, with a residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Float[Tensor, "P C g g"]) -> Float[Tensor, "P C g g"]:
        """The next map."""
        inner = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        inner = self.gamma * linear(self.pwconv2, linear(self.pwconv1, inner, "gelu"))
        return x + inner.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    """ConvNeXt blocks, one after another."""

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FuserBlock(dim) for _ in range(depth))

    def forward(self, x: Float[Tensor, "P C g g"]) -> Float[Tensor, "P C g g"]:
        """The fused map."""
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Features [P,C,g,g] and masks [P,1,S,S] to memory maps [P,out,g,g]."""

    def __init__(self, *, dim: int, out: int, depth: int) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownSampler(dim)
        self.pix_feat_proj = nn.Conv2d(dim, dim, kernel_size=1)
        self.fuser = Fuser(dim, depth)
        self.out_proj = nn.Conv2d(dim, out, kernel_size=1)

    def forward(self, features: Float[Tensor, "P C g g"], masks: Float[Tensor, "P 1 S S"]) -> Float[Tensor, "P c g g"]:
        """The memory of each object on the frame; `masks` are scaled values, not logits."""
        fused = self.fuser(pointwise(self.pix_feat_proj, features) + self.mask_downsampler(masks))
        return pointwise(self.out_proj, fused)
