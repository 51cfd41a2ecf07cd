"""From a name, a hub id, a file or a folder to a model that is ready to use.

The network is built without memory, its weights are taken from the file one by one, and every tensor must be there.
Knows nothing about key tables or file formats.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from samhq.checkpoint import declared, files, hf_config, hub, naming
from samhq.checkpoint.detect import Detection, detect_model
from samhq.checkpoint.starter import STARTER, starter_path, tuned_settings
from samhq.checkpoint.unwrap import unwrap
from samhq.config import MODELS, ModelConfig, model_config
from samhq.errors import CheckpointError, ConfigError, SamHQWarning, did_you_mean
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.model.weight_layout import laid_out

#: None or "starter" for the starter, a published name, a hub id, a file or a folder; or the weights themselves, as a
#: file's bytes, an open binary file, or the mapping that a file held.
Source = str | os.PathLike[str] | files.InMemory | None


@dataclass(frozen=True)
class Fit:
    """The differences between a state dict and a model: missing names, extra names, other shapes."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not (self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        groups = {"missing": self.missing, "unexpected": self.unexpected, "of another shape": self.misshapen}
        return "; ".join(f"{len(keys)} {what}: {naming.some_names(keys)}" for what, keys in groups.items() if keys)


def load_model(
    source: Source = None,
    *,
    name: str | None = None,
    hq: bool | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
) -> Sam:
    """The model in `source`, in evaluation mode, strictly loaded; it has its own memory, not the file's.

    `name` or `hq` give the expected model, or whether it should have HQ heads. `dtype=None` keeps the weights' own
    type.

    Raises:
        ConfigError: a name that no model has.
        CheckpointError: the source cannot be downloaded or read, is another model than expected, or lacks tensors.
    """
    state, detection = load_state(source)
    _expect(detection, source, name, hq)
    model = _outline(detection.config)
    layout = model.state_dict()
    _check(fit(state, layout), detection, source)
    _say_left_out(detection, source)
    placed = {key: _placed(key, state.pop(key), like, device, dtype) for key, like in layout.items()}
    model.load_state_dict(placed, strict=True, assign=True)
    return laid_out(model.requires_grad_(True).eval(), torch.device(device))


def load_state(source: Source = None) -> tuple[dict[str, Tensor], Detection]:
    """Tensors by original name, still on disk if the format allows, and the model they belong to.

    Raises:
        ConfigError, CheckpointError: as `load_model`, except that missing tensors are no error.
    """
    held = source if files.is_in_memory(source) else locate(source)
    contents, path = files.read(held), files.source_name(held)
    try:
        unwrapped = unwrap(contents.value)
        fields = hf_config.declare(contents.config) if contents.config is not None else {}
        tuned = tuned_settings(held) if isinstance(held, Path) else {}
        stated = {**fields, **declared.from_metadata(contents.metadata), **tuned}
        detection = detect_model(unwrapped.state, stated)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    _say_overruled(fields, detection.config, path)
    state: dict[str, Tensor] = unwrapped.state
    if detection.layout == "transformers":
        _check_positional(state, path)
        state = naming.to_original(state, strict=False)
    return state, replace(detection, wrapper=unwrapped.wrapper, prefix=unwrapped.prefix, left_out=unwrapped.left_out)


def load_checked(source: Source = None) -> tuple[dict[str, Tensor], Detection]:
    """As `load_state`, for a complete model, without building it.

    Raises:
        ConfigError, CheckpointError: as `load_model`.
    """
    state, detection = load_state(source)
    _check(fit(state, _outline(detection.config).state_dict()), detection, source)
    _say_left_out(detection, source)
    return state, detection


def inspect(source: Source = None) -> tuple[Detection, Fit]:
    """The model of a source, and its missing or extra tensors.

    Raises:
        ConfigError, CheckpointError: as `load_state`.
    """
    state, detection = load_state(source)
    return detection, fit(state, _outline(detection.config).state_dict())


def fit(state: Mapping[str, Tensor], layout: Mapping[str, Tensor]) -> Fit:
    """The differences between `state` and the `layout` of a model; true if there are none."""
    return Fit(
        tuple(key for key in layout if key not in state),
        tuple(key for key in state if key not in layout),
        tuple(
            f"{key} {list(state[key].shape)} for {list(layout[key].shape)}"
            for key in layout
            if key in state and state[key].shape != layout[key].shape
        ),
    )


def locate(source: Source = None) -> Path:
    """The file or folder of `source`, downloaded if needed.

    Raises:
        ConfigError: a name that no model has.
        CheckpointError: a path that does not exist, or a download that failed.
    """
    if source is None:
        return starter_path()
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError(
            f"Expected a model's name, a hub id, a file or a folder, got {source!r:.60}. "
            "Give a path, bytes, an open binary file or a state dict."
        )
    if not isinstance(source, str):
        path = Path(source)
        if _exists(path):
            return path
        raise CheckpointError(f"Expected a file or folder, got {path}, which does not exist. {_advice(path)}")
    path = Path(os.path.expanduser(source))
    if source and _exists(path):
        return path
    if source == STARTER:
        return starter_path()
    if path.name.removesuffix(".yaml") in hub.CONFIGURATIONS:
        name = hub.CONFIGURATIONS[path.name.removesuffix(".yaml")]
        raise ConfigError(
            f"Expected a model's name, a hub id, a file or a folder, got {source!r}, SAM 2's name of a configuration. "
            f"Give {name}, or the path of its weights."
        )
    if source in MODELS or (hub.is_hub_id(source) and not (source.count("/") > 1 and _exists(path.parent))):
        return hub.fetch(source)
    if path.name == source and not path.suffix:
        near = did_you_mean(source, tuple(MODELS))
        raise ConfigError(f"Expected a model's name, a hub id, a file or a folder, got {source!r}. {near}")
    raise CheckpointError(f"Expected a file or folder, got {source!r}, which does not exist. {_advice(path)}")


