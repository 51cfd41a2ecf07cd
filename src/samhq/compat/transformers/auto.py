"""transformers' classes that choose the model or the processor by what a folder or repository holds.

Source: models/auto of transformers 5.23 (names and arguments).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

from samhq.checkpoint.files import read_object
from samhq.checkpoint.load import load_model, load_state, locate
from samhq.compat.transformers.models import SamHQModel, SamModel
from samhq.compat.transformers.pretrained import SAM2_ATTENTION, Loading
from samhq.compat.transformers.processors import SamHQProcessor, SamProcessor
from samhq.compat.transformers.sam2 import Sam2Model
from samhq.compat.transformers.sam2_processor import Sam2Processor
from samhq.compat.transformers.sam2_video_processor import Sam2VideoProcessor
from samhq.errors import ConfigError
from samhq.model.sam2.sam2 import Sam2

#: Processors by the `model_type` of a configuration.
_PROCESSORS = {
    "sam": SamProcessor,
    "sam_hq": SamHQProcessor,
    "sam2": Sam2Processor,
    "sam2_video": Sam2VideoProcessor,
}


class _Chooser:
    """A class that is never made: only its `from_pretrained` is used."""

    def __init__(self, *_: Any, **__: Any) -> NoReturn:
        name = type(self).__name__
        raise ConfigError(f"Expected {name}.from_pretrained(source), got a call of {name}. Call from_pretrained.")


class AutoModelForMaskGeneration(_Chooser):
    """The model class that fits a file: `SamModel`, `SamHQModel` or `Sam2Model`."""

    @staticmethod
    def from_pretrained(source: str | os.PathLike[str], **options: Any) -> SamModel | SamHQModel | Sam2Model:
        """The model in a transformers folder, a repository of the hub, or an original file, in evaluation mode.

        Takes the options of `SamModel.from_pretrained`.

        Raises:
            ConfigError: an option that means nothing, or a model that transformers does not have.
            CheckpointError: the source cannot be had or read, or lacks tensors.
        """
        chosen = Loading.of(options, source, SAM2_ATTENTION)
        sam = load_model(source, device=chosen.device, dtype=chosen.dtype)
        if isinstance(sam, Sam2):
            return Sam2Model(sam)
        return SamHQModel._around(sam) if sam.config.hq else SamModel._around(sam)


class AutoProcessor(_Chooser):
    """The processor class that fits a file: that of SAM, SAM-HQ, SAM 2, or of SAM 2 for videos."""

    @staticmethod
    def from_pretrained(
        source: str | os.PathLike[str], **options: Any
    ) -> SamProcessor | SamHQProcessor | Sam2Processor:
        """The processor for the model in a folder, a repository of the hub, or an original file.

        Takes the options of that processor's `from_pretrained`.

        Raises:
            ConfigError, CheckpointError: nothing is there, or settings that the models cannot work with.
        """
        return _processor_for(locate(source)).from_pretrained(source, **options)


def _processor_for(path: Path) -> type[SamProcessor] | type[SamHQProcessor] | type[Sam2Processor]:
    """By the folder's configuration; by the weights where there is none."""
    if (path / "config.json").is_file():
        kind = read_object(path / "config.json").get("model_type")
        if kind in _PROCESSORS:
            return _PROCESSORS[str(kind)]
    config = load_state(path)[1].config
    if config.second:
        return Sam2VideoProcessor if config.memory else Sam2Processor
    return SamHQProcessor if config.hq else SamProcessor
