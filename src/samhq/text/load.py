"""Detectors by name, folder or file.

Networks come from transformers, which is imported only for them; boxes from files need no other package.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

from samhq.errors import CheckpointError, ConfigError, did_you_mean
from samhq.extras import from_extra
from samhq.text.boxfile import BoxFile, is_box_file, read_boxes
from samhq.text.detector import Detector, check_detector

#: Short names of detectors and their places on the hub. The first is the default.
DETECTORS = {
    "grounding-dino-tiny": "IDEA-Research/grounding-dino-tiny",
    "grounding-dino-base": "IDEA-Research/grounding-dino-base",
    "mm-grounding-dino-tiny": "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
    "llmdet-tiny": "iSEE-Laboratory/llmdet_tiny",
    "llmdet-base": "iSEE-Laboratory/llmdet_base",
    "llmdet-large": "iSEE-Laboratory/llmdet_large",
    "owlv2-base": "google/owlv2-base-patch16-ensemble",
}
DEFAULT = next(iter(DETECTORS))
_FROM_FILE = "Boxes from a file work without any detector: a COCO JSON file or a folder of YOLO's text files."


def load_detector(
    source: Any = None, *, device: Any = None, dtype: Any = "float32", **options: Any
) -> Detector | BoxFile:
    """A detector ready for use; without a source "grounding-dino-tiny".

    `source` is a short name in `DETECTORS`, a hub id, a folder that transformers wrote, a file of boxes (COCO's JSON)
    or a folder of YOLO's text files, `Detections`, supervision's Detections, a function of one picture, or any object
    with `detect(images, classes)`. `options` are fields of the detector: `short_side`, `batch`, `reduce`, `assign`,
    `floor`, `threshold`, `template`. A network loaded by name is kept for the next call with the same arguments.

    Raises:
        ConfigError: an unknown name or option, or something that is not a detector.
        CheckpointError: the detector cannot be found or downloaded.
        MissingExtraError: transformers is not installed.
        PromptError: a file of boxes that cannot be read.
    """
    source = DEFAULT if source is None else source
    if not isinstance(source, str | os.PathLike):
        _refuse(options, "a detector that is loaded already")
        return source if isinstance(source, BoxFile) else check_detector(source)
    if is_box_file(Path(source)):
        _refuse(options, "a file of boxes")
        return read_boxes(Path(source))
    from samhq.device import as_device, as_dtype

    on_device = as_device(device)
    dtype_name = str(as_dtype(dtype, on_device)).removeprefix("torch.")
    return _network(_place(os.fspath(source)), str(on_device), dtype_name, tuple(sorted(options.items())))


def _refuse(options: dict[str, Any], kind: str) -> None:
    if options:
        raise ConfigError(f"Expected no options for {kind}, got {', '.join(sorted(options))}. Leave them out.")


def _place(source: str) -> str:
    """The folder or hub id of a source.

    Raises:
        ConfigError: no folder, no known short name, and no hub id.
    """
    if Path(source).is_dir():
        if not (Path(source) / "config.json").is_file():
            raise ConfigError(
                f"Expected a detector's config.json or YOLO's text files in {source}, got neither. Give another folder."
            )
        return source
    if source in DETECTORS:
        return DETECTORS[source]
    if source.count("/") == 1 and not source.startswith((".", "/")) and Path(source).suffix != ".json":
        return source
    if Path(source).suffix or "/" in source:
        raise ConfigError(f"Expected a detector or a file of boxes at {source}, got no such file. Check the path.")
    raise ConfigError(f"Expected the name of a detector, got {source!r}. {did_you_mean(source, DETECTORS)}")


@lru_cache(maxsize=2)
def _network(place: str, device: str, dtype: str, options: Sequence[tuple[str, Any]]) -> Detector:
    library = _transformers()
    kind = _kind(library, place)
    from samhq.text import grounding_dino, owl

    if kind in grounding_dino.MODEL_TYPES:
        make: Any = grounding_dino.GroundingDino
    elif kind in owl.MODEL_TYPES:
        make = owl.Owl
    else:
        known = ", ".join((*grounding_dino.MODEL_TYPES, *owl.MODEL_TYPES))
        raise ConfigError(
            f"Expected a detector of {known}, got {kind!r} in {place}. Wrap another one in an object with "
            "detect(images, classes)."
        )
    parts = _parts(library, place, kind, device, dtype)
    known_options = options_of(make)
    for name, _ in options:
        if name not in known_options:
            raise ConfigError(f"Expected an option of {kind}, got {name!r}. {did_you_mean(name, known_options)}")
    return make(*parts, weights=_weights(place, parts[0]), **dict(options))


def options_of(make: Any) -> list[str]:
    """The options of a detector: its fields without its parts and derived values."""
    parts = ("model", "tokenizer", "image_processor", "weights")
    return [name for name in make.__dataclass_fields__ if not name.startswith("_") and name not in parts]


def _parts(library: Any, place: str, kind: str, device: str, dtype: str) -> tuple[Any, Any, Any]:
    """The network, the tokenizer and the picture processor."""
    try:
        hub_options = _hub_options()
        # A bar is for downloads. For files on this machine it would only break the lines of a command.
        with _without_bars(library) if hub_options["local_files_only"] or Path(place).is_dir() else nullcontext():
            model = library.AutoModelForZeroShotObjectDetection.from_pretrained(place, dtype=dtype, **hub_options)
        tokenizer = library.AutoTokenizer.from_pretrained(place, **hub_options)
        processor = _processor_class(library, kind).from_pretrained(place, **hub_options)
    except (OSError, ValueError) as error:
        raise _not_found(place, error) from error
    return model.to(device), tokenizer, processor


@contextmanager
def _without_bars(library: Any) -> Iterator[None]:
    """A context in which transformers shows no progress bars."""
    messages = library.utils.logging
    shown = messages.is_progress_bar_enabled()
    messages.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            messages.enable_progress_bar()


def _weights(place: str, model: Any) -> str:
    """An identifier of the weights: the hash of a folder's files, or the hub's commit."""
    if not Path(place).is_dir():
        commit = getattr(model.config, "_commit_hash", None)
        return f"{place}@{commit}" if commit else ""
    from samhq.storage import digest

    files = [path for path in Path(place).iterdir() if path.suffix in (".safetensors", ".bin", ".json", ".txt")]
    return digest.of_files(sorted(files))


def _processor_class(library: Any, kind: str) -> Any:
    """transformers' picture processor; imported by name if torchvision is missing, which avoids its warning."""
    if importlib.util.find_spec("torchvision") is not None:
        return library.AutoImageProcessor
    family = {"owlv2": "Owlv2", "owlvit": "OwlViT"}.get(kind, "GroundingDino")
    return getattr(library, f"{family}ImageProcessorPil")


def _kind(library: Any, place: str) -> str:
    try:
        return str(library.AutoConfig.from_pretrained(place, **_hub_options()).model_type)
    except (OSError, ValueError) as error:
        raise _not_found(place, error) from error


def _hub_options() -> dict[str, bool]:
    """Options for transformers: only its cache if the hub is out of reach, because it would try for minutes."""
    from huggingface_hub import constants

    from samhq.checkpoint.hub import is_reachable

    return {"local_files_only": bool(constants.HF_HUB_OFFLINE) or not is_reachable(constants.ENDPOINT)}


def _not_found(place: str, error: Exception) -> CheckpointError:
    text = str(error).strip()
    reason = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    return CheckpointError(
        f"Expected the detector {place}, which is not on this machine and cannot be downloaded: {reason[:160]}. "
        f"On a machine with network run `hf download {place} --local-dir DIR` and give DIR as the detector. "
        f"{_FROM_FILE}"
    )


def _transformers() -> Any:
    with from_extra("text", "detectors (boxes from a file need none)"):
        import transformers
    return transformers
