"""`samhq export`: a model as ONNX, LiteRT or TensorFlow files, for programs without torch.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from samhq.cli.places import check_free, folder_for_one
from samhq.config import HQMode
from samhq.errors import ConfigError


def export(
    model: str | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    to: Literal["onnx", "litert", "tensorflow"] = "onnx",
    dtype: Literal["float32", "float16", "int8"] = "float32",
    contract: Literal["samhq", "original"] = "samhq",
    hq: HQMode | None = None,
    multimask: bool | None = None,
    verify: Annotated[bool, Parameter(negative="")] = False,
    picture: Path | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Export a model to ONNX files that run without torch: encoder.onnx and decoder.onnx.

    For example: samhq export sam_hq_vit_tiny --output exported --verify
    samhq segment photo.jpg --box 10,20,300,400 --model exported -o masks

    Needs the extra `onnx`: pip install 'samhq[onnx]'. LiteRT needs the package litert-torch, TensorFlow needs
    litert-torch and tensorflow.

    Parameters:
        model: A name from `samhq models`, a weights file, a folder or a hub id. [default: the starter]
        output: Folder for the files. It is created if it does not exist.
        to: litert: encoder.tflite and decoder.tflite, for LiteRT (TensorFlow Lite). tensorflow: a SavedModel with the
            signatures encode and decode. Both are float32 and compared with torch. Of the other flags only --force
            applies.
        dtype: float16: files of half the size, for GPUs and browsers. int8: encoder matrices of a quarter of the size,
            for CPUs.
        contract: samhq: for this package and new programs. original: for programs written for the export script of SAM
            or SAM-HQ.
        hq: Original contract only: add the HQ logits, use them alone, or leave them out. With
            samhq's contract each call chooses. [default: add]
        multimask: Original contract only: the best of three masks, or all masks of plain SAM. [default: that of the
            original script]
        verify: Run torch and ONNX Runtime on the same input and print the differences.
        picture: Photograph for --verify. [default: random colours]
        force: Replace the files of an earlier export.
    """
    if to != "onnx":
        if (dtype, contract, hq, multimask, verify, picture) != ("float32", "samhq", None, None, False, None):
            raise ConfigError(f"Expected only --output and --force with --to {to}, got more. Leave the others out.")
        with folder_for_one(output, "exporting"):
            return (_to_litert if to == "litert" else _to_tensorflow)(model, output, force=force)
    from samhq.checkpoint.load import load_model
    from samhq.export import convert
    from samhq.runtime.about import DECODER, ENCODER

    with folder_for_one(output, "exporting"):
        if not force:
            check_free([output / ENCODER, output / DECODER])
        loaded = load_model(model)
        for path in convert.export(loaded, output, dtype=dtype, contract=contract, hq=hq, multimask=multimask):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
        if verify or picture is not None:
            from samhq.export import verify as checking
            from samhq.image.read import read_image

            shown = None if picture is None else read_image(picture)
            print(checking.verify(loaded, output, shown, hq=hq, multimask=multimask))
    return 0


def _to_litert(model: str | None, output: Path, *, force: bool) -> int:
    """Writes the two LiteRT files and prints their sizes and differences from torch."""
    from samhq.checkpoint.load import load_model
    from samhq.export import litert

    if not force:
        check_free([output / litert.ENCODER, output / litert.DECODER])
    for path, difference in litert.export_litert(load_model(model), output).items():
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {difference}")
    return 0


def _to_tensorflow(model: str | None, output: Path, *, force: bool) -> int:
    """Writes the SavedModel and prints its size and difference from torch."""
    from samhq.checkpoint.load import load_model
    from samhq.export import saved_model

    if not force:
        check_free([output / saved_model.FILE])
    difference = saved_model.export_saved_model(load_model(model), output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: {size / 1e6:.1f} MB, {difference}")
    return 0
