"""Flags that several commands share: which model to use, and what to write.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from samhq.batch.settings import Dtype as Dtype
from samhq.batch.settings import MaskFiles, ModelSettings


@Parameter(name="*")
@dataclass(frozen=True)
class ModelFlags(ModelSettings):
    """Which model to use, on which device, in which number type."""

    model: Annotated[str | None, Parameter(alias="-m")] = None
    """A name from `samhq models`, a weights file, a folder, a hub id, or a folder that `samhq export` made, which needs
    no torch. [default: the starter in the package]"""


STARTER = ModelFlags()  #: The values of the flags when none is given.


@Parameter(name="*")
@dataclass(frozen=True)
class OutputFlags(MaskFiles):
    """What to write."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder for the results. It is created if it does not exist."""

    cutout: Annotated[bool, Parameter(negative="")] = False
    """Write each object alone, with everything else transparent."""
