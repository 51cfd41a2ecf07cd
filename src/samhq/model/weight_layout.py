"""How the weights of convolutions lie in the memory of a GPU. Knows nothing of what they compute.

Maps lie channels last in the whole network, because layers over channels need no copy then. A GPU convolves such maps
with weights that lie so, too, and would copy others at each call. On a CPU weights stay as they come.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


def laid_out(model: Kind, device: torch.device) -> Kind:
    """The same model; for CUDA the weights of its convolutions are channels last. Names, shapes and values stay."""
    if device.type == "cuda":
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return model
