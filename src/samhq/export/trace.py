"""A module's graph as ONNX, by PyTorch's exporter. Knows nothing of networks or files.

The exporter that records a program (`dynamo=True`) keeps sizes as symbols. The older one records one run, and fixes
sizes inside the decoder that belong to the example.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_LARGEST_NUMBER = 8  #: bytes of a number whose type is not known
_GROWTH = 1 << 20  #: bytes of a folded constant that may be larger than what it is made of
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
    fold(program.model)
    return program


def fold(model: Any) -> None:
    """Computes what depends on constants alone, in place, where the result takes little more space than they do.

    Tools that change a graph afterwards, such as quantizers and float16 converters, expect weights as plain constants.
    """
    from onnx_ir.passes.common import RemoveUnusedNodesPass
    from onnxscript.optimizer import fold_constants

    fold_constants(model, onnx_shape_inference=True, should_fold=_is_small)
    RemoveUnusedNodesPass()(model)


def _is_small(node: Any) -> bool | None:
    """Whether a node of constants is folded; None leaves that to the library, where the result's size is not known."""
    sizes = [value.const_value.nbytes for value in node.inputs if value is not None]
    if any(value.shape is None or not value.shape.is_static() for value in node.outputs):
        return None
    made = sum(
        math.prod(value.shape.numpy()) * (_LARGEST_NUMBER if value.dtype is None else value.dtype.itemsize)
        for value in node.outputs
    )
    return bool(made <= max(_GROWTH, sum(sizes)))


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
