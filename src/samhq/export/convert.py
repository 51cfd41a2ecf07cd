"""Exports a model to ONNX files with a description inside: encoder and decoder, checked, and written atomically.

Source: the format is ONNX's (onnx.ai); torch.onnx's exporter of PyTorch programs makes the graphs.
"""

from __future__ import annotations

import copy
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from samhq.checkpoint.fingerprint import weights_hash
from samhq.config import HQMode, ModelConfig
from samhq.errors import ConfigError, did_you_mean
from samhq.export.graphs import DecoderGraph, EncoderGraph
from samhq.export.original import OriginalEncoderGraph, original_decoder
from samhq.export.quantise import quantise
from samhq.export.surgery import add_nodes, forget_shapes, only_if, separate_ends
from samhq.export.trace import trace
from samhq.extras import from_extra
from samhq.model.sam import Sam
from samhq.runtime.about import DECODER, ENCODER, About, Contract, Dtype
from samhq.runtime.seal import seal

_LARGE = 1_500_000_000  #: Weights with more bytes are stored in a separate file, because protobuf is limited to 2 GB.


def export(
    model: Sam,
    directory: str | os.PathLike[str],
    *,
    dtype: Dtype = "float32",
    contract: Contract = "samhq",
    hq: HQMode | None = None,
    multimask: bool | None = None,
) -> list[Path]:
    """Writes `encoder.onnx` and `decoder.onnx` into a folder; returns their paths and those of separate weights.

    `dtype` "float16" stores all weights in half the space; "int8" stores the encoder's matrices in a quarter, and
    computes their products in whole numbers. Inputs and outputs are always float32. `contract` "original" names inputs
    and outputs as SAM's and SAM-HQ's own export script does. Such a graph gives fixed outputs, which `hq` and
    `multimask` choose, see `samhq.export.original.OriginalDecoderGraph`.

    Raises:
        ConfigError: an unknown dtype or contract; the original contract of a SAM 2; `hq` or `multimask` with our
            contract, where they are inputs of the graph; an HQ mask from a plain SAM.
        MissingExtraError: the packages that write ONNX are not installed.
        OSError: the folder cannot be written.
    """
    for value, known in ((dtype, get_args(Dtype)), (contract, get_args(Contract))):
        if value not in known:
            raise ConfigError(f"Expected one of {', '.join(known)}, got {value!r}. {did_you_mean(str(value), known)}")
    if contract == "original" and model.config.second:
        raise ConfigError(
            f"Expected samhq's own contract for {model.config.name}, got the original one, which SAM 2 does not have. "
            "Leave --contract out."
        )
    if contract == "samhq" and (hq is not None or multimask is not None):
        raise ConfigError(
            "Expected hq and multimask with the original contract only, got them with ours, where each call chooses. "
            'Leave them out, or give contract="original".'
        )
    model.hq_mode(hq)
    _check_installed()
    about = describe_export(model, dtype, contract)
    ready = as_exported(model, dtype)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as scratch:
        made = Path(scratch)
        write_encoder(ready, made / ENCODER, about)
        write_decoder(ready, made / DECODER, about, hq, multimask)
        for path in (ENCODER, DECODER):
            check_file(made / path)
        for path in (ENCODER, DECODER):
            seal(made / path)
        return _moved(made, folder)


def describe_export(model: Sam, dtype: Dtype, contract: Contract) -> About:
    """The description that the files carry."""
    config = model.config
    return About(
        model=config.name,
        family=config.family,
        side=config.side,
        hq=config.hq,
        masks=config.decoder.masks,
        dtype=dtype,
        contract=contract,
        weights=weights_hash(model),
        version=version("samhq"),
        mean=config.encoder.normalisation.mean,
        std=config.encoder.normalisation.std,
        squashed=config.second,
        default_hq=config.defaults.hq or "add",
        click_mask=config.defaults.click_mask or "best",
        refine_margin=config.defaults.refine_margin,
    )


def as_exported(model: Sam, dtype: Dtype) -> Sam:
    """A copy on the CPU whose weights have the exported dtype."""
    weights = torch.float16 if dtype == "float16" else torch.float32
    return copy.deepcopy(model).to("cpu", weights).requires_grad_(False).eval()


def write_encoder(model: Sam, path: Path, about: About) -> None:
    """Writes the encoder's graph."""
    side = model.config.side
    graph: nn.Module = OriginalEncoderGraph(model) if about.contract == "original" else EncoderGraph(model)
    names = OriginalEncoderGraph.outputs[: 2 if model.config.hq else 1]
    program = trace(
        graph,
        {"pixels": torch.zeros(1, 3, side, side)},
        names if about.contract == "original" else tuple(maps(model.config)),
        {},
    )
    weights = sum(parameter.nbytes for parameter in model.image_encoder.parameters())
    _save(program, path, about, beside=weights > _LARGE)
    if about.dtype == "int8":
        quantise(path, about)


