"""Flags that several commands share: which model to use, and what to write.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass

from cyclopts import Parameter

from samhq.batch.settings import Dtype as Dtype
from samhq.batch.settings import MaskFiles, ModelSettings
from samhq.cli.fields import grown_from


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(ModelSettings, model=Parameter(alias="-m"))
class ModelFlags(ModelSettings):
    """Which model to use, on which device, in which number type."""


STARTER = ModelFlags()  #: The flags' defaults.


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(MaskFiles, output=Parameter(alias="-o"), cutout=Parameter(negative=""))
class OutputFlags(MaskFiles):
    """What to write."""