def _advice(path: Path) -> str:
    if path.name in hub.ELSEWHERE:
        return f"Download it from {hub.ELSEWHERE[path.name]}, or give the name of a model: {', '.join(MODELS)}."
    if path.name in hub.ULTRALYTICS:
        return f"It is Ultralytics' name of {hub.ULTRALYTICS[path.name]}: give that name, or the path of the file."
    return "Check the path, or give the name of a model: " + ", ".join(MODELS) + "."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # Too long, or with a zero byte.
        return False


class _WithoutDrawing(TorchFunctionMode):
    """Turns off random initialisation: on the meta device it would load torch's compiler, which takes seconds."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in (Tensor.normal_, Tensor.uniform_) or getattr(func, "__module__", None) == torch.nn.init.__name__:
            return args[0] if args else given["tensor"]
        return (torch.empty if func is torch.randn else func)(*args, **given)


def _outline(config: ModelConfig) -> Sam:
    """The network without memory."""
    with _WithoutDrawing():
        return build(config, device="meta")


def _expect(detection: Detection, source: Source, name: str | None, hq: bool | None) -> None:
    config = detection.config
    expected = model_config(name) if name is not None else None
    if expected is not None and _numbers(expected) != _numbers(config):
        raise CheckpointError(
            f"Expected {expected.name}, got {detection} in {_words(source)}. "
            f"Load it as {config.name!r}, or give the weights of {expected.name}."
        )
    if hq is not None and hq != config.hq:
        kinds = {True: "a model with HQ heads", False: "a model without HQ heads"}
        advice = 'Give a SAM-HQ file, such as "sam_hq_vit_b"' if hq else 'Give a plain SAM file, such as "sam_vit_b"'
        raise CheckpointError(f"Expected {kinds[hq]}, got {detection} in {_words(source)}. {advice}.")


def _numbers(config: ModelConfig) -> ModelConfig:
    """All fields but the names."""
    return replace(config, name="", family="")


def _check(result: Fit, detection: Detection, source: Source) -> None:
    if result:
        return
    heads = [key for key in result.missing if key.startswith(("mask_decoder.", "sam_mask_decoder."))]
    hint = "Download the file again, or load the model it was made from"
    if detection.config.hq and len(heads) == len(result.missing) > 0 and not result.unexpected:
        hint = "Its HQ heads are incomplete; join them with the rest of the model"
    raise CheckpointError(f"Expected every tensor of {detection} in {_words(source)}, got {result}. {hint}.")


def _say_left_out(detection: Detection, source: Source) -> None:
    if detection.left_out:
        warnings.warn(
            f"Loaded {detection.config.name} from {_words(source)} and left out what is no part of it: "
            f"{naming.some_names(detection.left_out)}.",
            SamHQWarning,
            stacklevel=3,
        )


def _say_overruled(fields: declared.Declared, config: ModelConfig, path: str) -> None:
    """Warns of numbers in `config.json` that differ from those of the tensors, which samhq's own header states too."""
    other = {name: shown for name, shown in declared.flat_fields(config).items() if name in fields}
    wrong = [name for name, shown in other.items() if not declared.is_stated(fields, name, shown)]
    if wrong:
        words = ", ".join(f"{name} {fields[name]!r:.40} (weights: {other[name]!r:.40})" for name in wrong[:4])
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        warnings.warn(
            f"Expected config.json to fit the weights in {path}, got {words}{more}. The weights are used. Correct "
            "config.json, or save the model again.",
            SamHQWarning,
            stacklevel=3,
        )


def _check_positional(state: Mapping[str, Tensor], path: str) -> None:
    """Checks that the two places of the positional matrix hold the same tensor; otherwise the file is damaged."""
    first, second = state.get(naming.POSITIONAL), state.get(naming.POSITIONAL_COPY)
    if first is not None and second is not None and not torch.equal(first, second):
        raise CheckpointError(
            f"Expected {naming.POSITIONAL} and its copy in {path} to be equal, got two different ones. "
            "Remove the wrong one."
        )


def _placed(key: str, tensor: Tensor, like: Tensor, device: torch.device | str, dtype: torch.dtype | None) -> Tensor:
    """A copy on the model's device; counters stay whole numbers, and positions keep their precision."""
    stored = tensor.dtype if tensor.is_floating_point() else like.dtype
    is_weight = like.is_floating_point() and key not in naming.MATRICES
    number_type = (dtype or stored) if is_weight else like.dtype
    return tensor.detach().to(device=device, dtype=number_type, copy=True).contiguous()


def _words(source: Source) -> str:
    return "the starter" if source is None else files.source_name(source)
