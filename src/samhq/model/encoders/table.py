"""The table of image encoders: how to build a module for each kind of row in `samhq.config` and recognise it in files.

To add an encoder: write its row class in `samhq.encoder_config` (a subclass of `EncoderConfig`), its module in a file
of its own here, and an `EncoderKind` in `ENCODERS`. No other code checks which encoder a model has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from samhq.encoder_config import EfficientNetLiteConfig, EncoderConfig, HieraConfig, TinyViTConfig, ViTConfig
from samhq.model.encoders import efficientnet_lite, hiera, tiny_vit, vit
from samhq.model.encoders.tensor_shapes import Recognised, TensorShapes

#: A function of tensor shapes, and of the fields stored beside the tensors by dotted name, that returns the encoder.
Recognise = Callable[[TensorShapes, Mapping[str, object]], Recognised]


@dataclass(frozen=True)
class EncoderKind:
    """One kind of encoder: the class of its rows, its module, and how to recognise it.

    `module` takes the row's fields, `side` and `out` as keywords, or the result of `keywords(row)` in place of the
    fields. Its `forward` takes pixels [I,3,S,S] and returns `samhq.types.Encoded` with features [I,out,g,g]. `mark` is
    the beginning of a tensor's name that no other kind has. Without `recognise` the numbers are the row's own defaults,
    unless others are stored beside the tensors.
    """

    row: type[EncoderConfig]
    module: type[nn.Module]
    mark: str
    keywords: Callable[[Any], Mapping[str, Any]] = vars
    recognise: Recognise | None = None

    def build(self, row: EncoderConfig, side: int, out: int, module: type[Any] | None = None) -> nn.Module:
        """The untrained module for a row, or a subclass `module`, for pictures of `side` pixels."""
        return (module or self.module)(side=side, out=out, **self.keywords(row))

    def recognised(self, shapes: TensorShapes, declared: Mapping[str, object]) -> Recognised:
        """The encoder with these tensors.

        Raises:
            CheckpointError: tensors are missing, or their shapes fit no encoder.
        """
        if self.recognise is not None:
            return self.recognise(shapes, declared)
        numbers = [f"encoder.{field.name}" for field in dataclasses.fields(self.row)]
        return Recognised(self.row(), undecided=("side", *numbers))


ENCODERS: dict[type[EncoderConfig], EncoderKind] = {
    kind.row: kind
    for kind in (
        EncoderKind(ViTConfig, vit.ImageEncoderViT, mark="image_encoder.patch_embed.proj.", recognise=vit.recognise),
        EncoderKind(
            TinyViTConfig,
            tiny_vit.TinyViT,
            mark="image_encoder.patch_embed.seq.",
            keywords=tiny_vit.keywords,
            recognise=tiny_vit.recognise,
        ),
        EncoderKind(
            HieraConfig,
            hiera.ImageEncoderHiera,
            mark="image_encoder.trunk.",
            keywords=hiera.keywords,
            recognise=hiera.recognise,
        ),
        EncoderKind(
            EfficientNetLiteConfig,
            efficientnet_lite.EfficientNetLite,
            mark="image_encoder.stem.",
            keywords=efficientnet_lite.keywords,
            recognise=efficientnet_lite.recognise,
        ),
    )
}


def kind_of(row: EncoderConfig) -> EncoderKind:
    """The table's entry for a row."""
    return ENCODERS[type(row)]
