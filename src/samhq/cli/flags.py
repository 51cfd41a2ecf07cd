"""Flags that several commands share: which model to use, and what to write.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from samhq.cli.exported import check_exported, exported_folder, load_exported, weight_files
from samhq.config import HQMode

if TYPE_CHECKING:
    from samhq.inference.segment import Segmenter
    from samhq.runtime import OnnxSegmenter

Dtype = Literal["float32", "bfloat16", "float16", "auto"]


@Parameter(name="*")
@dataclass(frozen=True)
class ModelFlags:
    """Which model to use, on which device, in which number type."""

    model: Annotated[str | None, Parameter(alias="-m")] = None
    """A name from `samhq models`, a weights file, a folder or a hub id. For `samhq segment` also a folder that
    `samhq export` made, which needs no torch. [default: the starter in the package]"""

    hq: Literal["auto", "add", "only", "off"] = "auto"
    """Add the HQ logits to SAM's, use them alone, or leave them out. auto: add them if the model has them."""

    multimask: bool | None = None
    """Three masks for each object, best first, or one. [default: one; for a single click the best of three; everything:
    the best of three with HQ models, else three]"""

    device: str | None = None
    """cpu, cuda, cuda:1, mps, ...; for an exported model cpu, cuda, openvino, ... [default: cuda where there is one,
    else cpu]"""

    dtype: Dtype = "float32"
    """Number type of the weights. auto: bfloat16 if the device multiplies it in hardware, else float32."""

    @property
    def hq_mode(self) -> HQMode | None:
        """The mode as the library takes it."""
        return None if self.hq == "auto" else self.hq

    @property
    def torch_device(self) -> str | None:
        """The device for the parts that run in torch beside the model."""
        return self.device if self.exported is None else None

    @property
    def exported(self) -> Path | None:
        """The folder that `samhq export` made, if the model is one; None otherwise."""
        return exported_folder(self.model)

    def load(self) -> Segmenter:
        """The model, checked against `hq`.

        Raises:
            ConfigError, CheckpointError: as `samhq.inference.segment.load`; an HQ mask from a plain SAM; a folder that
                `samhq export` made, which supports prompts only.
        """
        from samhq.inference.segment import load

        check_exported(self.exported, {"samhq everything": True})
        segmenter = load(self.model, device=self.device, dtype=self.dtype)
        segmenter.model.hq_mode(self.hq_mode)
        return segmenter

    def load_for_prompts(self) -> Segmenter | OnnxSegmenter:
        """As `load`, and also a folder that `samhq export` made.

        Raises:
            MissingExtraError: an exported model's runtime is not installed.
        """
        if self.exported is None:
            return self.load()
        segmenter = load_exported(self.exported, self.device, self.dtype)
        segmenter.model.hq_mode(self.hq_mode)
        return segmenter

    def options(self) -> dict[str, Any]:
        """The values of these flags that results depend on, as JSON values. Weights are named by their content.

        Raises:
            ConfigError, CheckpointError: there are no such weights, or they cannot be downloaded.
            OSError: they cannot be read.
        """
        from samhq.storage import digest

        files = weight_files(self.model)
        asked = {"hq": self.hq_mode, "multimask": self.multimask, "dtype": self.dtype}
        return {"weights": digest.of_files(files), **asked}


STARTER = ModelFlags()  #: The values of the flags when none is given.


@Parameter(name="*")
@dataclass(frozen=True)
class OutputFlags:
    """What to write."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder for the results. It is created if it does not exist."""

    overlay: bool = True
    """Write a copy of the picture with its masks in colour."""

    cutout: Annotated[bool, Parameter(negative="")] = False
    """Write each object alone, with everything else transparent."""

    def options(self) -> dict[str, Any]:
        """The values of these flags that results depend on, as JSON values."""
        return {"overlay": self.overlay, "cutout": self.cutout}