def write_decoder(
    model: Sam, path: Path, about: About, hq: HQMode | None = None, multimask: bool | None = None
) -> None:
    """Writes the decoder's graph."""
    import onnx

    proto = original_decoder(model, hq, multimask) if about.contract == "original" else decoder(model)
    onnx.helper.set_model_props(proto, about.to_metadata())
    separate_ends(proto)
    forget_shapes(proto)
    onnx.save(proto, path)


def decoder(model: Sam) -> Any:
    """The decoder as an `onnx.ModelProto`: the network's graph, and nodes to add SAM's and the HQ logits on request."""
    hq = model.config.hq
    # Two images with one prompt each and three prompts: equal sizes, or sizes of 1, in an example would count as fixed.
    shapes: dict[str, dict[int, str]] = {
        "points": {0: "prompts", 1: "points"},
        "labels": {0: "prompts", 1: "points"},
        "boxes": {0: "prompts"},
        "masks": {0: "masks"},
        "take": {0: "taken"},
    }
    names = ["sam_logits", "hq_logits", "iou"] if hq else ["logits", "iou"]
    program = trace(DecoderGraph(model), example(model), names, shapes)
    proto = program.model_proto
    if hq:
        _combine(proto)
    return proto


def example(model: Sam) -> dict[str, Tensor]:
    """Inputs of the decoder that fit the model, with sizes that are all different."""
    grid = model.config.grid
    return {name: torch.zeros(1, *shape) for name, shape in maps(model.config).items()} | {
        "points": torch.zeros(3, 2, 2),
        "labels": torch.ones(3, 2, dtype=torch.int32),
        "boxes": torch.full((3, 4), torch.nan),
        "masks": torch.full((5, 1, 4 * grid, 4 * grid), torch.nan),
        "take": torch.arange(4, dtype=torch.int32),
    }


def maps(config: ModelConfig) -> dict[str, tuple[int, int, int]]:
    """The maps from the encoder to the decoder, by name: channels, rows and columns.

    >>> from samhq.config import model_config
    >>> list(maps(model_config("sam2.1_hiera_tiny")))
    ['features', 'level0', 'level1']
    """
    grid, row = config.grid, config.decoder
    shapes = {"features": (row.dim, grid, grid)}
    if config.has_hq_map:
        shapes["hq_features"] = (row.mask_dim, 4 * grid, 4 * grid)
    if config.second:
        shapes |= {"level0": (row.mask_dim, 4 * grid, 4 * grid), "level1": (row.middle_dim, 2 * grid, 2 * grid)}
    return shapes


def _combine(proto: Any) -> None:
    """Adds the input `hq` (0 off, 1 add, 2 only) and the output `logits`; the HQ part runs only if it is needed."""
    from onnx import TensorProto, helper

    shape = [dim.dim_param or dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim]
    scalar = helper.make_tensor_value_info("hq", TensorProto.INT32, [1])
    numbers = {"hq_number_off": 0, "hq_number_only": 2}
    flags = [
        *(
            helper.make_node("Constant", [], [name], value=helper.make_tensor(name, TensorProto.INT32, [1], [number]))
            for name, number in numbers.items()
        ),
        helper.make_node("Equal", ["hq", "hq_number_off"], ["hq_is_off"]),
        helper.make_node("Not", ["hq_is_off"], ["hq_is_wanted"]),
        helper.make_node("Equal", ["hq", "hq_number_only"], ["hq_is_alone"]),
    ]
    nodes = [*flags, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    refined = only_if(proto, "hq_logits", "hq_is_wanted")
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])
    del proto.graph.output[0]
    add_nodes(
        proto,
        [
            helper.make_node("Constant", [], ["no_logit"], value=zero),
            helper.make_node("Where", ["hq_is_alone", "no_logit", "sam_logits"], ["sam_part"]),
            helper.make_node("Add", ["sam_part", refined], ["logits"]),
        ],
        [scalar],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    )


def check_file(path: Path) -> None:
    """Checks a file with ONNX's own checker and its shape inference.

    Raises:
        onnx.checker.ValidationError, onnx.shape_inference.InferenceError: a fault of the exporter.
    """
    import onnx

    onnx.checker.check_model(str(path), full_check=True)


def _save(program: Any, path: Path, about: About, *, beside: bool) -> None:
    import onnx

    program.model.metadata_props.update(about.to_metadata())
    program.save(str(path), external_data=beside)
    proto = onnx.load(path, load_external_data=False)
    separate_ends(proto)
    forget_shapes(proto)
    onnx.save(proto, path)


def _moved(finished: Path, folder: Path) -> list[Path]:
    """Moves the finished files to their place: weights before the graphs that name them."""
    for stale in (ENCODER, DECODER):
        if not (finished / f"{stale}.data").exists():
            (folder / f"{stale}.data").unlink(missing_ok=True)
    ordered = sorted(finished.iterdir(), key=lambda path: (path.suffix == ".onnx", path.name))
    for path in ordered:
        os.replace(path, folder / path.name)
    return sorted(folder / path.name for path in ordered)


def _check_installed() -> None:
    with from_extra("onnx", "writing ONNX"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
