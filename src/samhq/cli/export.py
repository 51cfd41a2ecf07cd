"""`samhq export`: a model as ONNX files, for programs without torch.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from samhq.cli.places import check_free, make_folder
from samhq.config import HQMode


def export(
    model: str | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    dtype: Literal["float32", "float16", "int8"] = "float32",
    contract: Literal["samhq", "original"] = "samhq",
    hq: HQMode | None = None,
    multimask: bool | None = None,
    verify: Annotated[bool, Parameter(negative="")] = False,
    picture: Path | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Write a model as ONNX files that need no torch: encoder.onnx and decoder.onnx.

    For example: samhq export sam_hq_vit_tiny --output exported --verify
    samhq segment photo.jpg --box 10,20,300,400 --model exported -o masks

    Needs the extra `onnx`: pip install 'samhq[onnx]'.

    Parameters:
        model: A name that `samhq models` lists, a weights file, a folder or a hub id. [default: the starter]
        output: Folder for the files; made if it is not there.
        dtype: float16 halves the files, for GPUs and browsers; int8 quarters the encoder's matrices, for CPUs.
        contract: samhq for this package and new programs; original for clients of SAM's and SAM-HQ's own script.
        hq: In the original contract, what is answered; samhq's takes it with each call. [default: add]
        multimask: In the original contract, the best of three masks, or all of plain SAM's. [default: its script's]
        verify: Ask torch and ONNX Runtime the same and print how far apart they are.
        picture: A photograph to verify with. [default: random colours]
        force: Replace the files of an earlier export.
    """
    from samhq.checkpoint.load import load_model
    from samhq.export import convert
    from samhq.runtime.about import DECODER, ENCODER

    if not force:
        check_free([output / ENCODER, output / DECODER])
    make_folder(output)
    loaded = load_model(model)
    for path in convert.export(loaded, output, dtype=dtype, contract=contract, hq=hq, multimask=multimask):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    if verify or picture is not None:
        from samhq.export import verify as checking
        from samhq.image.read import read_image

        shown = None if picture is None else read_image(picture)
        print(checking.verify(loaded, output, shown, hq=hq, multimask=multimask))
    return 0
