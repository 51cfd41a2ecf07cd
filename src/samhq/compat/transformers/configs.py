"""transformers' configuration classes for SAM and SAM-HQ, and their conversion to samhq's own table.

Fields, defaults and files are transformers'. Names that samhq does not use, which published and old `config.json` files
are full of, are accepted and dropped. Knows nothing about modules or weights.

Source: configuration_sam.py and configuration_sam_hq.py of transformers 5.23 (field names and defaults).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from samhq.checkpoint.files import read_object, write_object
from samhq.checkpoint.hf_config import config_from_transformers, config_to_transformers
from samhq.checkpoint.load import locate
from samhq.config import DecoderConfig, ModelConfig
from samhq.errors import CheckpointError, ConfigError

Made = TypeVar("Made", bound="Settings")
Class = TypeVar("Class", bound=type)

#: The decoder's `layer_norm_eps` that transformers writes for every model, whatever its training used.
_WRITTEN_EPS = 1e-6


def tolerant(settings: Class) -> Class:
    """The same dataclass, with a constructor that drops unknown keywords."""
    exact = settings.__init__  # type: ignore[misc]

    @functools.wraps(exact)
    def init(self: Any, *args: Any, **values: Any) -> None:
        known = {field.name for field in dataclasses.fields(settings)}
        exact(self, *args, **{name: value for name, value in values.items() if name in known})
        for name in (
            "output_hidden_states",
            "output_attentions",
            "return_dict",
        ):  # what calls answer with, where they do not say it
            if name in values:
                setattr(self, name, values[name])

    settings.__init__ = init  # type: ignore[misc]
    return settings


class Settings:
    """The common methods of configuration classes: to and from a dict or a file."""

    model_type: ClassVar[str] = ""
    section: ClassVar[str] = ""  #: The part's section in a whole model's `config.json`.

    @classmethod
    def from_dict(cls: type[Made], values: Mapping[str, Any]) -> Made:
        """The configuration in a dict, with defaults for missing fields; from a whole model's dict, this part."""
        if cls.section and isinstance(values.get(cls.section), Mapping):
            values = values[cls.section]
        return cls(**values)

    @classmethod
    def from_pretrained(cls: type[Made], source: str | os.PathLike[str]) -> Made:
        """The configuration in a folder's `config.json`, in such a file, or in a repository of the hub.

        Raises:
            ConfigError, CheckpointError: it does not exist, or has no `config.json`.
        """
        path = Path(source) if str(source).endswith(".json") else locate(source) / "config.json"
        return cls.from_dict(read_object(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain values as transformers writes them, including `model_type` and derived values."""
        values = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {**values, **self.derived(), "model_type": self.model_type}

    def derived(self) -> dict[str, Any]:
        """Values that transformers also writes although they follow from the fields."""
        return {}

    def to_json_string(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json_file(cls: type[Made], file: str | os.PathLike[str]) -> Made:
        """The configuration in such a file.

        Raises:
            CheckpointError: it cannot be read.
        """
        return cls.from_dict(read_object(Path(file)))

    def to_json_file(self, file: str | os.PathLike[str]) -> None:
        """Writes `to_dict` into a file.

        Raises:
            CheckpointError: the file cannot be written.
        """
        write_object(Path(file), self.to_dict())

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes `config.json` into a folder, which is created if needed.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        write_object(Path(folder) / "config.json", self.to_dict())


@tolerant
@dataclass
class SamVisionConfig(Settings):
    """The image encoder's numbers."""

    model_type: ClassVar[str] = "sam_vision_model"
    section: ClassVar[str] = "vision_config"

    hidden_size: int = 768
    output_channels: int = 256
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 1024
    patch_size: int = 16
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    attention_dropout: float = 0.0
    initializer_range: float = 1e-10
    qkv_bias: bool = True
    mlp_ratio: float = 4.0
    use_abs_pos: bool = True
    use_rel_pos: bool = True
    window_size: int = 14
    global_attn_indexes: tuple[int, ...] = (2, 5, 8, 11)
    num_pos_feats: int = 128
    mlp_dim: int | None = None  #: None means `hidden_size * mlp_ratio`

    def __post_init__(self) -> None:
        self.global_attn_indexes = tuple(self.global_attn_indexes)
        self.image_size, self.patch_size = square_side(self.image_size), square_side(self.patch_size)
        if self.mlp_dim is None:
            self.mlp_dim = int(self.hidden_size * self.mlp_ratio)

    @property
    def scale(self) -> int:
        """The standard deviation of transformers' random position frequencies."""
        return self.hidden_size // 2

    def derived(self) -> dict[str, Any]:
        """`scale`."""
        return {"scale": self.scale}

    def to_model_config(self) -> ModelConfig:
        """A row of samhq's table with this encoder; its decoder has only the right width.

        Raises:
            ConfigError: numbers that fit no encoder, or an option that samhq lacks.
        """
        decoder = {"hidden_size": self.output_channels, "num_attention_heads": 1, "attention_downsample_rate": 1}
        hq = self.model_type.startswith("sam_hq")
        row = {"vision_config": self.to_dict(), "mask_decoder_config": decoder, "model_type": "sam_hq" if hq else "sam"}
        check_same("vision_config.attention_dropout", self.attention_dropout, "samhq", 0.0)
        return model_config_of(row)


@tolerant
@dataclass
class SamPromptEncoderConfig(Settings):
    """The prompt encoder's numbers."""

    model_type: ClassVar[str] = "sam_prompt_encoder"
    section: ClassVar[str] = "prompt_encoder_config"

    hidden_size: int = 256
    image_size: int = 1024
    patch_size: int = 16
    mask_input_channels: int = 16
    num_point_embeddings: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        self.image_size, self.patch_size = square_side(self.image_size), square_side(self.patch_size)

    @property
    def image_embedding_size(self) -> int:
        """Side of the embedding grid."""
        return self.image_size // self.patch_size

    def derived(self) -> dict[str, Any]:
        """`image_embedding_size`."""
        return {"image_embedding_size": self.image_embedding_size}


@tolerant
@dataclass
class SamMaskDecoderConfig(Settings):
    """The mask decoder's numbers.

    transformers writes a `layer_norm_eps` of 1e-6 for every model, but all published weights were trained with 1e-5. So
    1e-6 is read as 1e-5 here; any other value is used unchanged.
    """

    model_type: ClassVar[str] = "sam_mask_decoder"
    section: ClassVar[str] = "mask_decoder_config"

    hidden_size: int = 256
    hidden_act: str = "relu"
    mlp_dim: int = 2048
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    attention_downsample_rate: int = 2
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    layer_norm_eps: float = _WRITTEN_EPS


@tolerant
@dataclass
class SamHQVisionConfig(SamVisionConfig):
    """The image encoder's numbers; the same as SAM's."""

    model_type: ClassVar[str] = "sam_hq_vision_model"


@tolerant
@dataclass
class SamHQPromptEncoderConfig(SamPromptEncoderConfig):
    """The prompt encoder's numbers; the same as SAM's."""

    model_type: ClassVar[str] = "sam_hq_prompt_encoder"


@tolerant
@dataclass
class SamHQMaskDecoderConfig(SamMaskDecoderConfig):
    """The mask decoder's numbers. By default `vit_dim` is the encoder's `hidden_size`."""

    model_type: ClassVar[str] = "sam_hq_mask_decoder"

    vit_dim: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As for SAM; a `vit_dim` that is not set yet is left out."""
        values = super().to_dict()
        return values if self.vit_dim is not None else {k: v for k, v in values.items() if k != "vit_dim"}


@tolerant
@dataclass
class SamConfig(Settings):
    """A whole SAM. Each part may be given as its class, as a dict, or not at all."""

    model_type: ClassVar[str] = "sam"
    hq: ClassVar[bool] = False
    parts: ClassVar[tuple[type[Settings], ...]] = (SamVisionConfig, SamPromptEncoderConfig, SamMaskDecoderConfig)

    vision_config: Any = None
    prompt_encoder_config: Any = None
    mask_decoder_config: Any = None
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        for kind in self.parts:
            setattr(self, kind.section, part_of(getattr(self, kind.section), kind))

    @classmethod
    def from_model_config(cls: type[Made], config: ModelConfig) -> Made:
        """transformers' form of a row of samhq's table.

        Raises:
            ConfigError: transformers has no such model (TinyViT).
        """
        try:
            return cls.from_dict(config_to_transformers(config))
        except CheckpointError as error:
            raise ConfigError(f"{error} In Python, samhq.load runs every model.") from error

    def to_model_config(self) -> ModelConfig:
        """The row of samhq's table with the same numbers.

        Raises:
            ConfigError: parts that contradict each other, numbers that fit no model, or an option that samhq lacks.
        """
        vision, prompt, decoder = self.vision_config, self.prompt_encoder_config, self.mask_decoder_config
        check_same("prompt_encoder_config.image_size", prompt.image_size, "vision_config.image_size", vision.image_size)
        check_same("prompt_encoder_config.patch_size", prompt.patch_size, "vision_config.patch_size", vision.patch_size)
        width = "mask_decoder_config.hidden_size", decoder.hidden_size
        check_same("prompt_encoder_config.hidden_size", prompt.hidden_size, *width)
        check_same("vision_config.output_channels", vision.output_channels, *width)
        check_same("twice vision_config.num_pos_feats", 2 * vision.num_pos_feats, *width)
        check_same("vision_config.attention_dropout", vision.attention_dropout, "samhq", 0.0)
        check_same("prompt_encoder_config.layer_norm_eps", prompt.layer_norm_eps, "samhq", 1e-6)
        row = model_config_of(self.to_dict())
        eps = DecoderConfig.norm_eps if decoder.layer_norm_eps == _WRITTEN_EPS else decoder.layer_norm_eps
        return (
            row if eps == row.decoder.norm_eps else row.replace(decoder=dataclasses.replace(row.decoder, norm_eps=eps))
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values as transformers writes them, the parts as dicts."""
        return {**super().to_dict(), "architectures": ["SamHQModel" if self.hq else "SamModel"]}


@tolerant
@dataclass
class SamHQConfig(SamConfig):
    """A whole SAM-HQ. Unlike in transformers, `mask_decoder_config.vit_dim` follows from the encoder."""

    model_type: ClassVar[str] = "sam_hq"
    hq: ClassVar[bool] = True
    parts: ClassVar[tuple[type[Settings], ...]] = (SamHQVisionConfig, SamHQPromptEncoderConfig, SamHQMaskDecoderConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask_decoder_config.vit_dim is None:
            # A copy: the same decoder may be used beside another encoder.
            self.mask_decoder_config = dataclasses.replace(
                self.mask_decoder_config, vit_dim=self.vision_config.hidden_size
            )

    def to_model_config(self) -> ModelConfig:
        """As for SAM.

        Raises:
            ConfigError: as for SAM, or `vit_dim` is not the encoder's width.
        """
        width = "vision_config.hidden_size", self.vision_config.hidden_size
        check_same("mask_decoder_config.vit_dim", self.mask_decoder_config.vit_dim, *width)
        return super().to_model_config()


def part_of(value: Any, kind: type[Made]) -> Made:
    """A part in its class, from that class, a similar class, a dict or None.

    Raises:
        ConfigError: something else.
    """
    if value is None:
        return kind()
    if isinstance(value, kind):
        return value
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"Expected {kind.section} as a {kind.__name__} or a dict, got {value!r:.80}. Leave it out for the defaults."
        )
    return kind.from_dict(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_dict()
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def square_side(value: Any) -> int:
    """The side of a square that may be given as a pair.

    Raises:
        ConfigError: two different sides.
    """
    if isinstance(value, (list, tuple)):
        if len(value) != 2 or value[0] != value[1]:
            raise ConfigError(f"Expected a square, got {list(value)}: give one number, as in 1024.")
        value = value[0]
    side: int = value
    return side


def check_same(name: str, value: object, other: str, expected: object) -> None:
    """Refuses two values that contradict each other.

    Raises:
        ConfigError: they differ.
    """
    if value != expected:
        raise ConfigError(
            f"Expected {name} to be {expected!r} as {other} has it, got {value!r}. Change one of the two."
        )


def model_config_of(values: Mapping[str, object]) -> ModelConfig:
    """The row of samhq's table that a `config.json` describes.

    Raises:
        ConfigError: numbers that fit no model, or an option that samhq lacks.
    """
    try:
        return config_from_transformers(values)
    except CheckpointError as error:
        raise ConfigError(str(error)) from error
