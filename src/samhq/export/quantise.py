"""Quantises an encoder's matrices to int8: a quarter of the space, products in whole numbers.

Source: onnxruntime.quantization, dynamic quantisation.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from samhq.runtime.about import About


def quantise(path: Path, about: About) -> None:
    """Rewrites a float32 graph in place: constant matrices in int8, with a scale for each output channel.

    Their inputs are quantised at run time. Products of two computed matrices (attention), norms and convolutions stay
    float32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    beside = path.with_name(f"{path.name}.data")
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # It recommends a preparation that changes nothing here.
    # In its own folder: beside the float32 weights it would append to their file.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".int8-") as scratch:
        made = Path(scratch) / path.name
        try:
            quantize_dynamic(
                path,
                made,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=beside.exists(),
            )
        finally:
            logging.getLogger().setLevel(level)
        beside.unlink(missing_ok=True)
        for part in Path(scratch).iterdir():
            os.replace(part, path.with_name(part.name))
    model = onnx.load(path, load_external_data=False)
    onnx.helper.set_model_props(model, about.to_metadata())
    onnx.save(model, path)
