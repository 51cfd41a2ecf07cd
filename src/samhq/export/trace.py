"""A module's graph as ONNX, by PyTorch's exporter. Knows nothing of networks or files.

The exporter that records a program (`dynamo=True`) keeps sizes as symbols. The older one records one run, and fixes
sizes inside the decoder that belong to the example.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 18  #: LayerNormalization came with 17; the exporter makes 18 without conversion, and old runtimes read it.


def trace(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], dynamic: Mapping[str, Mapping[int, str]]
) -> Any:
    """A module's graph as an `ONNXProgram`, without the names of source files and lines.

    `dynamic` names the axes that may have any size.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with warnings.catch_warnings(), _quiet("torch.onnx"), torch.no_grad():
        warnings.simplefilter("ignore")  # About names inside PyTorch.
        program: Any = torch.onnx.export(
            module.eval(),
            (),
            kwargs=dict(inputs),
            output_names=list(outputs),
            dynamic_shapes={name: dict(dynamic[name]) if name in dynamic else None for name in inputs}
            if dynamic
            else None,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    ClearMetadataAndDocStringPass()(program.model)
    return program


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """A context without warnings of a logger and those below it, such as about missing packages."""
    loggers = [logging.getLogger(other) for other in logging.root.manager.loggerDict if other.startswith(name)]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
