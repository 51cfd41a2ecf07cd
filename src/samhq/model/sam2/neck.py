"""The feature pyramid between Hiera and the decoder of SAM 2: every stage with the decoder's width.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), appendix D.1; Lin et al., FPN (arXiv 1612.03144).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from samhq.model.layers import untouched
from samhq.model.linear import pointwise


class FpnNeck(nn.Module):
    """Four stages, finest first, to three maps of `out` channels at strides 4, 8 and 16.

    The coarsest stage is added to the one before it and then left out. The two finest get nothing from coarser stages:
    the decoder adds those itself while it enlarges masks.
    """

    def __init__(self, widths: Sequence[int], out: int) -> None:
        super().__init__()
        # The published files number the convolutions from the coarsest stage.
        self.convs = nn.ModuleList(
            nn.Sequential(OrderedDict(conv=nn.Conv2d(width, out, kernel_size=1))) for width in reversed(widths)
        )

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B,out,h,w], finest first."""
        finest, finer, middle, coarse = (_narrow(*pair) for pair in zip(reversed(self.convs), stages, strict=True))
        above = F.interpolate(coarse.float(), scale_factor=2.0, mode="nearest").to(middle.dtype)
        return [finest, finer, middle + above]


def _narrow(layers: nn.Module, x: Tensor) -> Tensor:
    """A stage's output with the decoder's width; `layers` hold one convolution."""
    return pointwise(layers[0], x) if untouched(layers, nn.Sequential) else layers(x)
