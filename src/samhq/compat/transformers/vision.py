"""transformers' vision models: the image encoder alone.

Knows nothing about prompts or masks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.checkpoint import files
from samhq.checkpoint.load import load_model, locate
from samhq.compat.transformers.configs import SamHQVisionConfig, SamVisionConfig
from samhq.compat.transformers.model_methods import ModelMethods
from samhq.compat.transformers.outputs import VisionOutput
from samhq.compat.transformers.pretrained import Loading, refuse_keywords
from samhq.errors import ConfigError
from samhq.model.build import image_encoder
from samhq.model.encoders.vit import ImageEncoderViT

Model = TypeVar("Model", bound="SamVisionModel")


def encode_pixels(
    encoder: ImageEncoderViT, pixels: Float[Tensor, "I 3 S S"], hidden: bool = False
) -> tuple[Float[Tensor, "I C g g"], list[Tensor], tuple[Tensor, ...] | None]:
    """The image embedding, outputs of global blocks, and with `hidden` the first block's input and all outputs.

    Raises:
        ConfigError: pixels of another shape than the encoder's.
    """
    side = encoder.side
    if pixels.ndim != 4 or pixels.shape[1:] != (3, side, side):
        raise ConfigError(
            f"Expected pixel_values of shape [images, 3, {side}, {side}], got {list(pixels.shape)}. "
            "Make them with the processor that belongs to the model."
        )
    weight = encoder.pos_embed
    states: list[Tensor] = []
    first = encoder.blocks[0].register_forward_pre_hook(lambda _, inputs: states.append(inputs[0])) if hidden else None
    later = [block.register_forward_hook(lambda _, __, out: states.append(out)) for block in encoder.blocks if hidden]
    try:
        features, levels = encoder(pixels.to(weight.device, weight.dtype))
    finally:
        for hook in (first, *later):
            if hook is not None:
                hook.remove()
    return features, list(levels), tuple(states) if hidden else None


class SamVisionModel(ModelMethods):
    """The image encoder of a SAM. Its state dict is the part of a whole model's that starts with `vision_encoder.`."""

    config_class = SamVisionConfig
    main_input_name = "pixel_values"

    def __init__(self, config: SamVisionConfig) -> None:
        super().__init__()
        self._take(config, image_encoder(config.to_model_config()))

    def _take(self, config: SamVisionConfig, encoder: nn.Module) -> None:
        self.config, self.vision_encoder = config, cast(ImageEncoderViT, encoder)  # Its config makes no other.
        self._name("vision_encoder.", "image_encoder.")
        self.eval()

    @classmethod
    def from_pretrained(cls: type[Model], source: str | os.PathLike[str], **options: Any) -> Model:
        """The encoder of a source of `SamModel.from_pretrained`, or of a folder that holds only an encoder.

        Raises:
            ConfigError, CheckpointError: as for whole models.
        """
        chosen = Loading.of(options, source)
        path = locate(source)
        if _alone(path):
            model = cls(cls.config_class.from_pretrained(path))
            model.load_state_dict(files.read(path).value)  # type: ignore[arg-type]
            return model.to(chosen.device, chosen.dtype)
        sam = load_model(path, device=chosen.device, dtype=chosen.dtype)
        if not sam.config.encoder.in_transformers:
            raise ConfigError(f"Expected a plain ViT encoder, got {sam.config.name}. Use samhq.load for this model.")
        whole = Loading.config(sam)
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model._take(cls.config_class.from_dict(whole.vision_config.to_dict()), sam.image_encoder)
        return model

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes `config.json` and `model.safetensors` into a folder, for transformers too.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        self.config.save_pretrained(folder)
        files.write_tensors(Path(folder) / "model.safetensors", self.state_dict())

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.vision_encoder.pos_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the weights."""
        return self.vision_encoder.pos_embed.dtype

    def forward(
        self,
        pixel_values: Float[Tensor, "I 3 S S"],
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **unknown: Any,
    ) -> VisionOutput | tuple[Any, ...]:
        """The image embedding [I,C,g,g] of normalised pictures, in a `VisionOutput`.

        Raises:
            ConfigError: pixels of another shape, an argument that does not exist, or `output_attentions`.
        """
        refuse_keywords(
            unknown, self._attentions(output_attentions), ("pixel_values", "output_hidden_states", "return_dict")
        )
        features, early, states = encode_pixels(self.vision_encoder, pixel_values, self._hidden(output_hidden_states))
        output = VisionOutput(features, early if self._hq() else None, states)
        return output if self._as_dict(return_dict) else output.to_tuple()

    def _hq(self) -> bool:
        return isinstance(self.config, SamHQVisionConfig)


class SamHQVisionModel(SamVisionModel):
    """The image encoder of a SAM-HQ, which also returns the output of each global block."""

    config_class = SamHQVisionConfig


def _alone(path: Path) -> bool:
    """Whether a folder holds only an encoder."""
    config = path / "config.json"
    return config.is_file() and str(files.read_object(config).get("model_type", "")).endswith("vision_model")
