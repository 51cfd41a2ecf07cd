"""Low-rank changes of an encoder's attention: few numbers learn, and at the end they are merged into the weights.

Works on a built network, in place. Knows nothing about data or losses.

Source: Hu et al., LoRA (arXiv 2106.09685).
"""

from __future__ import annotations

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from samhq.errors import ConfigError
from samhq.model.sam import Sam


class LowRank(nn.Module):
    """A matrix plus `alpha / rank` times the product of two thin matrices; initially the matrix itself."""

    def __init__(self, rows: int, columns: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(torch.empty(rank, columns))
        self.lora_b = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, weight: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
        """The changed matrix."""
        return torch.addmm(weight, self.lora_b, self.lora_a, alpha=self.scale)


def add_lora(sam: Sam, rank: int, alpha: float) -> None:
    """Gives every attention matrix of the encoder a low-rank change; the network's output does not change.

    From then on the matrices themselves do not learn. The encoder's row names these layers.

    Raises:
        ConfigError: the encoder has no such layers.
    """
    row = sam.config.encoder
    if not row.lora:
        raise ConfigError(
            f"Expected an encoder with attention for LoRA, got {sam.config.name} with the encoder {row.kind}. "
            "Train all of its weights (--what all), or its decoder."
        )
    for name, module in list(sam.image_encoder.named_modules()):
        if name.endswith(row.lora):
            assert isinstance(module, nn.Linear)
            change = LowRank(module.out_features, module.in_features, rank, alpha).to(module.weight)
            parametrize.register_parametrization(module, "weight", change)
            module.parametrizations.weight.original.requires_grad_(False)  # type: ignore[union-attr]


def add_same_lora(sam: Sam, other: Sam) -> None:
    """Gives another network with the same layers the low-rank changes of `sam`; none if it has none."""
    for name, module in sam.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            change = copy.deepcopy(module.parametrizations.weight[0])
            parametrize.register_parametrization(other.get_submodule(name), "weight", change)


def merged_state(sam: Sam) -> dict[str, Tensor]:
    """The network's state with low-rank changes merged into their matrices; names of the original layout."""
    state = {name: value for name, value in sam.state_dict().items() if ".parametrizations." not in name}
    for name, module in sam.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach()
    return state
