"""The common methods of transformers' Sam2Model and Sam2VideoModel: making, loading, saving, names and parts.

Source: modeling_sam2.py and modeling_sam2_video.py of transformers 5.23 (arguments).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_model
from samhq.compat.transformers.configs_sam2 import Sam2Config
from samhq.compat.transformers.model_methods import check_saving
from samhq.compat.transformers.pretrained import SAM2_ATTENTION, Loading
from samhq.compat.transformers.sam2_names import RenamedSam2
from samhq.compat.transformers.uploads import NoUpload
from samhq.errors import ConfigError
from samhq.model.build import build
from samhq.model.prepared_pictures import PreparedPictures
from samhq.model.sam2.sam2 import Sam2

Model = TypeVar("Model", bound="Sam2PreTrainedModel")


class Sam2PreTrainedModel(NoUpload, RenamedSam2):
    """A SAM 2 with transformers' names of parameters and modules. Its network is `self.sam`."""

    main_input_name = "pixel_values"
    config_class: ClassVar[type[Sam2Config]] = Sam2Config

    def __init__(self, config: Any) -> None:
        super().__init__()
        self._config: Sam2Config | None = None
        if not isinstance(config, Sam2):
            self._config = as_sam2_config(config, self.config_class)
            config = untrained_sam2(self._config)
        if config.config.hq:
            raise ConfigError("Expected a SAM 2 without HQ heads, got HQ-SAM 2. Load it with samhq.load.")
        self.sam, self._pictures = config, PreparedPictures()
        self._name("sam.", "")
        self.eval()

    @property
    def config(self) -> Sam2Config:
        """transformers' configuration of this model.

        Raises:
            ConfigError: transformers has no such model.
        """
        if self._config is None:
            self._config = self.config_class.from_model_config(self.sam.config)
        return self._config

    @classmethod
    def from_pretrained(cls: type[Model], source: str | os.PathLike[str], **options: Any) -> Model:
        """The model in a transformers folder, a repository of the hub, or an original `.pt` file, in eval mode.

        Takes `dtype`, `device_map` and `attn_implementation` as `SamModel.from_pretrained`.

        Raises:
            ConfigError: an option that means nothing, or another kind of model.
            CheckpointError: the source cannot be downloaded or read, or lacks tensors.
        """
        chosen = Loading.of(options, source, SAM2_ATTENTION)
        sam = load_model(source, hq=False, device=chosen.device, dtype=chosen.dtype)
        if not isinstance(sam, Sam2):
            raise ConfigError(f"Expected a SAM 2, got {sam.config.name} in {source}. Use SamModel for it.")
        return cls(sam)

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Writes `config.json`, `preprocessor_config.json` and `model.safetensors`, for transformers too.

        Of transformers' options those count that ask for these files.

        Raises:
            CheckpointError: the folder cannot be written.
            ConfigError: an option that would save something else, or upload the model.
        """
        check_saving(options)
        if not options.get("is_main_process", True):
            return
        if options.get("state_dict") is not None or not options.get("safe_serialization", True):
            raise ConfigError(
                "Expected to save this SAM 2's own weights as safetensors, got a state_dict or "
                "safe_serialization=False. Leave it out, or save model.state_dict() with torch.save."
            )
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_model(self.sam, folder)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.sam.device

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the weights."""
        return self.sam.dtype

    @property
    def vision_encoder(self) -> nn.Module:
        """The image encoder; its own names are the original's."""
        return self.sam.image_encoder

    @property
    def prompt_encoder(self) -> nn.Module:
        """The prompt encoder; its own names are the original's."""
        return self.sam.sam_prompt_encoder

    @property
    def mask_decoder(self) -> nn.Module:
        """The mask decoder; its own names are the original's."""
        return self.sam.sam_mask_decoder

    def num_parameters(self, only_trainable: bool = False) -> int:
        """The number of weights; with `only_trainable` of those that have gradients."""
        return sum(
            parameter.numel() for parameter in self.parameters() if parameter.requires_grad or not only_trainable
        )

    def get_image_wide_positional_embeddings(self) -> Float[Tensor, "1 C g g"]:
        """The position features of the picture's cells."""
        features: Tensor = self.sam.sam_prompt_encoder.pe_layer.grid(self.sam.config.grid)
        return features

    @torch.no_grad()
    def get_image_embeddings(self, pixel_values: Float[Tensor, "I 3 S S"]) -> list[Tensor]:
        """The `image_embeddings` for `forward`: two finer maps, then the features; finest first.

        Raises:
            ConfigError: pixels of another shape.
        """
        embedding = self.sam.encode(pixel_values.to(self.device))
        return [*embedding.levels, embedding.features]


def as_sam2_config(config: Any, kind: type[Sam2Config] = Sam2Config) -> Sam2Config:
    """A configuration of SAM 2 in our class, from ours or transformers' own.

    Raises:
        ConfigError: another kind of configuration.
    """
    if isinstance(config, kind):
        return config
    if hasattr(config, "to_dict") and getattr(config, "model_type", "") == kind.model_type:
        return kind.from_dict(config.to_dict())
    name = kind.__name__
    raise ConfigError(
        f"Expected a {name}, got a {type(config).__name__}. Or use {name.replace('Config', 'Model')}.from_pretrained."
    )


def untrained_sam2(config: Sam2Config) -> Sam2:
    """A network with random weights, and the configuration's rule for single masks.

    Raises:
        ConfigError: as `Sam2Config.to_model_config`.
    """
    sam, decoder = build(config.to_model_config()), config.mask_decoder_config
    assert isinstance(sam, Sam2)
    sam.stable_delta = decoder.dynamic_multimask_stability_delta
    sam.stable_from = decoder.dynamic_multimask_stability_thresh if decoder.dynamic_multimask_via_stability else None
    return sam
