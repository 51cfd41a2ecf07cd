"""Exports a model to a TensorFlow SavedModel with the signatures `encode` and `decode`, compared with torch.

litert-torch lowers PyTorch's graph to StableHLO, and TensorFlow's operator XlaCallModule runs it. Needs the packages
litert-torch and tensorflow.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from samhq.errors import MissingExtraError
from samhq.export.convert import as_exported
from samhq.export.fixed import Difference, FixedGraph, check_first, compare, decoder_part, encoder_part
from samhq.model.sam import Sam

FILE = "saved_model.pb"  #: The graph; the weights are in the folder `variables` beside it.
_CALL_VERSION = 9  #: Version of XlaCallModule's contract; TensorFlow 2.15 and later run it.
_STABLEHLO = "1.8.0"  #: The oldest version with all operators used here, which older TensorFlow reads.
#: Constant booleans in hexadecimal digits. Releases of MLIR disagree on their layout: one bit or one byte each.
_BOOLEANS = re.compile(r'(%\w+) = stablehlo\.constant dense<("0x[0-9A-F]*")> : tensor<([0-9x]+)xi1>')


def export_saved_model(model: Sam, directory: str | os.PathLike[str], *, points: int = 4) -> Difference:
    """Writes a SavedModel into a folder; returns its largest difference from torch.

    `encode` takes `pixels` and returns `features` and, for HQ models, `hq_features`; `decode` takes these and a prompt
    of `points` points. Give fewer points by labels of -10, no box by NaN, and no mask by NaN. The files are loaded
    again and compared with torch before they reach the folder.

    Raises:
        ConfigError: a SAM 2, or results that differ from torch.
        MissingExtraError: litert-torch or tensorflow is not installed.
        OSError: the folder cannot be written.
    """
    check_first(model, "TensorFlow")
    try:
        import litert_torch  # noqa: F401
        import tensorflow as tf
    except ImportError as error:
        raise MissingExtraError(
            f"Expected the packages litert-torch and tensorflow for a SavedModel, got at most one of them ({error}). "
            "Run: pip install litert-torch tensorflow"
        ) from error
    ready = as_exported(model, "float32")
    parts = [replace(encoder_part(ready), name="encode"), replace(decoder_part(ready, points), name="decode")]
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as scratch:
        module = tf.Module()
        module.weights = {name: tf.Variable(value, trainable=False) for name, value in shared_weights(parts).items()}
        functions = {part.name: _function(part, module.weights) for part in parts}
        tf.saved_model.save(module, scratch, {name: made.get_concrete_function() for name, made in functions.items()})
        loaded = tf.saved_model.load(scratch)
        found = [compare(part, _caller(part, loaded.signatures[part.name])) for part in parts]
        _move(Path(scratch), folder)
    return max(found, key=lambda each: each.share)


def shared_weights(parts: list[FixedGraph]) -> dict[str, Any]:
    """The weights of all parts as arrays, each name once: parts of one model use the same names."""
    return {name: value.numpy() for part in parts for name, value in part.graph.state_dict().items()}


def _function(part: FixedGraph, weights: dict[str, Any]) -> Any:
    """A `tf.function` that runs a part of the model."""
    import tensorflow as tf
    from litert_torch.backend.export import exported_program_to_mlir
    from tensorflow.compiler.tf2xla.python.xla import call_module

    example = part.inputs[0]
    with torch.no_grad():
        program = torch.export.export(part.graph, (), kwargs=example, strict=False)
    lowered = exported_program_to_mlir(program, inline_constants=False)
    constants = {name: value for name, value in lowered.state_dict.items() if name not in weights}
    code = portable(lowered)

    def call(*inputs: Any) -> dict[str, Any]:
        known = weights | {name: tf.constant(value.numpy()) for name, value in constants.items()}
        specs = [row.input_spec for row in lowered.input_signature]
        outputs = call_module(
            [inputs[spec.i] if spec.is_user_input else known[spec.name] for spec in specs],
            version=_CALL_VERSION,
            module=code,
            Sout=[list(row.shape) for row in lowered.output_signature],
            Tout=[_type_of(row.dtype) for row in lowered.output_signature],
            platforms=["CPU"],
            disabled_checks=["platform"],  # Nothing in the graph depends on the device.
        )
        return dict(zip(part.outputs, outputs, strict=True))

    signature = [tf.TensorSpec(value.shape, _type_of(value.dtype), name) for name, value in example.items()]
    return tf.function(call, input_signature=signature, autograph=False)


def portable(lowered: Any) -> bytes:
    """A lowered graph as StableHLO's portable artifact, with all functions inlined."""
    from litert_converter.mlir import ir, passmanager
    from litert_converter.mlir.dialects import stablehlo

    with lowered.ctx, ir.Location.unknown():
        passmanager.PassManager.parse("builtin.module(inline)").run(lowered.module.operation)
        text = lowered.module.operation.get_asm(large_elements_limit=1 << 62)
        module = ir.Module.parse(spell_booleans(text))
        return bytes(stablehlo.serialize_portable_artifact(module, _STABLEHLO))


def spell_booleans(text: str) -> str:
    """StableHLO code whose constant booleans are stored as bytes, which every release of MLIR reads alike.

    >>> print(spell_booleans('%c = stablehlo.constant dense<"0x0100"> : tensor<2xi1>'))
    %c_bytes = stablehlo.constant dense<"0x0100"> : tensor<2xi8>
    %c = stablehlo.convert %c_bytes : (tensor<2xi8>) -> tensor<2xi1>
    """
    return _BOOLEANS.sub(
        r"\1_bytes = stablehlo.constant dense<\2> : tensor<\3xi8>"
        "\n"
        r"\1 = stablehlo.convert \1_bytes : (tensor<\3xi8>) -> tensor<\3xi1>",
        text,
    )


def _type_of(dtype: torch.dtype) -> Any:
    import tensorflow as tf

    return tf.as_dtype(str(dtype).removeprefix("torch."))


def _caller(part: FixedGraph, signature: Any) -> Callable[[dict[str, Tensor]], list[Any]]:
    """A function from torch's inputs to the signature's outputs as arrays, in the graph's order."""
    import tensorflow as tf

    def run(inputs: dict[str, Tensor]) -> list[Any]:
        outputs = signature(**{name: tf.constant(value.numpy()) for name, value in inputs.items()})
        return [outputs[name].numpy() for name in part.outputs]

    return run


def _move(finished: Path, folder: Path) -> None:
    """Moves the files of a finished SavedModel to their place; the graph, which needs all others, comes last."""
    files = sorted((path for path in finished.rglob("*") if path.is_file()), key=lambda path: path.name == FILE)
    for path in files:
        target = folder / path.relative_to(finished)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
