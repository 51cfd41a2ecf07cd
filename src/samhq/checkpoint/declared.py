"""The fields that a file states about its model, by dotted name.

`encoder.dim`, `decoder.heads`, `side`, `hq`, … come from samhq's own safetensors metadata or from a transformers
`config.json`. Only stated fields are given; nothing is filled in. Knows nothing about tensors: `detect.py` compares the
two.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, get_args

from samhq.config import MODELS, ClickMask, Defaults, HQMode, ModelConfig
from samhq.errors import CheckpointError, ConfigError
from samhq.storage.documents import parse_json
from samhq.storage.schema import Fields

Declared = Mapping[str, object]
METADATA_KEY = "samhq"
#: A value of the type of each setting in `Defaults`.
_EXAMPLES = {
    "pred_iou_thresh": 0.88,
    "stability_score_thresh": 0.95,
    "hq": "add",
    "refine_margin": 0.5,
    "thin_zoom": 1.5,
    "click_mask": "single",
}
#: The values that a setting of words may have.
_CHOICES = {"hq": get_args(HQMode), "click_mask": get_args(ClickMask)}


def to_metadata(config: ModelConfig) -> dict[str, str]:
    """A config as one JSON entry for the header of our safetensors files.

    >>> from samhq.config import model_config
    >>> '"side": 1024' in to_metadata(model_config("mobile_sam"))["samhq"]
    True
    """
    fields = dataclasses.asdict(config) | {"defaults": config.defaults.stated()}
    if not fields["defaults"]:
        del fields["defaults"]
    return {METADATA_KEY: json.dumps(fields, sort_keys=True)}


def from_metadata(metadata: Mapping[str, str]) -> Declared:
    """The fields in a safetensors header; empty if samhq wrote none.

    Raises:
        CheckpointError: our entry is there but is no JSON object.
    """
    if METADATA_KEY not in metadata:
        return {}
    what = f"the header's {METADATA_KEY!r} entry"
    value = parse_json(metadata[METADATA_KEY], what, Fields(), CheckpointError, "Save the weights again.")
    return _flat(value)


def flat_fields(config: ModelConfig) -> dict[str, object]:
    """Every field of a config by its dotted name."""
    return _flat(dataclasses.asdict(config))


def with_fields(fields: Declared, base: ModelConfig) -> ModelConfig:
    """`base` with its stated fields replaced; other names are ignored.

    Raises:
        CheckpointError: a value is of the wrong type, or the numbers do not fit together.
    """
    encoder, decoder = _changes(base.encoder, fields, "encoder."), _changes(base.decoder, fields, "decoder.")
    own = _changes(base, fields, "", skip=("encoder", "decoder", "defaults", "memory"))
    if base.memory is not None:
        own["memory"] = dataclasses.replace(base.memory, **_changes(base.memory, fields, "memory."))  # type: ignore[arg-type]
    try:
        config = base.replace(
            encoder=dataclasses.replace(base.encoder, **encoder),  # type: ignore[arg-type]
            decoder=dataclasses.replace(base.decoder, **decoder),  # type: ignore[arg-type]
            defaults=_defaults(base.defaults, fields),
            **own,
        )
        width, heads = config.decoder.dim // config.decoder.downsample, config.decoder.heads
        if width % heads:
            raise ConfigError(f"the decoder's {heads} heads do not divide its {width} channels.")
    except (ConfigError, ArithmeticError) as error:
        raise CheckpointError(
            f"Expected numbers that make a model, got others: {error!s:.600} Correct the file's config, or remove it."
        ) from error
    return config


def with_published_name(config: ModelConfig) -> ModelConfig:
    """The published row with these numbers; otherwise the same config with the name "custom".

    A SAM 2 without memory, for pictures only, is the row of its size without memory. SAM 2 and 2.1 do not differ then;
    the name is that of SAM 2.

    >>> from samhq.config import VIT_L
    >>> with_published_name(ModelConfig("?", VIT_L, hq=True)).name
    'sam_hq_vit_l'
    """
    pictures_only = config.second and config.memory is None
    rows = [row.replace(memory=None) for row in reversed(MODELS.values())] if pictures_only else MODELS.values()
    for row in rows:
        if row == config.replace(name=row.name, family=row.family):
            return row.replace(defaults=config.defaults) if config.defaults.stated() else row
    return config.replace(name="custom", family=config.encoder.families[config.hq])


def _defaults(base: Defaults, fields: Declared) -> Defaults:
    """`base` with the settings that are stored beside the weights.

    Raises:
        CheckpointError: a value of the wrong type, or not one of the choices.
    """
    stated: dict[str, Any] = {}
    for name, example in _EXAMPLES.items():
        value = fields.get(f"defaults.{name}")
        if value is not None:
            stated[name] = checked(f"defaults.{name}", value, example)
    for name, choices in _CHOICES.items():
        if name in stated and stated[name] not in choices:
            raise CheckpointError(
                f"Expected defaults.{name} to be one of {', '.join(choices)}, got {stated[name]!r:.80}. "
                "Correct it or remove it."
            )
    return dataclasses.replace(base, **stated)


def _changes(row: object, fields: Declared, prefix: str, skip: tuple[str, ...] = ()) -> dict[str, object]:
    values = vars(row)
    return {
        name: checked(prefix + name, fields[prefix + name], values[name])
        for name in values
        if prefix + name in fields and name not in skip
    }


def checked(name: str, value: object, like: object) -> object:
    """`value` in the type of `like`: a list becomes a tuple, a whole number a float.

    Raises:
        CheckpointError: the types differ, or a number is negative.
    """
    if isinstance(like, tuple) and isinstance(value, list | tuple):
        return tuple(checked(name, item, 0) for item in value)
    if isinstance(like, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    positive = isinstance(value, bool | str) or (isinstance(value, int | float) and value >= 0)
    if type(value) is not type(like) or not positive:
        raise CheckpointError(f"Expected {name} to be like {like!r}, got {value!r:.80}. Correct it or remove it.")
    return value


def is_stated(fields: Declared, name: str, value: object) -> bool:
    """Whether a field is stated with this value, whatever its type in the file.

    >>> is_stated({"encoder.windows": [7, 14]}, "encoder.windows", (7, 14))
    True
    """
    try:
        return checked(name, fields[name], value) == value
    except CheckpointError:
        return False


def _flat(value: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, item in value.items():
        if isinstance(item, Mapping) and not prefix:
            fields |= _flat(item, f"{key}.")
        elif item is not None:  # Such as the memory of a model that has none.
            fields[prefix + str(key)] = item
    return fields
